"""The search for a limit as every report shows it: a sentence, and the curve of latency against load."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.report.example import searched
from tests.report.made_up import HOSTILE
from wstui.execution.run.result import Result
from wstui.execution.run.state import State
from wstui.execution.run.status import BreakpointStatus, Status
from wstui.report.formats import format_registry
from wstui.report.formats.console import summary
from wstui.report.live.progress_line import live_line
from wstui.report.model.breakpoint_table import by_load
from wstui.report.model.cell_text import bar
from wstui.report.model.labels import peak_clients
from wstui.scenario.model import Scenario


def section(text: str, heading: str = "Breakpoint") -> list[str]:
    lines = text.splitlines()
    start = lines.index(heading) + 1
    return lines[start : lines.index("", start)]


def test_the_console_shows_the_curve_in_the_order_of_loads() -> None:
    head, *rows = section(summary(searched(), width=100))
    assert head.split() == ["clients", "reached", "p50", "ms", "p95", "ms", "p99", "ms", "out/s", "in/s", "CPU"]
    assert [row.split()[:3] for row in rows] == [
        ["✓", "holds", "100"],
        ["✓", "holds", "200"],
        ["✓", "holds", "280"],
        ["▲", "limited", "300"],
        ["✗", "breaks", "400"],
        ["✗", "breaks", "400"],
    ]
    lengths = [row.count("█") for row in rows]
    assert lengths[0] == lengths[1] == 0 < lengths[3] < lengths[4] <= 40
    assert all("▏" in row or "▎" in row or "▍" in row for row in rows[:2]), "what is small is still to be seen"


def test_a_search_for_connects_shows_the_time_to_connect() -> None:
    head, *rows = section(summary(searched("connects"), width=100))
    assert "connect p50" in head
    assert all(" 3." in row or " 2." in row for row in rows)


def test_a_reason_that_is_not_the_sentence_stands_beside_it() -> None:
    result = searched()
    verdict = type(result.verdict)(passed=False, reason="ended early by the operator")
    told = section(summary(Result(**{**{f: getattr(result, f) for f in result.__struct_fields__}, "verdict": verdict})))
    assert any("holds 280 clients" in line for line in told)


def test_every_format_tells_the_sentence() -> None:
    result = searched()
    for name in ("json", "markdown", "junit", "text"):
        assert "holds 280 clients (280–400), breaks at 400: response.p99 was" in format_registry.named(name).render(
            result
        ), name
    assert "| ✗ breaks | 400 | 392 |" in format_registry.named("markdown").render(result)
    assert '<testcase name="breakpoint"' in format_registry.named("junit").render(result)
    assert peak_clients(result) == 400


def test_the_live_line_tells_where_the_search_stands() -> None:
    scenario = Scenario(name="x")
    search = BreakpointStatus("messages", "messages/s", 2400, "measure", 1600, 3200, "response.p99")
    line = live_line(Status(State.RUNNING, scenario, "ws://h", "host", breakpoint=search))
    assert "tries 2 400 messages/s · holds 1 600 · breaks at 3 200" in line
    first = live_line(
        Status(State.RUNNING, scenario, "ws://h", "host", breakpoint=BreakpointStatus("clients", "clients"))
    )
    assert "tries" not in first and "holds" not in first


@given(st.floats(allow_nan=True, allow_infinity=True) | st.none(), st.integers(0, 60))
def test_a_bar_is_never_longer_than_its_room(share: float | None, width: int) -> None:
    drawn = bar(share, width)
    assert len(drawn) <= width
    assert bool(drawn) == (share is not None and share > 0 and width > 0)


def test_a_hostile_sentence_stays_text() -> None:
    result = searched()
    assert result.breakpoint is not None
    assert len(by_load(result.breakpoint)) == 6
    breakpoint = type(result.breakpoint)(
        **{**{f: getattr(result.breakpoint, f) for f in result.breakpoint.__struct_fields__}, "sentence": HOSTILE}
    )
    hostile = Result(**{**{f: getattr(result, f) for f in result.__struct_fields__}, "breakpoint": breakpoint})
    for name in ("text", "markdown", "junit"):
        written = format_registry.named(name).render(hostile)
        assert "\x1b" not in written and "\u202e" not in written
        assert name == "text" or "<img" not in written
