"""Every table of a run, in the order in which they are read, and of a suite."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.execution.run.result import FanOutSummary, FanOutType, Result, SuiteResult
from wstui.execution.run.result_sections import Latency, SlowReadersResult
from wstui.execution.run.verdict import figure_of
from wstui.measure import format
from wstui.report.model import breakpoint_table, part_tables
from wstui.report.model.intervals import interval_result, noted_intervals
from wstui.report.model.labels import Tone, limit_of, name_of, peak_clients, ramp_rates, threshold_sign, verdict_sign
from wstui.report.model.table import Column, Row, Style, Table

QUANTILES = ("mean", "min", "p50", "p90", "p95", "p99", "p999", "max")
MOST_TYPES = 50


def judged(run: Result) -> list[Table]:
    """Return the grounds of the verdict: the search for a limit, and the thresholds."""
    return [table for table in (breakpoint_table.search(run), _thresholds(run)) if table is not None]


def measured(run: Result) -> list[Table]:
    """Every other table that the run has figures for."""
    found = (
        _connections(run),
        _tokens(run),
        _subscriptions(run),
        _slow_readers(run.slow_readers),
        _latency(run),
        part_tables.login(run),
        part_tables.steps(run),
        part_tables.roles(run),
        part_tables.sequence(run),
        _failures(run),
        _messages(run),
        _types(run),
        _fan_out(run.fanout),
        _stages(run),
        _notes(run),
        part_tables.target(run.target),
        part_tables.generator(run),
        part_tables.hosts(run),
    )
    return [table for table in found if table is not None]


def overview(suite: SuiteResult) -> Table:
    """The runs of a suite, a row each."""
    columns = [
        *(Column(title, number=False) for title in ("", "run", "verdict")),
        Column("clients"),
        Column("success", rank=2),
        Column("p50", rank=3),
        Column("p99", strong=True),
        Column("failures", rank=1),
        Column("took"),
        Column("broken", number=False),
    ]
    rows = []
    for run in suite.runs:
        sign, response = verdict_sign(run.verdict), run.latency_ms.response
        cells = [
            sign.glyph,
            name_of(run),
            sign.word.lower(),
            format.count(peak_clients(run)),
            format.percentage(run.connections.success_rate),
            format.milliseconds(response.p50),
            format.milliseconds(response.p99),
            format.count(sum(failure.count for failure in run.failures)),
            format.duration(run.duration_s),
            ", ".join(outcome.metric for outcome in run.verdict.thresholds if outcome.passed is False),
        ]
        rows.append(Row(cells, sign.tone))
    skipped = (f"Not run, because the suite was resumed after them: {', '.join(suite.skipped)}.",)
    return Table("Runs", columns, rows, notes=skipped if suite.skipped else ())


def _thresholds(run: Result) -> Table | None:
    rows = []
    for outcome in run.verdict.thresholds:
        sign = threshold_sign(outcome)
        where = f"in {outcome.stage}" if outcome.stage else ""
        figure = figure_of(outcome)
        share = None if outcome.used is None else min(outcome.used, 1.0)
        rows.append(Row([sign.glyph, outcome.metric, limit_of(outcome), figure, sign.word, where], sign.tone, share))
    columns = [
        *(Column(title, number=False) for title in ("", "metric", "limit")),
        Column("measured", strong=True),
        *(Column(title, number=False) for title in ("", "where")),
    ]
    return Table("Thresholds", columns, rows, bar="of the limit") if rows else None


def _connections(run: Result) -> Table:
    seen = run.connections
    facts = [
        ("attempted", format.count(seen.attempted)),
        ("ready", format.count(seen.ready)),
        ("success", format.percentage(seen.success_rate)),
        ("rate", format.per_second(seen.per_second)),
    ]
    numbers = [
        ("refused", seen.refused),
        ("timed out", seen.timed_out),
        ("failed", seen.failed),
        ("drained", seen.drained),
        ("dropped later", seen.dropped),
    ]
    further = [
        ("came back", seen.reconnects),
        ("gave up coming back", seen.reconnects_given_up),
        ("not back at the end", seen.reconnects_missing),
        ("never connected", seen.unreached),
        ("keepalive pings", seen.pings),
        ("pings without a pong", seen.pings - seen.pongs),
    ]
    columns, cells = _counted(facts, numbers, further)
    ramps = [
        f"{ramp.stage}: {format.per_second(ramp.achieved)} of {format.per_second(ramp.planned)} planned"
        for ramp in ramp_rates(run)
    ]
    return Table("Connections", columns, [Row(cells)], Style.FACTS, ramps)


def _counted(
    facts: Sequence[tuple[str, str]], numbers: Sequence[tuple[str, int]], further: Sequence[tuple[str, int]]
) -> tuple[list[Column], list[str]]:
    """Return columns and cells of facts and counts; the `further` ones are left out where they are 0."""
    counts = [*numbers, *((word, number) for word, number in further if number)]
    columns = [*(Column(word, strong=True) for word, _ in facts), *(Column(word) for word, _ in counts)]
    return columns, [*(text for _, text in facts), *(format.count(number) for _, number in counts)]


def _tokens(run: Result) -> Table | None:
    """Return the outcomes by kind of token, if the scenario mixed good tokens with bad ones."""
    rows = []
    for row in run.auth:
        right = row.correct == row.attempted
        numbers = [format.count(number) for number in (row.attempted, row.ready, row.refused, row.other)]
        words = ("✓", "as expected") if right else ("✗", "not as expected")
        cells = [words[0], row.kind.replace("_", " "), row.expected, *numbers, words[1]]
        rows.append(Row(cells, Tone.GOOD if right else Tone.BAD))
    columns = [
        *(Column(title, number=False) for title in ("", "token", "expected")),
        *map(Column, ("attempted", "ready", "refused", "other")),
        Column("", number=False, rank=1),
    ]
    note = "Other: ended without an answer to the token, which proves nothing."
    return Table("Tokens", columns, rows, notes=(note,)) if rows else None


def _subscriptions(run: Result) -> Table | None:
    seen = run.subscriptions
    if seen is None:
        return None
    good = seen.acknowledged == seen.asked and not seen.filter_leaks
    columns = [Column(word, strong=True) for word in ("asked", "acknowledged", "leaked")]
    cells = [format.count(number) for number in (seen.asked, seen.acknowledged, seen.filter_leaks)]
    note = "Leaked: messages about none of the tokens that a client had asked for."
    row = Row(cells, Tone.GOOD if good else Tone.BAD)
    return Table("Subscriptions", columns, [row], Style.FACTS, notes=(note,))


def _slow_readers(seen: SlowReadersResult | None) -> Table | None:
    if seen is None:
        return None
    rows = [Row([how, format.count(number)]) for how, number in seen.endings.items()]
    rows.append(Row(["stayed to the end", format.count(max(seen.clients - seen.closed, 0))]))
    clients = f"{format.count(seen.clients)} client{'' if seen.clients == 1 else 's'}"
    note = f"{clients} stopped reading; the server ended {format.count(seen.closed)}."
    columns = [Column("how they ended", number=False), Column("clients")]
    return Table("Slow readers", columns, rows, Style.LIST, notes=(note,))


def _latency(run: Result) -> Table:
    named: list[tuple[str, Latency]] = [
        ("response time", run.latency_ms.response),
        ("round trip", run.latency_ms.round_trip),
        ("connect", run.latency_ms.connect),
    ]
    if run.latency_ms.reconnect.count:
        named.append(("reconnect", run.latency_ms.reconnect))
    if run.fanout is not None:
        named += [("fan-out spread", run.fanout.spread_ms), ("delivery", run.fanout.delivery_ms)]
    columns = [
        Column("", number=False),
        Column("count", rank=1),
        *(Column(name.replace("p999", "p99.9"), strong=name in ("p50", "p95", "p99")) for name in QUANTILES),
    ]
    rows = [
        Row([name, format.count(seen.count), *(format.significant(getattr(seen, q), 3) for q in QUANTILES)])
        for name, seen in named
    ]
    return Table("Latency, ms", columns, rows)


def _fan_out(seen: FanOutSummary | None) -> Table | None:
    if seen is None:
        return None
    kinds: list[tuple[str, FanOutSummary | FanOutType]] = [("all", seen), *list(seen.by_type.items())[:MOST_TYPES]]
    rows = [
        Row(
            [
                name,
                format.count(kind.messages),
                format.percentage(kind.completeness),
                format.count(kind.duplicates),
                format.milliseconds(kind.spread_ms.p50),
                format.milliseconds(kind.spread_ms.p99),
            ]
        )
        for name, kind in kinds
    ]
    first = "on the same host: clocks of several are not compared" if seen.spread_within == "host" else "anywhere"
    notes = [f"Completeness: receivers ÷ clients that were open throughout; spread: from the first receipt {first}."]
    if seen.late:
        notes.append(f"{format.count(seen.late)} receipts came after the time in which a broadcast is followed.")
    if seen.delivery_ms.offset_ms is not None:
        offset = format.signed_ms(seen.delivery_ms.offset_ms)
        give_or_take = format.milliseconds(seen.delivery_ms.uncertainty_ms)
        whose = ", of the least certain host," if seen.spread_within == "host" else ","
        notes.append(f"Delivery is corrected by the clock offset{whose} {offset} ± {give_or_take}.")
    names = ("messages", "completeness", "duplicates", "spread p50", "spread p99")
    columns = [Column("broadcasts", number=False), *(Column(name, strong=name == "completeness") for name in names)]
    return Table("Fan-out", columns, rows, notes=notes, shown=10)


def _messages(run: Result) -> Table:
    seen = run.messages
    facts = [
        ("sent", format.count(seen.sent)),
        ("received", format.count(seen.received)),
        ("sending", format.per_second(seen.sent_per_second)),
        ("receiving", format.per_second(seen.received_per_second)),
    ]
    numbers = [
        ("timed out", seen.timed_out),
        ("late", seen.late),
        ("unmatched", seen.unmatched),
        ("duplicates", seen.duplicates),
    ]
    further = [
        ("altered", seen.altered),
        ("not UTF-8", seen.invalid_texts),
        ("not as expected", seen.broken_expectations),
        ("steps failed", seen.failed_steps),
        ("wanting no reply", seen.no_reply_expected),
        ("in flight" if run.verdict.running else "abandoned", seen.abandoned),
    ]
    columns, cells = _counted(facts, numbers, further)
    columns += [Column(word, strong=True) for word in ("out", "in")]
    cells += map(format.size, (seen.bytes_sent, seen.bytes_received))
    out, back = seen.bytes_sent_inflated, seen.bytes_received_inflated
    compressed = (out or back) and (out, back) != (seen.bytes_sent, seen.bytes_received)
    notes = (f"Without compression {format.size(out)} out, {format.size(back)} in.",) if compressed else ()
    return Table("Messages", columns, [Row(cells)], Style.FACTS, notes)


def _types(run: Result) -> Table | None:
    kinds = sorted(run.messages.by_type.items(), key=lambda item: -item[1])
    if not kinds:
        return None
    rows = [Row([kind, format.count(number)]) for kind, number in kinds[:MOST_TYPES]]
    notes = (f"… and {len(kinds) - MOST_TYPES} further types.",) if len(kinds) > MOST_TYPES else ()
    columns = [Column("type", number=False), Column("received")]
    return Table("Messages by type", columns, rows, Style.LIST, notes, shown=8)


def _stages(run: Result) -> Table | None:
    rows = [
        Row(
            [
                stage.name,
                f"{format.clock(stage.started_s)}–{format.clock(stage.ended_s)}",
                format.count(stage.connections.ready),
                format.per_second(stage.messages.sent_per_second),
                format.per_second(stage.messages.received_per_second),
                format.milliseconds(stage.latency_ms.response.p50),
                format.milliseconds(stage.latency_ms.response.p99),
                format.count(stage.messages.timed_out),
            ]
        )
        for stage in run.stages
    ]
    names = ("time", "became ready", "sending", "receiving", "p50", "p99", "timed out")
    ranks = {"p50": 1, "became ready": 2}
    columns = [
        Column("stage", number=False),
        *(Column(name, strong=name == "p99", rank=ranks.get(name, 0)) for name in names),
    ]
    return Table("Stages", columns, rows) if rows else None


def _notes(run: Result) -> Table | None:
    """Return the operator's notes, with the figures before and after."""
    rows = []
    for each in noted_intervals(run.events, run.duration_s):
        before, after = (interval_result(run, run.timeline, *part) for part in (each.before, each.after))
        until = "" if not each.is_span else "–" if each.until_s is None else f"–{format.clock(each.until_s)}"
        cells = [
            f"{format.clock(each.at_s)}{until}",
            each.text,
            *(format.per_second(part.messages.sent_per_second) for part in (before, after)),
            *(format.milliseconds(part.latency_ms.response.p50) for part in (before, after)),
            *(format.milliseconds(part.latency_ms.response.p99) for part in (before, after)),
        ]
        rows.append(Row(cells))
    columns = [
        Column("time"),
        Column("note", number=False),
        Column("sending before", rank=3),
        Column("after", rank=3),
        Column("p50 before", rank=2),
        Column("after", rank=2),
        Column("p99 before", rank=1),
        Column("after", rank=1),
    ]
    about = "Up to the next note, stage or change of the load on either side; each figure is the mean of its seconds."
    return Table("Notes", columns, rows, notes=(about,)) if rows else None


def _failures(run: Result) -> Table | None:
    """Return the failures by kind, with the latest samples."""
    if not run.failures:
        return None
    columns = [
        Column("count", strong=True),
        Column("kind", number=False, code=True),
        Column("message", number=False, code=True),
        Column("first"),
        Column("last"),
    ]
    rows = []
    for failure in sorted(run.failures, key=lambda failure: -failure.count):
        own = " (this generator's own)" if failure.local else ""
        samples = [
            f"client {sample.client} at {format.clock(sample.at_s)}" + (f": {sample.detail}" if sample.detail else "")
            for sample in failure.samples
        ]
        times = (format.clock(failure.first_s), format.clock(failure.last_s))
        cells = [format.count(failure.count), failure.kind + own, failure.message, *times]
        rows.append(Row(cells, Tone.BAD, details=samples))
    total = sum(failure.count for failure in run.failures)
    return Table("Failures", columns, rows, notes=(f"{format.count(total)} in all.",), shown=10)
