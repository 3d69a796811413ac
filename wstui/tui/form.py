"""A scenario as a form: which texts stand for it, and what a set of texts means or what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wstui.scenario.errors import Problem, ScenarioError
from wstui.scenario.model import Scenario, Stage
from wstui.scenario.override import revised
from wstui.scenario.quantity import format_duration, parse_duration
from wstui.scenario.reference import hide_defaults
from wstui.scenario.threshold import parse_condition
from wstui.tui.amount import parse_clients
from wstui.tui.widgets.figures import clock, count, rate
from wstui.tui.widgets.limits import metric_words

_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_ROW = re.compile(r"(\w+)\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the form: its key ("messages.every", "stages[0]"), what it is called, and its text.

    A `secret` is never shown: its text is empty and `placeholder` says where it comes from. A line of a list may be
    emptied, which takes it out; the last, empty one adds to the list.
    """

    key: str
    label: str
    text: str
    section: str
    placeholder: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What the texts mean: the scenario and hints by key, or what is wrong by key ("" where no line is to blame)."""

    scenario: Scenario | None
    wrong: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)


def entries(scenario: Scenario) -> list[Entry]:
    """The lines of the form for a scenario."""
    target, auth, messages = scenario.target, scenario.auth, scenario.messages
    lines = [
        Entry("name", "name", scenario.name, "scenario"),
        Entry("description", "description", scenario.description, "scenario"),
        Entry("target.url", "url", target.url, "target"),
        Entry("target.ready", "ready", target.ready, "target", "welcome, open"),
        Entry("target.health", "health", target.health, "target", "auto, off, or a base URL"),
        Entry("auth.kind", "kind", auth.kind, "auth", "none, token, jwt, mix"),
        Entry("auth.token", "token", "", "auth", _source(scenario, "token"), secret=True),
        Entry("auth.secret", "secret", "", "auth", _source(scenario, "secret"), secret=True),
        Entry("auth.send_as", "send as", auth.send_as, "auth", "query, header, subprotocol"),
    ]
    if (search := scenario.breakpoint) is not None:
        lines += [
            Entry("breakpoint.of", "looks for", search.of, "load", "clients, connects, messages"),
            Entry("breakpoint.start", "first load", str(search.first), "load"),
            Entry("breakpoint.most", "largest", str(search.largest), "load"),
            Entry("breakpoint.ramp", "ramp", format_duration(search.ramp), "load"),
            Entry("breakpoint.measure", "measure", format_duration(search.measure), "load"),
        ]
    else:
        for index, stage in enumerate(scenario.stages):
            lines.append(Entry(f"stages[{index}]", f"stage {index + 1}", stage_text(stage), "load"))
        further = len(scenario.stages)
        lines.append(Entry(f"stages[{further}]", "one more", "", "load", "cooldown: 0 in 30s"))
    lines += [
        Entry("messages.exchange", "exchange", messages.exchange, "messages", "odin, echo, ping, listen, template"),
        Entry("messages.every", "every", format_duration(messages.every), "messages"),
        Entry("messages.timeout", "timeout", format_duration(messages.timeout), "messages"),
    ]
    for index, threshold in enumerate(scenario.thresholds):
        text = f"{threshold.metric} {threshold.limit}"
        lines.append(Entry(f"thresholds[{index}]", f"limit {index + 1}", text, "limits"))
    lines.append(Entry(f"thresholds[{len(scenario.thresholds)}]", "one more", "", "limits", "response.p99 < 50ms"))
    return lines


def read(scenario: Scenario, before: Mapping[str, Entry], texts: Mapping[str, str]) -> Reading:
    """What the texts make of the scenario they began with. Lines that were not touched keep their references."""
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name in ("stages", "thresholds"):
        rows = [key for key in before if key.startswith(f"{name}[")]
        if any(texts[key].strip() != before[key].text for key in rows):
            values[name] = _list(name, rows, texts, scenario, wrong)
    for key, entry in before.items():
        text = texts[key].strip()
        if not _ROW.fullmatch(key) and text != entry.text:
            values[key] = int(text) if key.startswith("breakpoint.") and text.isdigit() else text
    if wrong:
        return Reading(None, wrong)
    try:
        made = revised(scenario, values)
    except ScenarioError as error:
        for problem in error.problems:
            wrong.setdefault(_blamed(problem, before, texts), problem.advice)
        return Reading(None, wrong)
    return Reading(made, hints=_hints(made, before, texts))


def stage_text(stage: Stage) -> str:
    """A stage as a line: "ramp: 12000 in 2m", "hold: 10m"."""
    over = format_duration(stage.over)
    return f"{stage.name}: {over}" if stage.clients is None else f"{stage.name}: {stage.clients} in {over}"


def parse_stage(text: str) -> dict[str, Any]:
    """A stage of a line; ValueError says what to write."""
    name, colon, load = text.partition(":")
    if not colon or not name.strip() or not load.strip():
        raise ValueError('write a name and a load, such as "ramp: 1000 in 30s" or "hold: 2m"')
    clients, _, over = load.rpartition(" in ")
    stage: dict[str, Any] = {"name": name.strip(), "over": parse_duration(over.strip())}
    if clients.strip():
        stage["clients"] = parse_clients(clients.strip())
    return stage


def _list(
    name: str, rows: list[str], texts: Mapping[str, str], scenario: Scenario, wrong: dict[str, str]
) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for index, key in enumerate(rows):
        text = texts[key].strip()
        if not text:
            continue
        try:
            if name == "stages":
                items.append(parse_stage(text))
            else:
                metric, limit = parse_condition(text)
                kept = scenario.thresholds[index].model_dump() if index < len(scenario.thresholds) else {}
                items.append({**kept, "metric": metric, "limit": limit})
        except ValueError as error:
            wrong[key] = str(error)
    return items


def _blamed(problem: Problem, before: Mapping[str, Entry], texts: Mapping[str, str]) -> str:
    """The line that a problem belongs to: rows that are empty do not count in the lists."""
    if match := _ROW.match(problem.key):
        rows = [key for key in before if key.startswith(f"{match[1]}[") and texts[key].strip()]
        return rows[int(match[2])] if int(match[2]) < len(rows) else ""
    return problem.key if problem.key in before else ""


def _source(scenario: Scenario, name: str) -> str:
    """Where a secret comes from, without it."""
    reference = scenario.origin.references.get(("auth", name))
    if reference is not None:
        return f"from {hide_defaults(reference.raw)}"
    held = getattr(scenario.auth, name).get_secret_value()
    return "is set; type to replace it" if held else "not set"


def local_ports() -> int:
    """How many local ports one address has for connections; 0 where that cannot be read."""
    try:
        low, high = (int(part) for part in _PORTS.read_text().split())
    except (OSError, ValueError):
        return 0
    return high - low + 1


def _hints(scenario: Scenario, before: Mapping[str, Entry], texts: Mapping[str, str]) -> dict[str, str]:
    hints: dict[str, str] = {}
    rows = [key for key in before if key.startswith("stages[") and texts[key].strip()]
    clients, peak = 0, scenario.peak_clients
    told = False
    for key, stage in zip(rows, scenario.stages, strict=False):
        wanted = clients if stage.clients is None else stage.clients
        change = wanted - clients
        if not change:
            hints[key] = f"holds {count(wanted)} for {clock(stage.over)}"
        elif stage.over > 0:
            hints[key] = f"{rate(abs(change) / stage.over)} {'connections' if change > 0 else 'closes'}/s"
        else:
            hints[key] = f"{count(abs(change))} at once"
        if wanted == peak and not told and (ports := local_ports()):
            told = True
            hints[key] += f"; needs {count(peak)} of {count(ports)} local ports"
        clients = wanted
    if scenario.messages.exchange == "listen":
        hints["messages.every"] = "not used: this scenario only listens"
    elif scenario.messages.every > 0:
        hints["messages.every"] = f"per client; {rate(peak / scenario.messages.every)}/s in all"
    else:
        hints["messages.every"] = "closed loop: the next as soon as the reply is there"
    limits = [key for key in before if key.startswith("thresholds[") and texts[key].strip()]
    for key, threshold in zip(limits, scenario.thresholds, strict=False):
        where = f"the stage {threshold.stage}" if threshold.stage else "all but the cooldown"
        hints[key] = f"{metric_words(threshold.metric)} over {where}"
    return hints
