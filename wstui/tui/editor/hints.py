"""What the values of a scenario come to: rates, sizes, shares, and where they come from, by the key of a field."""

from __future__ import annotations

import math

from wstui.measure.format import clock, count, duration, percent, rate, size
from wstui.scenario.checks import plan_warnings
from wstui.scenario.env_refs import has_reference, value_at
from wstui.scenario.errors import Key
from wstui.scenario.load_profile import arrivals
from wstui.scenario.model import Scenario, Stage
from wstui.scenario.secrets import masker
from wstui.tui.dashboard.thresholds import metric_words
from wstui.tui.editor.draft import Draft
from wstui.tui.editor.draft_reader import DraftReading
from wstui.tui.editor.host_capacity import HostCapacity

_VARIABLES = {"token": "AUTH_TOKEN", "secret": "JWT_SECRET"}


def hints(draft: Draft, reading: DraftReading, host: HostCapacity) -> dict[Key, str]:
    """The hints for what was read; none where it is wrong."""
    if reading.content is None:
        return {}
    found: dict[Key, str] = {}
    scenario = reading.scenario
    if scenario is None:
        lengths = [member.duration_s for member in reading.scenarios]
        pauses = (len(lengths) - 1) * getattr(reading.content, "cooldown", 0.0)
        found[("suite",)] = f"{len(lengths)} presets, {clock(sum(lengths) + pauses)} in all"
    else:
        for index, text in enumerate(_stages(scenario, host)):
            found[reading.places["stages", index]] = text
        if (warned := next(plan_warnings(scenario), "")) and scenario.stages:
            found[reading.places["stages", 0]] = f"▲ {warned.removesuffix('.')}"
        for index, threshold in enumerate(scenario.thresholds):
            where = f"the stage {threshold.stage}" if threshold.stage else "all but the cooldown"
            after = f" without its first {duration(threshold.after)}" if threshold.after else ""
            ends = "; ends the run when broken" if threshold.abort_on_fail else ""
            place = reading.places["thresholds", index]
            found[place] = f"{metric_words(threshold.metric)} over {where}{after}{ends}"
        found |= {tuple(name.split(".")): text for name, text in _values(scenario, host).items() if text}
        for name in _VARIABLES:
            found["auth", name] = _secret(draft, scenario, name)
    return found | _references(draft, reading)


def _stages(scenario: Scenario, host: HostCapacity) -> list[str]:
    said: list[str] = []
    clients, peak, told = 0, scenario.peak_clients, False
    ports = host.ports * max(1, len(scenario.fleet.sources))
    for stage in scenario.stages:
        wanted = clients if stage.clients is None else stage.clients
        parts = [_change(stage, clients, wanted), _visitors(stage)]
        if wanted == peak and not told and ports:
            told = True
            parts.append(f"needs {count(peak)} of {count(ports)} local ports")
        said.append("; ".join(part for part in parts if part))
        clients = wanted
    return said


def _change(stage: Stage, before: int, wanted: int) -> str:
    change = wanted - before
    if not change:
        return f"holds {count(wanted)} for {clock(stage.over)}" if wanted or not stage.arrive else ""
    if stage.over > 0:
        return f"{rate(abs(change) / stage.over)} {'connections' if change > 0 else 'closes'}/s"
    return f"{count(abs(change))} at once"


def _visitors(stage: Stage) -> str:
    if not stage.arrive:
        return ""
    together = f", {count(round(stage.arrive * min(stage.stay, stage.over)))} there at once" if stage.stay else ""
    return f"{count(arrivals(stage))} arrive{together}"


def _values(scenario: Scenario, host: HostCapacity) -> dict[str, str]:
    target, messages, peak = scenario.target, scenario.messages, scenario.peak_clients
    found: dict[str, str] = {}
    total = scenario.messages_per_s
    if scenario.listens:
        found["messages.every"] = "not used: this scenario only listens"
    elif total is None:
        found["messages.every"] = "closed loop: the next as soon as the reply is there"
    else:
        found["messages.every"] = f"per client; {rate(total)}/s in all"
    if messages.exchange == "echo" and total:
        found["messages.size"] = f"{size(total * messages.size)}/s each way in all"
    if messages.arrivals == "jitter":
        most = messages.jitter * messages.every
        found["messages.jitter"] = f"a send is up to {duration(most)} early or late"
    if messages.slow_readers:
        found["messages.slow_readers"] = f"{count(round(peak * messages.slow_readers))} of {count(peak)} clients"
    if messages.subscribe:
        each = messages.subscribe_each or len(messages.subscribe)
        found["messages.subscribe"] = f"{len(messages.subscribe)} tokens, {each} for each client"
    parts = scenario.auth.mix
    whole = parts.good + parts.expired + parts.forged + parts.missing + parts.wrong_algorithm
    found["auth.mix.good"] = (
        f"{percent(parts.good / whole)} % of the clients: {count(round(peak * parts.good / whole))}"
    )
    if target.reconnect == "exponential":
        times = max(0, math.ceil(math.log2(target.reconnect_cap / target.reconnect_base)))
        found["target.reconnect_cap"] = (
            f"reached after {times} attempts in vain" if times else "from the first attempt on"
        )
    if (search := scenario.breakpoint) is not None:
        found["breakpoint.of"] = f"{clock(search.longest_s)} at most, {duration(search.step_s)} a step"
        found["breakpoint.start"] = f"{count(search.first)} {search.unit}"
        found["breakpoint.most"] = f"{count(search.largest)} {search.unit}"
        if host.ports:
            found["breakpoint.most"] += f"; needs {count(peak)} of {count(host.ports)} local ports"
    workers = scenario.fleet.workers or host.spare
    found["fleet.workers"] = f"{count(math.ceil(peak / workers))} clients in each of {workers} here"
    if scenario.fleet.local_addresses and host.ports:
        found["fleet.local_addresses"] = f"{count(len(scenario.fleet.sources) * host.ports)} local ports in all"
    return found


def _secret(draft: Draft, scenario: Scenario, name: str) -> str:
    held = getattr(scenario.auth, name).get_secret_value()
    if draft.texts["auth", name] and not has_reference(draft.texts["auth", name]):
        return f"for this run; saving writes ${{{_VARIABLES[name]}:-}}"
    if not held:
        return f"{_VARIABLES[name]} is not set: clients bring none" if name == "token" else ""
    return ""


def _references(draft: Draft, reading: DraftReading) -> dict[Key, str]:
    """What a text with a reference stands for."""
    assert reading.content is not None
    plain = reading.content.model_dump(mode="json")
    found: dict[Key, str] = {}
    for place, key in reading.places.items():
        text = draft.texts.get(key, "")
        if has_reference(text) and not draft.is_secret(key):
            value = value_at(plain, place)
            found[key] = (
                f"is {masker(reading.content.origin.secrets)(str(value))}" if value not in ("", None) else "is empty"
            )
    return found
