"""Where each value stands in the form: sections, groups that can be folded, and when a value matters at all.

What is not named here stands in the last group of its section, so that nothing in the model is out of reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wstui.scenario.errors import dotted
from wstui.scenario.fields import Field, FieldKind, editable
from wstui.scenario.model import Scenario, Suite

TextOf = Callable[[str], str]
"""The text of a value by its dotted path."""


@dataclass(frozen=True, slots=True)
class Group:
    """Some values of a section. One with a title can be folded, and is until something in it is set."""

    section: str
    title: str
    fields: tuple[Field, ...]

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return f"{self.section}/{self.title}"


_SECTIONS: Mapping[str, str] = {
    "": "scenario", "target": "target", "auth": "auth", "http": "target",
    "breakpoint": "load", "stages": "load", "messages": "messages",
    "thresholds": "limits", "fleet": "generator", "demo": "demo server",
    "suite": "sequence", "cooldown": "sequence",
}  # fmt: skip
_ORDER = ("scenario", "target", "auth", "load", "messages", "limits", "sequence", "generator", "demo server")
_GROUPS: tuple[tuple[str, str, str], ...] = (
    ("scenario", "", "name description"),
    ("target", "", "target.url target.ready target.welcome target.settle target.health target.health_gate"),
    ("target", "route", "target.proxy target.connect_to target.spread_addresses"),
    ("target", "headers", "target.headers target.cookies target.subprotocols target.origin"),
    ("target", "TLS", "target.ca_file target.cert_file target.key_file target.insecure"),
    ("target", "reconnect", "target.reconnect target.reconnect_base target.reconnect_cap target.reconnect_attempts"),
    ("target", "connection", "target.connect_timeout target.close_timeout target.max_size target.strict "
                             "target.compression target.ping_every target.ping_timeout target.protocol "
                             "target.type_field"),
    ("target", "HTTP requests", "http.concurrency http.timeout"),
    ("auth", "", "auth.kind auth.user auth.password auth.token auth.secret auth.send_as auth.ttl auth.mix.good "
                 "auth.mix.expired auth.mix.forged auth.mix.missing auth.mix.wrong_algorithm"),
    ("load", "", "breakpoint stages breakpoint.of breakpoint.start breakpoint.most breakpoint.ramp "
                 "breakpoint.measure"),
    ("load", "search", "breakpoint.factor breakpoint.precision breakpoint.clients breakpoint.settle "
                       "breakpoint.recover"),
    ("messages", "", "messages.exchange messages.every messages.timeout messages.size messages.text"),
    ("messages", "feed and chance", "messages.feed messages.feed_per messages.arrivals messages.jitter messages.seed"),
    ("messages", "subscriptions, slow readers", "messages.subscribe messages.subscribe_each messages.slow_readers"),
    ("messages", "broadcasts", "messages.fanout messages.fanout_window"),
    ("limits", "", "thresholds"),
    ("sequence", "", "suite cooldown"),
    ("generator", "workers and hosts", ""),
    ("demo server", "its options", ""),
)  # fmt: skip

SEARCH = "breakpoint"
"""The table whose presence is chosen like a value: stages, or a search for the limit."""
_WHEN: Mapping[str, Callable[[TextOf], bool]] = {
    "target.welcome": lambda look: look("target.ready") == "welcome",
    "target.settle": lambda look: look("target.ready") == "open",
    "target.ping_timeout": lambda look: look("target.ping_every") != "",
    "target.reconnect_base": lambda look: look("target.reconnect") == "exponential",
    "target.reconnect_cap": lambda look: look("target.reconnect") == "exponential",
    "target.reconnect_attempts": lambda look: look("target.reconnect") != "none",
    "auth.token": lambda look: look("auth.kind") == "token",
    "auth.user": lambda look: look("auth.kind") == "basic",
    "auth.password": lambda look: look("auth.kind") == "basic",
    "auth.secret": lambda look: look("auth.kind") in ("jwt", "mix"),
    "auth.ttl": lambda look: look("auth.kind") in ("jwt", "mix"),
    "auth.send_as": lambda look: look("auth.kind") not in ("none", "basic"),
    "auth.mix": lambda look: look("auth.kind") == "mix",
    "stages": lambda look: look(SEARCH) == "stages",
    "breakpoint.": lambda look: look(SEARCH) == "search",
    "messages.size": lambda look: look("messages.exchange") == "echo",
    "messages.text": lambda look: look("messages.exchange") == "echo",
    "messages.exchange": lambda look: look("messages.exchange") != "roles",
    "messages.jitter": lambda look: look("messages.arrivals") == "jitter",
}


def groups(model: type[Scenario | Suite]) -> list[Group]:
    """The groups of the form, top to bottom; every field of the model is in one of them."""
    known = {
        dotted(field.path): field for field in editable(model) if field.kind is not FieldKind.TABLE or field.optional
    }
    made: list[tuple[str, str, list[Field]]] = []
    for section, title, names in _GROUPS:
        made.append((section, title, [known.pop(name) for name in names.split() if name in known]))
    for name, field in known.items():
        section = _section(name)
        last = next((group for group in reversed(made) if group[0] == section), None)
        if last is None or (not last[1] and field.kind is not FieldKind.ROWS):
            last = (section, "more", [])
            made.append(last)
        last[2].append(field)
    order = {section: place for place, section in enumerate(_ORDER)}
    made.sort(key=lambda group: order.get(group[0], len(order)))
    return [Group(section, title, tuple(found)) for section, title, found in made if found]


def matters(field: Field, look: TextOf) -> bool:
    """Whether a value has any effect, as the others are."""
    name = dotted(field.path)
    return all(rule(look) for prefix, rule in _WHEN.items() if name == prefix or _within(name, prefix))


def label(field: Field) -> str:
    """Its title; the choice between stages and a search is a question of the form's own."""
    return "load is" if field.path == (SEARCH,) else field.title


def _within(name: str, prefix: str) -> bool:
    return name.startswith(prefix if prefix.endswith(".") else f"{prefix}.")


def _section(name: str) -> str:
    head, dot, _ = name.partition(".")
    return _SECTIONS.get(head, head if dot else "scenario")
