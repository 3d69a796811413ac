"""Write a scenario as TOML: what differs from the defaults, what matters anyway, and references for secrets.

tomli-w writes new text; `toml_edit` changes text that exists.
"""

from __future__ import annotations

import re
from typing import Any

import tomli_w
from pydantic import BaseModel

from wstui.scenario.breakpoint import Breakpoint
from wstui.scenario.env_refs import value_at
from wstui.scenario.errors import Key
from wstui.scenario.model import Messages, Scenario, Stage, Suite, Target, Threshold
from wstui.scenario.secret_fields import keeps_secrets, saved

_HEADER = re.compile(r"^(\[\[?)", re.MULTILINE)
_ALWAYS: dict[type[BaseModel], tuple[str, ...]] = {
    Scenario: ("name",),
    Suite: ("name", "suite", "cooldown"),
    Target: ("url",),
    Stage: ("name", "over", "clients"),
    Messages: ("exchange", "every", "timeout"),
    Threshold: ("metric", "limit"),
    Breakpoint: ("of",),
}


def written(scenario: Scenario | Suite) -> str:
    """Return a scenario as new TOML text."""
    tables = Writing(scenario).table(scenario, ())
    plain = {name: value for name, value in tables.items() if not _is_section(value)}
    parts = [tomli_w.dumps(plain)]
    for name, value in tables.items():
        if isinstance(value, dict):
            parts.append(tomli_w.dumps({name: value}))
        elif _is_section(value):
            inner = rf"\g<1>{name}."
            parts.extend(f"[[{name}]]\n{_HEADER.sub(inner, tomli_w.dumps(item))}" for item in value)
    return "\n".join(parts)


def _is_section(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


class Writing:
    """The values of a scenario as a file says them."""

    def __init__(self, scenario: Scenario | Suite) -> None:
        self._references = scenario.origin.references
        self._values = scenario.model_dump()
        self._texts = scenario.model_dump(mode="json")
        self._token = scenario.auth.token.get_secret_value() if isinstance(scenario, Scenario) else ""

    def table(self, model: BaseModel, key: Key) -> dict[str, Any]:
        """Return the keys of a table that are worth writing, in the order of the model."""
        always = _ALWAYS.get(type(model), ())
        if isinstance(model, Messages) and model.exchange == "listen":
            always = ("exchange",)  # listeners send nothing, so no pace is written
        written: dict[str, Any] = {}
        for name, field in type(model).model_fields.items():
            value, place = getattr(model, name), (*key, name)
            if isinstance(value, BaseModel):
                if table := self.table(value, place):
                    written[name] = table
            elif value is not None and (
                name in always or value != field.get_default(call_default_factory=True) or self._is_referred(place)
            ):
                written[name] = self.value(value, place)
        written.update((name, self.value(value, (*key, name))) for name, value in (model.model_extra or {}).items())
        return written

    def value(self, value: Any, key: Key) -> Any:
        """Return the value of a field as the file says it."""
        if isinstance(value, BaseModel):
            return self.table(value, key)
        if isinstance(value, list):
            return [self.value(item, (*key, index)) for index, item in enumerate(value)]
        if isinstance(value, dict):
            return {name: self.value(item, (*key, name)) for name, item in value.items()}
        if self._is_referred(key):
            return self._references[key].raw
        text = value_at(self._texts, key)
        if hasattr(value, "get_secret_value"):
            text = value.get_secret_value()
        return saved(key, text, self._token) if isinstance(text, str) else text

    def _is_referred(self, key: Key) -> bool:
        """Return whether the source file had a reference here whose value is unchanged."""
        known = self._references.get(key)
        return known is not None and known.value == value_at(self._values, key) and keeps_secrets(key, known.raw)
