"""What is asked for on top of a preset: flags first, then the environment, then the preset, then the defaults."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

from pydantic import ValidationError

from wstui.scenario.breakpoint import UNITS, Breakpoint
from wstui.scenario.checks import findings
from wstui.scenario.env_refs import Reference, expand, has_reference, secret_values, value_at
from wstui.scenario.errors import BadValue, Key, Problem, ScenarioError, dotted, quote
from wstui.scenario.model import Scenario, Stage, Suite
from wstui.scenario.problem import without_secrets
from wstui.scenario.secrets import mask_url
from wstui.scenario.threshold import parse_condition
from wstui.scenario.types import MOST_CLIENTS, without_ends
from wstui.scenario.units import first_digits
from wstui.scenario.validation_errors import diagnose

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"


class Flags(TypedDict, total=False):
    """What a command line can ask for. None, False and empty lists count as not given."""

    url: str | None
    proxy: str | None
    connect_to: str | None
    spread_addresses: bool
    ping_every: str | float | None
    ping_timeout: str | float | None
    type_field: str | None
    clients: int | None  # the peak; the other stages keep their proportion to it
    scale: float | None  # multiplies the clients of every stage
    ramp: str | float | None  # length of the stage "ramp"
    hold: str | float | None  # length of the stage "hold"
    every: str | float | None
    timeout: str | float | None
    exchange: str | None
    token: str | None  # makes auth.kind "token" unless `auth` says otherwise
    auth: str | None
    ready: str | None
    health: str | None
    workers: int | None
    local_addresses: Sequence[str]
    hosts: Sequence[str]  # take the place of the preset's
    ssh_config: str | None
    host_python: str | None  # the Python on the hosts
    scheduler: str | None
    on_loss: str | None
    insecure: bool
    ca_file: str | None
    thresholds: Sequence[str]  # "response.p99 < 20ms"; takes the place of the preset's limits on the same metric
    no_thresholds: bool  # leaves the preset's thresholds out
    breakpoint_of: str | None  # looks for the limit of this, in the place of the preset's stages
    start: int | None  # the first load of that search
    most: int | None  # its largest load


_KEYS: dict[str, Key] = {
    "url": ("target", "url"),
    "proxy": ("target", "proxy"),
    "connect_to": ("target", "connect_to"),
    "spread_addresses": ("target", "spread_addresses"),
    "ping_every": ("target", "ping_every"),
    "ping_timeout": ("target", "ping_timeout"),
    "type_field": ("target", "type_field"),
    "ready": ("target", "ready"),
    "health": ("target", "health"),
    "insecure": ("target", "insecure"),
    "ca_file": ("target", "ca_file"),
    "token": ("auth", "token"),
    "secret": ("auth", "secret"),
    "auth": ("auth", "kind"),
    "exchange": ("messages", "exchange"),
    "every": ("messages", "every"),
    "timeout": ("messages", "timeout"),
    "workers": ("fleet", "workers"),
    "local_addresses": ("fleet", "local_addresses"),
    "hosts": ("fleet", "hosts"),
    "ssh_config": ("fleet", "ssh_config"),
    "host_python": ("fleet", "python"),
    "scheduler": ("fleet", "scheduler"),
    "on_loss": ("fleet", "on_loss"),
}
_SEARCH_KEYS = (("start", "start"), ("most", "most"), ("ramp", "ramp"), ("hold", "measure"))
_LISTS = ("local_addresses", "hosts")
_REFERRING = ("url", "health", "proxy", "token")
"""Flags that take ${NAME}: what holds a secret would stand in the list of processes."""
_OPTIONS = {"local_addresses": "--local-address", "thresholds": "--threshold", "token": "--token-file"}


@dataclass(frozen=True, slots=True)
class _Wish:
    value: Any = field(repr=False)
    source: str  # command line or environment
    name: str  # --clients, MAX_CONNECTIONS


def apply(
    scenario: Scenario, environ: Mapping[str, str] | None = None, flags: Flags | Mapping[str, Any] | None = None
) -> Scenario:
    """The scenario with the flags and the environment's wishes in it, checked as a whole.

    Args:
        environ: WS_URL, AUTH_TOKEN (where auth.kind is "token"), JWT_SECRET (where it is "jwt" or "mix" and the preset
            has no secret), MAX_CONNECTIONS (peak clients), TEST_DURATION (ms of the stage "hold"), MESSAGE_FREQUENCY
            (ms between sends of a client); empty ones count as unset. The process's own environment by default.

    Raises:
        ScenarioError: with everything that is wrong, by flag or variable where one of these is to blame.
    """
    given = {name: value for name, value in (flags or {}).items() if not _is_absent(value)}
    if unknown := given.keys() - Flags.__annotations__.keys():
        raise TypeError(f"no such flag: {', '.join(sorted(unknown))}")
    problems: list[Problem] = []
    kind = str(given.get("auth") or ("token" if "token" in given else scenario.auth.kind))
    environ = os.environ if environ is None else environ
    wishes = _environment(scenario, kind, environ, problems)
    references: dict[Key, Reference] = {}
    secrets = [*scenario.origin.secrets]
    for name, value in given.items():
        wish = _Wish(value, COMMAND_LINE, _OPTIONS.get(name, "--" + name.replace("_", "-")))
        if name in _REFERRING and has_reference(str(value)):
            wish = replace(wish, value=_expanded(wish, environ, problems))
            references[_KEYS[name]] = Reference(str(value), wish.value)
            secrets += secret_values(str(value), environ)
        wishes[name] = wish
    if references:  # problems are told without these secrets, too
        scenario, origin = scenario.model_copy(), scenario.origin
        scenario._origin = replace(
            origin, references={**origin.references, **references}, secrets=tuple(dict.fromkeys(secrets))
        )
    if "token" in given and "auth" not in given:
        wishes["auth"] = _Wish("token", COMMAND_LINE, "--token-file")
    data = scenario.model_dump(exclude_unset=True)
    blame: dict[Key, _Wish] = {}
    for name, wish in wishes.items():
        if key := _KEYS.get(name):
            section, option = map(str, key)
            data.setdefault(section, {})[option] = list(wish.value) if name in _LISTS else wish.value
            blame[key] = wish
    data["thresholds"] = _thresholds(scenario, wishes, problems)
    if scenario.breakpoint is not None or "breakpoint_of" in wishes:
        _search(scenario, data, wishes, blame, problems)
    else:
        for name in wishes.keys() & {"start", "most"}:
            message = "belongs to a search for the limit: add --breakpoint-of clients, connects or messages"
            problems.append(Problem(wishes[name].source, wishes[name].name, message))
        data["stages"] = _stages(scenario.stages, wishes, blame, problems)
    made = _result(scenario, data, blame, problems)
    made._origin = replace(made._origin, given=frozenset(dotted(_KEYS[name]) for name in given if name in _KEYS))
    return made


def revised(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """The scenario with other values by dotted key ("messages.every", "stages"), checked.

    Durations and sizes may be texts. What is not changed keeps its reference. The problems of a ScenarioError
    carry the key of each field.
    """
    data = scenario.model_dump(exclude_unset=True)
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        table = data.setdefault(section, {}) if section else data
        table[name] = value
    return _result(scenario, data, {}, [])


def remade(content: Scenario | Suite, data: dict[str, Any], references: Mapping[Key, str]) -> Scenario | Suite:
    """What `data` says, checked, as a further version of `content`.

    `references` are the texts by place in it that stand for its values; there are no others. Raises ScenarioError.
    """
    made: Scenario | Suite
    if isinstance(content, Scenario):
        made = _result(content, data, {}, [], references)
    else:
        try:
            made = Suite.model_validate(data)
        except ValidationError as error:
            raise ScenarioError(diagnose(error, content.origin.file, Suite).values()) from None
    values = made.model_dump()
    known = {key: Reference(raw, value_at(values, key)) for key, raw in references.items()}
    secrets = [value for raw in references.values() for value in secret_values(raw, os.environ)]
    made._origin = replace(content.origin, references=known, secrets=(*content.origin.secrets, *secrets))
    return made


def _expanded(wish: _Wish, environ: Mapping[str, str], problems: list[Problem]) -> str:
    """Return the text of a flag with its references to the environment resolved."""
    try:
        text, missing = expand(str(wish.value), environ)
    except BadValue as error:
        problems.append(Problem(wish.source, wish.name, error.message))
        return str(wish.value)
    if missing:
        are = "is" if len(missing) == 1 else "are"
        problems.append(Problem(wish.source, wish.name, f"{' and '.join(missing)} {are} not set"))
    return text


def _is_absent(value: Any) -> bool:
    return value is None or value is False or value == () or value == []


def _result(
    scenario: Scenario,
    data: dict[str, Any],
    blame: Mapping[Key, _Wish],
    problems: list[Problem],
    references: Mapping[Key, str] | None = None,
) -> Scenario:
    file = scenario.origin.file
    try:
        changed = Scenario.model_validate(data)
    except ValidationError as error:
        found = diagnose(error, file, Scenario)
        found_all = [*problems, *(_blamed(key, problem, blame) for key, problem in found.items())]
        raise ScenarioError(without_secrets(problem, scenario.origin.secrets) for problem in found_all) from None
    changed._origin = scenario._origin
    if references is not None:
        known = {key: Reference(raw, None) for key, raw in references.items()}
        changed._origin = replace(scenario._origin, references=known)
    if not problems:
        problems = [_blamed(finding.key, finding.problem(file), blame) for finding in findings(changed)]
    if problems:
        raise ScenarioError(without_secrets(problem, scenario.origin.secrets) for problem in problems)
    return changed


def _blamed(key: Key, problem: Problem, blame: Mapping[Key, _Wish]) -> Problem:
    for length in range(len(key), 0, -1):
        if wish := blame.get(key[:length]):
            return Problem(wish.source, wish.name, problem.message, problem.value, problem.nearest)
    return problem


def _environment(
    scenario: Scenario, kind: str, environ: Mapping[str, str], problems: list[Problem]
) -> dict[str, _Wish]:
    wishes: dict[str, _Wish] = {}

    def whole(variable: str, name: str, unit: str, divisor: int, least: int) -> None:
        if text := environ.get(variable, "").strip():
            if text.isascii() and text.isdigit() and (number := first_digits(text)) >= least:
                wishes[name] = _Wish(number / divisor if divisor > 1 else number, ENVIRONMENT, variable)
            else:
                problems.append(Problem(ENVIRONMENT, variable, f"must be a whole number of {unit}", quote(text[:40])))

    texts = [("WS_URL", "url")]
    if kind == "token":
        texts.append(("AUTH_TOKEN", "token"))
    if kind in ("jwt", "mix") and not scenario.auth.secret.get_secret_value():
        texts.append(("JWT_SECRET", "secret"))
    for variable, name in texts:
        if (text := environ.get(variable)) and without_ends(text):
            wishes[name] = _Wish(text, ENVIRONMENT, variable)
    whole("MAX_CONNECTIONS", "clients", "clients, at least 1", 1, 1)
    whole("TEST_DURATION", "hold", "milliseconds", 1000, 0)
    whole("MESSAGE_FREQUENCY", "every", "milliseconds", 1000, 0)
    return wishes


def _stages(
    stages: Sequence[Stage], wishes: Mapping[str, _Wish], blame: dict[Key, _Wish], problems: list[Problem]
) -> list[dict[str, Any]]:
    data = [stage.model_dump() for stage in stages]
    for name in ("ramp", "hold"):
        if wish := wishes.get(name):
            index = next((i for i, stage in enumerate(stages) if stage.name == name), None)
            if index is None:
                names = ", ".join(quote(stage.name) for stage in stages) or "none"
                message = f"sets the stage {quote(name)}, and there is none: the stages are {names}"
                problems.append(Problem(wish.source, wish.name, message))
            else:
                data[index]["over"] = wish.value
                blame["stages", index, "over"] = wish
    peak = max((stage.clients or 0 for stage in stages), default=0)
    factor = 1.0
    for name in ("clients", "scale"):
        if wish := wishes.get(name):
            # Without a ramp there are still arrivals to scale.
            of = peak or (name == "scale" and any(stage.arrive for stage in stages))
            factor *= _factor(name, wish, of, factor, problems)
    scale = wishes.get("scale")
    for stage in data:
        if stage["clients"]:
            stage["clients"] = max(1, round(stage["clients"] * factor))
        if stage["arrive"] and scale and float(scale.value) > 0:
            stage["arrive"] *= float(scale.value)
    return data


def _search(
    scenario: Scenario,
    data: dict[str, Any],
    wishes: Mapping[str, _Wish],
    blame: dict[Key, _Wish],
    problems: list[Problem],
) -> None:
    """Put the wishes into the search for the limit; a scenario that has none becomes one."""
    data["stages"] = [] if scenario.breakpoint is None else data.get("stages", [])
    table = data["breakpoint"] = dict(data.get("breakpoint") or {})
    if scenario.breakpoint is None:
        for threshold in data["thresholds"]:
            threshold["stage"] = ""
    before = table.get("of", "clients")
    if (wish := wishes.get("breakpoint_of")) and wish.value != before:
        # Bounds are counted in what is looked for.
        table.pop("start", None)
        table.pop("most", None)
    of = wish.value if wish else before
    peak = "most" if of == "clients" else "clients"
    keys = (("breakpoint_of", "of"), ("clients", peak), *_SEARCH_KEYS)
    for name, key in keys:
        if wish := wishes.get(name):
            table[key] = wish.value
            blame["breakpoint", key] = wish
    if wish := wishes.get("scale"):
        number = float(wish.value)
        if not (math.isfinite(number) and number > 0):
            problems.append(Problem(wish.source, wish.name, "must be a number more than 0", str(wish.value)))
            return
        search = Breakpoint.model_validate({"of": of}) if of in UNITS else Breakpoint()
        for key in ("start", "most") if of == "clients" else ("clients",):
            known = {"start": search.first, "most": search.largest, "clients": search.clients}[key]
            value = table.get(key)
            known = value if isinstance(value, int) else known
            table[key] = max(1, round(known * number))
            blame["breakpoint", key] = wish


def _factor(name: str, wish: _Wish, peak: int, factor: float, problems: list[Problem]) -> float:
    """What the clients of every stage are multiplied by."""
    number = float(wish.value)
    if not peak:
        message = "cannot be applied: no stage of the scenario has clients"
    elif not (math.isfinite(number) and number > 0) or (name == "clients" and number < 1):
        message = "must be at least 1" if name == "clients" else "must be a number more than 0"
    elif (number if name == "clients" else peak * factor * number) > MOST_CLIENTS:
        message = f"is too much: {MOST_CLIENTS} clients at most"
    else:
        return number / peak if name == "clients" else number
    problems.append(Problem(wish.source, wish.name, message, str(wish.value)))
    return 1.0


def _thresholds(scenario: Scenario, wishes: Mapping[str, _Wish], problems: list[Problem]) -> list[dict[str, Any]]:
    kept = [] if "no_thresholds" in wishes else [threshold.model_dump() for threshold in scenario.thresholds]
    added: list[dict[str, Any]] = []
    if wish := wishes.get("thresholds"):
        for text in wish.value:
            try:
                metric, limit = parse_condition(text)
            except BadValue as error:
                problems.append(Problem(wish.source, wish.name, error.message, quote(text), error.nearest))
            else:
                added.append({"metric": metric, "limit": limit})
    named = {threshold["metric"] for threshold in added}
    return [threshold for threshold in kept if threshold["metric"] not in named] + added


def overriding(flags: Flags | Mapping[str, Any] | None) -> dict[str, Any]:
    """What `file.load` need not find in the file, since flags say it: so an unset variable there does no harm."""
    given = flags or {}
    return {dotted(_KEYS[name]): given[name] for name in ("url", "token") if given.get(name) is not None}


def blamed(problem: Problem, flags: Flags | Mapping[str, Any] | None, environ: Mapping[str, str]) -> Problem:
    """The problem of a file, told of the flag or the variable whose value it is."""
    if problem.key == "auth.token" and overriding(flags).get(problem.key):
        return replace(problem, file=COMMAND_LINE, key="--token-file")
    if problem.key != "target.url":
        return problem
    if overriding(flags).get(problem.key) is not None:
        return replace(problem, file=COMMAND_LINE, key="--url")
    if (url := environ.get("WS_URL")) and problem.value == quote(mask_url(url)):
        return replace(problem, file=ENVIRONMENT, key="WS_URL")
    return problem
