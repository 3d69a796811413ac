"""Apply flags and environment to a preset. Flags win over the environment, it over the preset."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from wstui.scenario.breakpoint import UNITS, Breakpoint
from wstui.scenario.changes import RequestedValue, checked
from wstui.scenario.env_refs import Reference, expand, has_reference, secret_values
from wstui.scenario.errors import BadValue, Key, Problem, dotted, quote
from wstui.scenario.model import Scenario
from wstui.scenario.secrets import mask_url
from wstui.scenario.threshold import parse_condition
from wstui.scenario.types import MOST_CLIENTS, without_ends
from wstui.scenario.units import first_digits

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"


def _sets(key: str) -> Any:
    """Declare an option that stands for one field of the scenario."""
    return field(default=None, metadata={"key": key})


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Changes of a command line to a scenario. None, False and () mean "not given"."""

    url: str | None = _sets("target.url")
    proxy: str | None = _sets("target.proxy")
    connect_to: str | None = _sets("target.connect_to")
    spread_addresses: bool | None = _sets("target.spread_addresses")
    ping_every: str | float | None = _sets("target.ping_every")
    ping_timeout: str | float | None = _sets("target.ping_timeout")
    type_field: str | None = _sets("target.type_field")
    ready: str | None = _sets("target.ready")
    health: str | None = _sets("target.health")
    insecure: bool | None = _sets("target.insecure")
    ca_file: str | None = _sets("target.ca_file")
    token: str | None = _sets("auth.token")  # makes auth.kind "token" unless `auth` says otherwise
    auth: str | None = _sets("auth.kind")
    exchange: str | None = _sets("messages.exchange")
    every: str | float | None = _sets("messages.every")
    timeout: str | float | None = _sets("messages.timeout")
    workers: int | None = _sets("fleet.workers")
    local_addresses: Sequence[str] | None = _sets("fleet.local_addresses")
    hosts: Sequence[str] | None = _sets("fleet.hosts")  # replace the preset's
    ssh_config: str | None = _sets("fleet.ssh_config")
    host_python: str | None = _sets("fleet.python")
    scheduler: str | None = _sets("fleet.scheduler")
    on_loss: str | None = _sets("fleet.on_loss")
    clients: int | None = None  # the peak; the other stages keep their proportion to it
    scale: float | None = None  # multiplies the clients of every stage
    ramp: str | float | None = None  # duration of the stage "ramp"
    hold: str | float | None = None  # duration of the stage "hold"
    thresholds: Sequence[str] = ()  # "response.p99 < 20ms"; replaces the preset's limits on the same metric
    no_thresholds: bool = False  # drops the preset's thresholds
    breakpoint_of: str | None = None  # search for the limit of this instead of running the preset's stages
    start: int | None = None  # first load of that search
    most: int | None = None  # its largest load

    def given(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in _NAMES}
        return {name: v for name, v in values.items() if not (v is None or v is False or v in ((), []))}

    def replacing(self) -> dict[str, Any]:
        """Return what `file.load` need not find in the file, where an unset variable then does no harm."""
        return {dotted(KEYS[name]): value for name in ("url", "token") if (value := getattr(self, name)) is not None}


_NAMES = tuple(option.name for option in fields(Overrides))
KEYS: dict[str, Key] = {
    option.name: tuple(option.metadata["key"].split(".")) for option in fields(Overrides) if option.metadata
}
"""The fields that options stand for."""
_KEYS = KEYS | {"secret": ("auth", "secret")}  # an environment variable alone
_SEARCH_KEYS = (("start", "start"), ("most", "most"), ("ramp", "ramp"), ("hold", "measure"))
_LISTS = ("local_addresses", "hosts")
_REFERRING = ("url", "health", "proxy", "token")
"""Options that take ${NAME}: a secret itself would stand in the list of processes."""
_OPTIONS = {"local_addresses": "--local-address", "thresholds": "--threshold", "token": "--token-file"}
"""Options of the command line with another name."""


def option_of(name: str) -> str:
    """Return the option of the command line for a name here: "hosts" as "--hosts"."""
    return _OPTIONS.get(name, "--" + name.replace("_", "-"))


def apply(scenario: Scenario, environ: Mapping[str, str] | None = None, overrides: Overrides | None = None) -> Scenario:
    """Return the scenario with what the command line and the environment ask for, checked as a whole.

    Args:
        environ: WS_URL, AUTH_TOKEN (where auth.kind is "token"), JWT_SECRET (where it is "jwt" or "mix" and the preset
            has no secret), MAX_CONNECTIONS (peak clients), TEST_DURATION (ms of the stage "hold"), MESSAGE_FREQUENCY
            (ms between sends of a client); empty ones count as unset. The process's own environment by default.

    Raises:
        ScenarioError: with everything that is wrong, by flag or variable where one of these is to blame.
    """
    given = (overrides or Overrides()).given()
    problems: list[Problem] = []
    kind = str(given.get("auth") or ("token" if "token" in given else scenario.auth.kind))
    environ = os.environ if environ is None else environ
    requests = _environment(scenario, kind, environ, problems)
    references: dict[Key, Reference] = {}
    secrets = [*scenario.origin.secrets]
    for name, value in given.items():
        request = RequestedValue(value, COMMAND_LINE, option_of(name))
        if name in _REFERRING and has_reference(str(value)):
            request = replace(request, value=_expanded(request, environ, problems))
            references[_KEYS[name]] = Reference(str(value), request.value)
            secrets += secret_values(str(value), environ)
        requests[name] = request
    if references:  # problems are told without these secrets, too
        scenario, origin = scenario.model_copy(), scenario.origin
        scenario._origin = replace(
            origin, references={**origin.references, **references}, secrets=tuple(dict.fromkeys(secrets))
        )
    if "token" in given and "auth" not in given:
        requests["auth"] = RequestedValue("token", COMMAND_LINE, "--token-file")
    data = scenario.model_dump(exclude_unset=True)
    blame: dict[Key, RequestedValue] = {}
    for name, request in requests.items():
        if key := _KEYS.get(name):
            section, option = map(str, key)
            data.setdefault(section, {})[option] = list(request.value) if name in _LISTS else request.value
            blame[key] = request
    data["thresholds"] = _thresholds(scenario, requests, problems)
    if scenario.breakpoint is not None or "breakpoint_of" in requests:
        _search(scenario, data, requests, blame, problems)
    else:
        for name in requests.keys() & {"start", "most"}:
            message = "belongs to a search for the limit: add --breakpoint-of clients, connects or messages"
            problems.append(requests[name].problem(message))
        data["stages"] = _stages(scenario, requests, blame, problems)
    made = checked(scenario, data, blame, problems)
    made._origin = replace(made._origin, given=frozenset(dotted(KEYS[name]) for name in given if name in KEYS))
    return made


def _expanded(request: RequestedValue, environ: Mapping[str, str], problems: list[Problem]) -> str:
    """Return the text of a flag with its references to the environment resolved."""
    try:
        text, missing = expand(str(request.value), environ)
    except BadValue as error:
        problems.append(request.problem(error.message))
        return str(request.value)
    if missing:
        are = "is" if len(missing) == 1 else "are"
        problems.append(request.problem(f"{' and '.join(missing)} {are} not set"))
    return text


def _environment(
    scenario: Scenario, kind: str, environ: Mapping[str, str], problems: list[Problem]
) -> dict[str, RequestedValue]:
    requests: dict[str, RequestedValue] = {}

    def whole(variable: str, name: str, unit: str, divisor: int, least: int) -> None:
        if text := environ.get(variable, "").strip():
            if text.isascii() and text.isdigit() and (number := first_digits(text)) >= least:
                requests[name] = RequestedValue(number / divisor if divisor > 1 else number, ENVIRONMENT, variable)
            else:
                problems.append(Problem(ENVIRONMENT, variable, f"must be a whole number of {unit}", quote(text[:40])))

    texts = [("WS_URL", "url")]
    if kind == "token":
        texts.append(("AUTH_TOKEN", "token"))
    if kind in ("jwt", "mix") and not scenario.auth.secret.get_secret_value():
        texts.append(("JWT_SECRET", "secret"))
    for variable, name in texts:
        if (text := environ.get(variable)) and without_ends(text):
            requests[name] = RequestedValue(text, ENVIRONMENT, variable)
    whole("MAX_CONNECTIONS", "clients", "clients, at least 1", 1, 1)
    whole("TEST_DURATION", "hold", "milliseconds", 1000, 0)
    whole("MESSAGE_FREQUENCY", "every", "milliseconds", 1000, 0)
    return requests


def _stages(
    scenario: Scenario,
    requests: Mapping[str, RequestedValue],
    blame: dict[Key, RequestedValue],
    problems: list[Problem],
) -> list[dict[str, Any]]:
    stages = scenario.stages
    data: list[dict[str, Any]] = scenario.model_dump(include={"stages"})["stages"]
    for name in ("ramp", "hold"):
        if request := requests.get(name):
            index = next((i for i, stage in enumerate(stages) if stage.name == name), None)
            if index is None:
                names = ", ".join(quote(stage.name) for stage in stages) or "none"
                message = f"sets the stage {quote(name)}, which does not exist: the stages are {names}"
                problems.append(request.problem(message))
            else:
                data[index]["over"] = request.value
                blame["stages", index, "over"] = request
    peak = max((stage.clients or 0 for stage in stages), default=0)
    factor = 1.0
    for name in ("clients", "scale"):
        if request := requests.get(name):
            # Without a ramp there are still arrivals to scale.
            of = peak or (name == "scale" and any(stage.arrive for stage in stages))
            factor *= _factor(name, request, of, factor, problems)
    scale = requests.get("scale")
    for stage in data:
        if stage["clients"]:
            stage["clients"] = max(1, round(stage["clients"] * factor))
        if stage["arrive"] and scale and float(scale.value) > 0:
            stage["arrive"] *= float(scale.value)
    return data


def _search(
    scenario: Scenario,
    data: dict[str, Any],
    requests: Mapping[str, RequestedValue],
    blame: dict[Key, RequestedValue],
    problems: list[Problem],
) -> None:
    """Apply the requests to the search for the limit; turn a scenario without one into a search."""
    data["stages"] = [] if scenario.breakpoint is None else data.get("stages", [])
    table = data["breakpoint"] = dict(data.get("breakpoint") or {})
    if scenario.breakpoint is None:
        for threshold in data["thresholds"]:
            threshold["stage"] = ""
    before = table.get("of", "clients")
    if (request := requests.get("breakpoint_of")) and request.value != before:
        # Bounds are counted in what is looked for.
        table.pop("start", None)
        table.pop("most", None)
    of = request.value if request else before
    peak = "most" if of == "clients" else "clients"
    keys = (("breakpoint_of", "of"), ("clients", peak), *_SEARCH_KEYS)
    for name, key in keys:
        if request := requests.get(name):
            table[key] = request.value
            blame["breakpoint", key] = request
    if request := requests.get("scale"):
        number = float(request.value)
        if not (math.isfinite(number) and number > 0):
            problems.append(request.problem("must be a number more than 0", str(request.value)))
            return
        search = Breakpoint.model_validate({"of": of}) if of in UNITS else Breakpoint()
        for key in ("start", "most") if of == "clients" else ("clients",):
            known = {"start": search.first, "most": search.largest, "clients": search.clients}[key]
            value = table.get(key)
            known = value if isinstance(value, int) else known
            table[key] = max(1, round(known * number))
            blame["breakpoint", key] = request


def _factor(name: str, request: RequestedValue, peak: int, factor: float, problems: list[Problem]) -> float:
    """Return the factor for the clients of every stage."""
    number = float(request.value)
    if not peak:
        message = "cannot be applied: no stage of the scenario has clients"
    elif not (math.isfinite(number) and number > 0) or (name == "clients" and number < 1):
        message = "must be at least 1" if name == "clients" else "must be a number more than 0"
    elif (number if name == "clients" else peak * factor * number) > MOST_CLIENTS:
        message = f"is too much: {MOST_CLIENTS} clients at most"
    else:
        return number / peak if name == "clients" else number
    problems.append(request.problem(message, str(request.value)))
    return 1.0


def _thresholds(
    scenario: Scenario, requests: Mapping[str, RequestedValue], problems: list[Problem]
) -> list[dict[str, Any]]:
    kept = [] if "no_thresholds" in requests else scenario.model_dump(include={"thresholds"})["thresholds"]
    added: list[dict[str, Any]] = []
    if request := requests.get("thresholds"):
        for text in request.value:
            try:
                metric, limit = parse_condition(text)
            except BadValue as error:
                problems.append(request.problem(error.message, quote(text), error.nearest))
            else:
                added.append({"metric": metric, "limit": limit})
    named = {threshold["metric"] for threshold in added}
    return [threshold for threshold in kept if threshold["metric"] not in named] + added


def attributed(problem: Problem, overrides: Overrides | None, environ: Mapping[str, str]) -> Problem:
    """Return the problem of a file, attributed to the option or the variable whose value it is."""
    given = (overrides or Overrides()).replacing()
    if problem.key == "auth.token" and given.get(problem.key):
        return replace(problem, file=COMMAND_LINE, key=option_of("token"))
    if problem.key != "target.url":
        return problem
    if given.get(problem.key) is not None:
        return replace(problem, file=COMMAND_LINE, key=option_of("url"))
    if (url := environ.get("WS_URL")) and problem.value == quote(mask_url(url)):
        return replace(problem, file=ENVIRONMENT, key="WS_URL")
    return problem
