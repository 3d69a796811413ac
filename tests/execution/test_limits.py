"""One policy of limits: at each border the verdict, the screens, the reports and the checks say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import wstui
from tests.tui import fake
from wstui.execution.preflight.checklist import CheckMark, by_share
from wstui.execution.run import limits
from wstui.execution.run.limits import FULL, LAG_MS, LATE_LEAST, NEAR, STALE_S, STALL_MS
from wstui.execution.run.result_sections import ThresholdOutcome
from wstui.execution.run.status import GeneratorStatus, WorkerStatus
from wstui.execution.run.target.reported_metrics import EndpointAnswer, read_claims
from wstui.execution.run.timeline_recorder import TimelineRecorder
from wstui.load.lease import LEASE_S
from wstui.measure.fanout import FanOut
from wstui.measure.snapshot import Counters, Health, Totals
from wstui.tui.dashboard.generator import Generator
from wstui.tui.dashboard.thresholds import SIGNS
from wstui.tui.dashboard.tile_models import generator
from wstui.tui.time_series import TimeSeries

SIGN_OF = {glyph: level for level, (glyph, _) in SIGNS.items()}


def panel(own: GeneratorStatus, name: str) -> str:
    """The level that the panel of the generator shows for a figure."""
    shown = Generator()
    shown.status = fake.status(generator=own)
    line = next(line for line in shown.rows(60, 5) if line[0][0].strip() == name)
    return SIGN_OF[line[-1][0].strip()]


def of(**figures: float) -> GeneratorStatus:
    return GeneratorStatus(workers=(WorkerStatus(0, True, 1, 0.0, 0.0, 0.0),), **figures)  # type: ignore[arg-type]


@pytest.mark.parametrize(("late", "level"), [(7, "ok"), (8, "near"), (10, "near"), (11, "bad")])
def test_late_sends_are_judged_alike_by_the_verdict_and_the_panel(late: int, level: str) -> None:
    sent = 1000
    counters = Counters(sent=sent, late_sends=late)
    own = of(late_sends=late, late_share=late / sent)
    assert limits.late_level(late, late / sent) == panel(own, "late sends") == level
    assert bool(limits.overload_reasons(0, 0, counters)) == (level == "bad")


def test_a_few_late_sends_are_chance_everywhere() -> None:
    late = LATE_LEAST - 1
    assert panel(of(late_sends=late, late_share=1.0), "late sends") == "ok"
    assert not limits.overload_reasons(0, 0, Counters(sent=late, late_sends=late))


@pytest.mark.parametrize(("share", "level"), [(0.79, "ok"), (NEAR, "near"), (0.94, "near"), (FULL, "bad")])
def test_the_use_of_a_processor_is_near_at_one_share(share: float, level: str) -> None:
    own = of(cpu=share)
    assert limits.use_level(share) == panel(own, "cpu") == level
    tile = generator(fake.status(generator=own, thresholds=()), TimeSeries())
    assert tile.sign == limits.generator_level(own) == ("ok" if level == "ok" else "near"), "bad is what limits the run"


@pytest.mark.parametrize(("lag_ms", "level"), [(49.9, "ok"), (LAG_MS, "near"), (199.0, "near"), (STALL_MS, "bad")])
def test_a_late_loop_is_judged_alike_by_the_verdict_the_panel_and_the_hosts(lag_ms: float, level: str) -> None:
    assert limits.lag_level(lag_ms) == panel(of(loop_lag_ms=lag_ms), "loop lag") == level
    assert limits.host_mark(True, 0.0, None, lag_ms) == ("ok" if level == "ok" else "slow")
    recorder, nothing = TimelineRecorder(FanOut()), Totals()
    for at in range(limits.LEAST_BUSY_S):
        recorder.row(float(at), nothing, nothing, "hold", False, [Health(cpu=0.1, loop_lag_ns=round(lag_ms * 1e6))])
    assert bool(limits.overload_reasons(recorder.busy_s, recorder.stalled_s, Counters())) == (level == "bad")


@pytest.mark.parametrize(("used", "level"), [(0.79, "ok"), (NEAR, "near"), (1.0, "near")])
def test_near_is_one_share_for_thresholds_checks_and_the_target(used: float, level: str) -> None:
    assert limits.threshold_level(ThresholdOutcome("response.p99", "< 1s", 1.0, True, used=used)) == level
    assert by_share("files", used, "", "").mark is {"ok": CheckMark.PASS, "near": CheckMark.WARN}[level]
    stats = EndpointAnswer(200, {"processes": [{"cpuPercent": used * 100}]})
    cpu = next(c for c in read_claims(EndpointAnswer(), EndpointAnswer(), stats, 0).shown.claims if c.name == "cpu")
    assert cpu.sign == level


@pytest.mark.parametrize(
    ("alive", "age_s", "mark"),
    [(True, STALE_S, "ok"), (True, STALE_S + 0.1, "stale"), (True, LEASE_S, "stale"), (False, 0.0, "lost")],
)
def test_a_silent_host_is_stale_until_it_is_given_up(alive: bool, age_s: float, mark: str) -> None:
    assert limits.host_mark(alive, age_s, 1.0, 0.0) == mark


@pytest.mark.parametrize(("silent_s", "words"), [(0.02, "up to 1 s"), (34.2, "up to 35 s")])
def test_what_a_lost_host_did_unheard_is_not_in_the_figures(silent_s: float, words: str) -> None:
    (reason,) = limits.limiting_factors(0, 0, Counters(), (), hosts_lost="host1", silent_s=silent_s)
    assert reason == f"{words} of host1 are not in these figures"


def test_no_other_module_sets_a_limit_of_its_own() -> None:
    pattern = re.compile(
        r"^_?(NEAR|FULL|BUSY|LATE\w*|\w*LAG\w*_MS|STALE_S|SILENT_S|SLOW_\w*MS)\b.*= *[\d.]+", re.MULTILINE
    )
    root = Path(wstui.__file__).parent
    rooms = [root / name for name in ("execution", "report", "tui")]
    found = [
        f"{path.relative_to(root)}: {match[0]}"
        for room in rooms
        for path in room.rglob("*.py")
        if path.name not in ("limits.py", "title_bar.py")  # a late tick of the clock is no load
        for match in pattern.finditer(path.read_text())
    ]
    compared = re.compile(r"\.(cpu|late_share|used|loop_lag_ms) *[<>]=? *[\d.]+")
    found += [
        f"{path.relative_to(root)}: {match[0]}"
        for room in rooms
        for path in room.rglob("*.py")
        for match in compared.finditer(path.read_text())
    ]
    assert found == []
