from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tests.tui import fake, fake_trouble
from tests.tui.driving import resized, running, shown, until
from wstui.execution.run.result import Delivery
from wstui.execution.run.result_sections import FailureSample, FailureSummary, Latency, ThresholdOutcome
from wstui.execution.run.state import State
from wstui.execution.run.status import GeneratorStatus, Status, SuiteStatus, TargetHealth, WorkerStatus
from wstui.measure.snapshot import Counters
from wstui.measure.timeline import Mark
from wstui.scenario.model import Scenario, Target
from wstui.tui.dashboard.charts import Throughput

SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.mark.parametrize("size", SIZES)
async def test_every_size_tells_state_plan_figures_errors_limits_and_generator(size: tuple[int, int]) -> None:
    async with running(size=size) as (app, _, _):
        text = shown(app)
    for part in (
        "▶ RUNNING", "checkout-soak → wss://edge-1.stage.example:8443/ws", "14:32", "ramp ✓", "HOLD 2:12 / 10:00",
        "cooldown", "32 %  ETA 8:48", "11 987 / 12 000", "48.2k msg/s", "↑ 24.1k  ↓ 24.1k", "latency p99", "118 ms",
        "347 0.03 %", "latency ms", "p50 12.0", "p95 41.0", "limit 250", "messages/s", "347 in 5 groups", "timeout",
        "no pong within 10 s", "02:41", "04:11", "4 of 4 kept", "61 %", "space Pause", "? Help", "^p palette",
    ):  # fmt: skip
        assert part in text, part
    rows = text.split("\n")
    assert len(rows) == size[1] and all(len(row) <= size[0] for row in rows)


async def test_wide_screens_add_the_side_and_huge_ones_the_spread_and_the_events() -> None:
    side = ("connect p95 < 500 ms", "12 126 attempts", "dropped by the server", "target edge-1", "✓ healthy",
            "3.1 of 8 GiB", "12 041 of 65.5k", "loop lag")  # fmt: skip
    async with running(size=(120, 40)) as (app, pilot, _):
        text = shown(app)
        assert all(part in text for part in side)
        assert "latency spread" not in text
        await pilot.resize_terminal(200, 50)
        await pilot.pause()
        text = shown(app)
        assert all(part in text for part in (*side, "latency spread", "44.00 %", "events", "p99 over 250 ms for 9 s"))
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "dropped by the server" not in shown(app)


async def test_a_tiny_terminal_gets_a_plain_block_and_no_crash() -> None:
    async with running(size=(1, 1)) as (app, pilot, session):
        async for width, _ in resized(pilot, (59, 24), (80, 15), (20, 5), (1, 1), (40, 60)):
            if width > 20:
                assert "▶ RUNNING" in shown(app) and "11 987" in shown(app)
        await pilot.press("space")
        assert session.commands == [("pause",)]


async def test_odd_shapes_keep_their_parts() -> None:
    parts = ("RUNNING", "11 987", "latency ms", "48.2k", "347 in 5 groups", "palette")
    async with running() as (app, pilot, _):
        shapes = ((60, 16), (80, 50), (110, 24), (180, 20), (250, 70), (110, 32), (60, 100), (30, 80), (120, 40))
        async for size in resized(pilot, *shapes):
            if size[0] >= 60:
                assert all(part in shown(app) for part in parts), size


async def test_the_first_second_has_empty_charts_and_no_invented_zero() -> None:
    async with running(fake.first_second()) as (app, pilot, _):
        async for size in resized(pilot, *SIZES, (50, 10)):
            text = shown(app)
            assert "STARTING" in text and "n/a" in text
            if size[0] > 60:
                assert "waiting for the workers to start" in text and "none so far" in text and "4 set" in text
            assert "nan" not in text.lower().replace("n/a", "") and "inf" not in text


async def test_who_has_the_lock_that_is_waited_for_is_shown_whole_in_80_columns() -> None:
    holder = "nightly on build-7, process 42, since 2026-11-30 10:48 UTC"
    note = f"waiting for 1 min 9 s: another run loads shop.example:443: {holder}"
    async with running(replace(fake.first_second(), note=note)) as (app, pilot, _):
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        text = " ".join(shown(app).replace("│", " ").split())
        assert note in text and "workers to start" not in text


async def test_ten_million_of_everything_fits() -> None:
    n = 10_000_000
    many = fake.status(
        target_clients=n,
        counters=Counters(wanted=n, opening=n, open=n, attempted=n * 9, ready=n, refused=n, failed=n, dropped=n,
                          reconnects=n, sent=n * n, received=n * n),
        rows=tuple(replace(row, sent_per_s=1e9, received_per_s=1e9, open=n, response_p99_ms=1e7, failures_per_s=1e6)
                   for row in fake.rows(60)),
        failures_total=n,
        failure_rate=1.0,
        failures=(FailureSummary("timeout", "x", n * 100, 0.0, 1e6, samples=[FailureSample(0.0, n, "y")]),),
        generator=GeneratorStatus((WorkerStatus(0, True, n, 40.0, 1e6, 0.1),) * 64, 64.0, 1e6, n, n, n, n, n, 1.0),
    )  # fmt: skip
    async with running(many) as (app, pilot, _):
        async for size in resized(pilot, *SIZES):
            assert "10.0M / 10.0M" in shown(app)
            assert all(len(row) <= size[0] for row in shown(app).split("\n"))


async def test_hostile_texts_stay_texts() -> None:
    nasty = (
        "\x1b[2J\x1b]0;owned\x07[bold red]markup[/] \u202eright to left\u202c 漢字漢字 שלום مرحبا 👩‍👩‍👧 \r\n\t"
        + "e\u0301" * 5
    )
    status = fake.status(
        url="wss://" + "very-long-host." * 30 + "example/ws?[/]",
        scenario=fake.SCENARIO.model_copy(update={"name": "[b]name[/b]\x1b[0m"}),
        failures=(
            FailureSummary("close 4000", nasty, 3, 0.0, 1.0, samples=[FailureSample(0.0, 1, nasty * 5)]),
            FailureSummary(nasty, "漢" * 300, 2, 0.0, 1.0),
        ),
        target=TargetHealth(nasty, (), nasty),
        note=nasty,
        marks=(*fake.MARKS, replace(fake.MARKS[0], text=nasty)),
    )
    async with running(status) as (app, pilot, _):
        async for _ in resized(pilot, (200, 50), (80, 24)):
            text = shown(app)
            assert "\x1b" not in text and "\u202e" not in text and "\r" not in text
            assert "\\x1b[2J\\x1b]0;owned\\x07" in text
            assert "[b]name[/b]\\x1b[0m" in text
            await pilot.press("enter")
            await pilot.pause()
            assert "[bold red]markup[/]" in shown(app) and "\x1b" not in shown(app)
            await pilot.press("escape", "a")
            await pilot.pause()
            assert "[b]name[/b]" in shown(app)
            await pilot.press("escape")
            await pilot.pause()


async def test_a_paused_run_holds_its_clock_and_says_so() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("space")
        await until(lambda: "‖ PAUSED" in shown(app), pilot)
        text = shown(app)
        assert "clock held" in text and "paused: 11 987 connections stay open" in text
        await pilot.press("space")
        await until(lambda: "▶ RUNNING" in shown(app), pilot)
    assert session.commands == [("pause",), ("resume",)]


async def test_a_suite_shows_which_run_of_which_and_counts_its_cooldown_down() -> None:
    suite = SuiteStatus(("quick", "medium", "stress"), 1, (True, None, None), 30.0, 12.0)
    async with running(fake.status(suite=suite)) as (app, _, _):
        assert "run 2 of 3" in shown(app) and "quick ✓" in shown(app) and "medium ▶" in shown(app)
    async with running(fake.status(suite=suite, state=State.COOLDOWN)) as (app, pilot, session):
        text = shown(app)
        assert "◷ COOLDOWN" in text and "next run in 0:12" in text and "] skips" in text
        await pilot.press("right_square_bracket")
        await pilot.pause()
        assert "cooldown skipped" in shown(app)
    assert session.commands == [("skip",)]


async def test_a_limited_generator_raises_a_banner() -> None:
    own = replace(fake.status().generator, limited_by=("cpu", "late sends"))
    async with running(fake.status(generator=own)) as (app, pilot, _):
        async for _ in resized(pilot, *SIZES):
            assert "▲ GENERATOR-LIMITED: cpu, late sends" in shown(app)
    async with running() as (app, _, _):
        assert "GENERATOR-LIMITED" not in shown(app)


async def test_a_lost_process_is_seen() -> None:
    workers = (WorkerStatus(0, True), WorkerStatus(1, False, age_s=4.0))
    async with running(fake.status(generator=replace(fake.status().generator, workers=workers)), size=(120, 40)) as (
        app,
        _,
        _,
    ):
        assert "✗ 1 of 2 lost" in shown(app)


async def test_a_broken_limit_marks_tile_and_panel() -> None:
    broken = (ThresholdOutcome("response.p99", "< 250ms", 312.0, False, unit="ms", used=1.25), *fake.OUTCOMES[1:])
    async with running(fake.status(thresholds=broken), size=(120, 40)) as (app, _, _):
        text = shown(app)
    assert "3 of 4 kept" in text and "312 ✗" in text
    assert "✗ run 312 of 250" in text  # the mark judges the whole run, the tile's own figure is that of now


async def test_a_scenario_that_only_listens_shows_delivery_and_completeness_first() -> None:
    outcomes = (
        ThresholdOutcome("fanout.completeness", ">= 100%", 99.98, False, unit="%", used=1.0),
        ThresholdOutcome("delivery.p99", "< 250ms", 22.8, True, unit="ms", used=0.09),
    )
    listening = fake.status(
        scenario=fake.LISTENING, fanout=fake.FANOUT, rows=fake.broadcast_rows(), thresholds=outcomes
    )
    async with running(listening, size=(120, 50)) as (app, _, _):
        text = shown(app)
    assert "─delivery ms  ━ p50 3.60" in text and "━ spread p99 19.4" in text and "┄ limit 250" in text
    assert "delivery p99" in text and "22.8 ms now" in text and "✓ run 22.8 of 250" in text
    assert "reached" in text and "none twice · ↓ 24.1k/s" in text
    assert "connect ms" not in text and "latency" not in text
    for part in ("1 204 broadcasts", "99.98 % ▲", "2.20 · 19.4 ms", "0.8 ± 0.3 ms"):
        assert part in text, part


async def test_before_the_first_broadcast_a_listener_shows_its_connects() -> None:
    async with running(fake.status(scenario=fake.LISTENING), size=(120, 50)) as (app, _, _):
        text = shown(app)
    assert "connect ms" in text and "no broadcast seen yet" in text


async def test_who_judges_broadcasts_sees_their_delivery_from_the_start_and_no_mark_beside_a_missing_figure() -> None:
    outcomes = (
        ThresholdOutcome("connect.success", ">= 100%", 100.0, True, unit="%"),
        ThresholdOutcome("delivery.p99", "< 250ms", None, None, unit="ms"),
    )
    async with running(fake.status(scenario=fake.LISTENING, thresholds=outcomes), size=(120, 50)) as (app, _, _):
        rows = shown(app).splitlines()
    heads = next(row for row in rows if "delivery p99" in row)
    assert "reached" in heads and heads.count("✓") == 1, "connections alone can be judged"
    assert any("n/a % " in row and "n/a ms" in row for row in rows)
    assert any(row.count("no broadcast yet") == 2 for row in rows)
    assert any("─delivery ms" in row for row in rows)


async def test_an_event_too_long_for_its_row_goes_on_in_the_next_one() -> None:
    text = "response.p99 was 1 250 ms, the limit is 250 ms, seen by every client of this run"
    status = replace(fake.status(), marks=(Mark(18.0, "broken", text), Mark(30.0, "note", "later")))
    async with running(status, size=(200, 50)) as (app, pilot, _):
        await until(lambda: "this run" in shown(app), pilot)
        rows = [row[-48:].rstrip() for row in shown(app).splitlines() if "00:18 ✗" in row or "this run" in row]
    first, last = rows
    assert first.split()[2:4] == ["response.p99", "was"] and last.startswith(" " * 9)


async def test_without_timestamps_in_broadcasts_their_spread_is_drawn() -> None:
    seen = msgspec.structs.replace(fake.FANOUT, delivery_ms=Delivery())
    listening = fake.status(scenario=fake.LISTENING, fanout=seen, rows=fake.broadcast_rows())
    async with running(listening, size=(120, 50)) as (app, _, _):
        text = shown(app)
    assert "─spread ms  ━ p99 19.4" in text and "spread p99" in text


async def test_now_and_the_whole_run_are_told_apart_and_the_mark_is_the_runs() -> None:
    """The last second may break a limit that the whole run keeps."""
    outcomes = (ThresholdOutcome("response.p99", "< 100ms", 68.0, True, unit="ms", used=0.68), *fake.OUTCOMES[1:])
    async with running(fake.status(thresholds=outcomes), size=(120, 40)) as (app, _, _):
        rows = shown(app).split("\n")
    title = next(i for i, row in enumerate(rows) if "latency p99" in row)
    place = rows[title].index("latency p99")
    tile = [row[place : place + 28] for row in rows[title : title + 3]]
    assert "✓" not in tile[0] and "118 ms now" in tile[1] and tile[2].startswith("✓ run 68.0 of 100")


async def test_a_rate_that_is_broken_over_the_run_says_so_beside_the_rate_of_now() -> None:
    broken = ThresholdOutcome("messages.sent_per_second", ">= 50000/s", 20_000.0, False, unit="/s", used=2.5)
    async with running(fake.status(thresholds=(broken,)), size=(120, 40)) as (app, _, _):
        assert "run 20.0k of ≥ 50 000 /s" in shown(app)


@pytest.mark.parametrize(
    ("limited_by", "told"),
    [
        (("1.5 % of the sends were late", "other programs took 1.9 of 2 processors"), "1.5 % late ✗"),
        (("CPU at its limit for 4 s",), "61 % cpu ✗"),
        (("12 × too many open files",), "12 × too many open files ✗"),
        ((), "61 % cpu ✓"),
    ],
)
async def test_the_generator_tells_what_limits_it_and_only_the_banner_says_it_again(
    limited_by: tuple[str, ...], told: str
) -> None:
    late_share = 0.015 if limited_by else 0.0
    own = replace(fake.status().generator, limited_by=limited_by, late_share=late_share)
    async with running(fake.status(generator=own)) as (app, pilot, _):
        assert f"generator {told}" in shown(app)
        if limited_by:
            assert shown(app).count(limited_by[0]) == 1 + (told.startswith(limited_by[0]))
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        if limited_by:
            assert shown(app).count(limited_by[0]) == 1


async def test_errors_are_sorted_by_when_they_were_last_seen_and_counted_as_their_rows() -> None:
    late = msgspec.structs.replace(fake.FAILURES[4], last_s=252.0)
    async with running(fake.status(failures=(*fake.FAILURES[:4], late), failures_total=431), size=(120, 40)) as (
        app, pilot, _,
    ):  # fmt: skip
        assert "errors  347 in 5 groups" in shown(app)  # those below: the tile, four times a second, knows of 431
        await pilot.press("l")
        await until(lambda: "latest first" in shown(app), pilot)
        rows = shown(app).split("\n")
        head = next(i for i, row in enumerate(rows) if "latest first" in row)
        assert "token expired" in rows[head + 2] and "no pong" in rows[head + 3]
        await pilot.press("g")
        await until(lambda: "linear axis" in shown(app), pilot)


async def test_odd_replies_are_rows_and_not_counted_as_errors() -> None:
    odd = msgspec.structs.replace(fake.status().counters, duplicates=401, unmatched=13)
    async with running(fake.status(failures=(), failures_total=0, counters=odd), size=(120, 40)) as (app, _, _):
        assert "errors  414 odd replies" in shown(app) and "duplicate" in shown(app) and "unmatched" in shown(app)
    async with running(fake.status(counters=odd), size=(120, 40)) as (app, _, _):
        assert "errors  347 in 5 groups  414 odd replies" in shown(app)


async def test_samples_are_shown_and_copied_whole() -> None:
    reason = "\\x1b[31m" * 60 + "end of the reason"
    group = msgspec.structs.replace(fake.FAILURES[1], count=500, samples=[FailureSample(198.0, 17, reason)])
    async with running(fake.status(failures=(group,)), size=(80, 24)) as (app, pilot, _):
        await pilot.press("enter")
        await until(lambda: "y copies" in shown(app), pilot)
        await pilot.press("y")
        await until(lambda: app.clipboard.endswith(f"client 17  {reason}\n"), pilot)


async def test_no_plan_no_thresholds_no_target_is_fine() -> None:
    bare = Scenario(name="bare", target=Target(url="ws://localhost/ws"))
    status = Status(State.RUNNING, bare, "ws://localhost/ws", "here", elapsed_s=5.0)
    async with running(status) as (app, pilot, _):
        async for _ in resized(pilot, *SIZES):
            assert "runs until it is stopped" in shown(app)


async def test_the_view_can_be_frozen_while_the_run_goes_on() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("f")
        session.picture = replace(session.picture, counters=Counters(open=4321), state=State.PAUSED)
        await until(lambda: "‖ PAUSED" in shown(app), pilot)
        assert "VIEW FROZEN" in shown(app) and "11 987 / 12 000" in shown(app) and "4 321" not in shown(app)
        await pilot.press("f")
        await until(lambda: "4 321" in shown(app), pilot)


async def test_new_rows_reach_the_charts_by_themselves() -> None:
    async with running(fake.status(rows=tuple(fake.rows(100)))) as (app, pilot, session):
        session.picture = fake.status()
        await until(lambda: "48.2k msg/s" in shown(app), pilot)


async def test_any_theme_can_draw_it() -> None:
    async with running(theme="wstui-light") as (app, pilot, _):
        for theme in ("textual-dark", "dracula", "ansi-dark", "textual-light", "solarized-light", "wstui-dark"):
            app.theme = theme
            await pilot.pause()
            assert "▶ RUNNING" in shown(app) and "48.2k msg/s" in shown(app)


async def test_figures_that_do_not_exist_are_not_drawn_as_zero() -> None:
    rows = tuple(
        replace(row, response_p50_ms=None, response_p95_ms=None, response_p99_ms=None) for row in fake.rows(30)
    )
    async with running(fake.status(rows=rows, latency=Latency(), spread=())) as (app, _, _):
        text = shown(app)
    assert "p50 n/a" in text and "no replies in this time" in text


def test_the_spread_ends_in_what_lies_beyond() -> None:
    assert fake.SPREAD[-1][0] is None
    assert abs(sum(share for _, share in fake.SPREAD) - 1) < 1e-9


async def test_the_chart_stands_in_for_those_side_panels_that_do_not_fit_and_for_no_others() -> None:
    async with running(size=(120, 60)) as (app, pilot, _):
        side, head = app.screen.query_one("#side"), app.screen.query_one(Throughput)

        def told() -> str:
            return "".join(text for part in head.aside for text, _ in part)

        await until(lambda: not side.max_scroll_y and not head.aside, pilot)
        side.styles.max_height = 5
        await until(lambda: "generator" in told(), pilot)
        assert "limits" not in told(), "they are in sight"
        side.styles.max_height = None
        await until(lambda: not head.aside, pilot)


async def test_where_a_tile_tells_of_the_generator_the_chart_does_not_do_it_again() -> None:
    async with running(fake_trouble.limited(), size=(200, 50)) as (app, pilot, _):
        side, head = app.screen.query_one("#side"), app.screen.query_one(Throughput)
        side.styles.max_height = 5
        await until(lambda: side.max_scroll_y > 0, pilot)
        await pilot.pause()
        assert not head.aside and "this generator" in shown(app)
