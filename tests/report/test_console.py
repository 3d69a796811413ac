from __future__ import annotations

import io
import re
import unicodedata

import msgspec
import pytest

from tests.report.example import EVERY, good, hostile, suite
from wstui.execution.run.result import NOT_STARTED
from wstui.execution.run.result_sections import Connections, Latency, LatencySet
from wstui.execution.run.state import State
from wstui.execution.run.status import GeneratorStatus, StageStatus, Status, SuiteStatus
from wstui.measure.sanitize import sanitize
from wstui.measure.snapshot import Counters
from wstui.measure.timeline import TimelineRow
from wstui.report.formats.console import print_summary, summary
from wstui.report.live.progress_line import live_line
from wstui.report.model.cell_text import clip, table, width_of
from wstui.scenario.model import Scenario

WORDS = {
    "everything": "✓ PASSED",
    "good": "✓ PASSED",
    "broken": "✗ FAILED",
    "limited": "▲ LIMITED",
    "fan-out": "✓ PASSED",
    "empty": "✗ UNREACHABLE",
    "aborted": "■ ABORTED",
    "hostile": "✗ FAILED",
    "suite": "✗ FAILED",
    "breakpoint": "✓ PASSED",
    "connects": "✓ PASSED",
}


class TerminalText(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("width", [80, 120])
def test_every_summary_starts_with_its_verdict_and_keeps_within_its_width(name: str, width: int) -> None:
    lines = summary(EVERY[name], width=width).splitlines()
    assert lines[0].startswith(WORDS[name])
    assert max(width_of(line) for line in lines) <= width


@pytest.mark.parametrize("name", EVERY)
def test_no_text_from_a_server_can_steer_the_terminal(name: str) -> None:
    text = summary(EVERY[name])
    assert not {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c != "\n"}
    assert not any(line.startswith("forged") for line in text.splitlines())


def test_thresholds_show_their_figure_and_their_stage() -> None:
    text = summary(EVERY["broken"])
    broken = next(line for line in text.splitlines() if "response.p99" in line)
    assert broken.split()[:10] == ["✗", "response.p99", "<", "20", "ms", "116", "ms", "broken", "in", "hold"]
    assert broken.count("█") > 10


def test_what_was_not_measured_is_not_shown_as_zero() -> None:
    text = summary(EVERY["empty"])
    response = next(line for line in text.splitlines() if line.strip().startswith("response"))
    assert response.split()[2:] == ["0", *["n/a"] * 8]
    assert "success n/a" in text
    assert "nan" not in text and "inf" not in text and "None" not in text


def test_planned_and_achieved_connect_rates_stand_side_by_side() -> None:
    assert "ramp: 83.3/s of 83.3/s planned" in summary(EVERY["broken"])


def test_the_summary_of_a_suite_lists_its_runs_and_then_each() -> None:
    text = summary(suite())
    assert re.search("✓  quick +passed", text) and re.search("✗  stress +failed", text)
    assert text.count("Latency, ms") == 2


def test_the_limits_of_the_generator_are_named() -> None:
    assert "▲ limited: CPU of worker 1 at 97 %" in summary(EVERY["limited"])


def test_only_a_terminal_is_coloured_and_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal, pipe = TerminalText(), io.StringIO()
    print_summary(good(), terminal)
    print_summary(good(), pipe)
    assert "\x1b[32m" in terminal.getvalue()
    assert "\x1b" not in pipe.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = TerminalText()
    print_summary(good(), plain)
    assert "\x1b" not in plain.getvalue()


def test_a_stream_that_cannot_encode_a_glyph_gets_a_question_mark() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    print_summary(hostile(), stream)
    assert raw.getvalue().startswith(b"? FAILED")


def status(**changes: object) -> Status:
    fields: dict[str, object] = {
        "state": State.RUNNING,
        "scenario": Scenario(),
        "url": "ws://127.0.0.1:1/",
        "host": "here",
        "elapsed_s": 25.3,
        "plan_s": 25.0,
        "plan_total_s": 40.0,
        "stages": (
            StageStatus("ramp", 10, 10, 100, done=True),
            StageStatus("hold", 30, 15, 100, current=True),
        ),
        "counters": Counters(wanted=100, open=98),
        "rows": [TimelineRow(25.0, "hold", sent_per_s=20.0, received_per_s=19.6, response_p99_ms=3.1)],
        "result": msgspec.structs.replace(
            NOT_STARTED, connections=Connections(refused=2), latency_ms=LatencySet(Latency(700, p99=9.0))
        ),
        **changes,
    }
    return Status(**fields)  # type: ignore[arg-type]


def test_the_live_line_says_where_the_run_stands() -> None:
    assert live_line(status()) == (
        "0:25/0:40 hold · 98/100 clients · out 20.0/s in 19.6/s · p99 3.10 ms · 2 failed · ETA 0:15"
    )


def test_the_live_line_does_without_any_measurement() -> None:
    line = live_line(Status(State.STARTING, Scenario(), "ws://127.0.0.1:1/", "here"))
    assert line.startswith("0:00/0:00 starting · 0/0 clients") and "p99 n/a" in line


def test_the_live_line_tells_of_a_pause_a_limit_and_the_place_in_a_suite() -> None:
    paused = status(
        state=State.PAUSED,
        generator=GeneratorStatus(limited_by=("CPU at 98 %",)),
        suite=SuiteStatus(("quick", "medium"), 0, (None, None)),
    )
    line = live_line(paused)
    assert line.startswith("[1/2 quick] 0:25/0:40 paused") and line.endswith("▲ generator: CPU at 98 %")


def test_the_live_line_of_a_cooldown_counts_down_to_the_next_run() -> None:
    cooling = status(
        state=State.COOLDOWN, suite=SuiteStatus(("quick", "medium"), 0, (True, None), 30, cooldown_left_s=12)
    )
    assert live_line(cooling) == "[1/2 quick] cooldown · medium starts in 0:12"


def test_escaping_twice_changes_nothing_more() -> None:
    text = "a\x1b[31m\u202e\ud800\u2028 ✓ 日本 é\n"
    once = sanitize(text)
    assert once == "a\\x1b[31m\\u202e\\ud800\\u2028 ✓ 日本 é\\n"
    assert sanitize(once) == once
    once.encode()


def test_a_wide_character_counts_as_two_cells() -> None:
    assert width_of("日本") == 4 and width_of("e\u0301") == 1
    assert clip("日本語", 5) == "日本…"
    lines = table([["日本", "1"], ["abcde", "22"]])
    assert {width_of(line) for line in lines} == {width_of(lines[0])}


def test_dataclasses_of_the_timeline_are_what_the_example_uses() -> None:
    assert good().timeline[0].keys() == TimelineRow(0.0, "").values().keys()
