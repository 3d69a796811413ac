"""What the tiles read: pure functions from the status of a run to what its tiles show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wstui.execution.run.limits import generator_level, threshold_level, worst_threshold
from wstui.execution.run.metrics import families_of
from wstui.execution.run.result_figures import failure_rate, failures
from wstui.execution.run.result_sections import ThresholdOutcome
from wstui.execution.run.status import GeneratorStatus, Status
from wstui.measure.format import NONE, count, fitting, limit_words, ms, percent, rate, short, size
from wstui.measure.sanitize import sanitize
from wstui.measure.timeline import step_columns
from wstui.report.model.cell_text import clip, width_of
from wstui.report.model.labels import limit_ms
from wstui.tui.dashboard.thresholds import figure, metric_words
from wstui.tui.kit.bars import columns
from wstui.tui.kit.row_widget import Line, Part, RowWidget, cells
from wstui.tui.time_series import TimeSeries

_EDGES = {"ok": "ok", "near": "warn", "bad": "bad", "": "track"}
_GLYPHS = {"ok": ("✓ ", "strong-ok"), "near": ("▲ ", "strong-warn"), "bad": ("✗ ", "strong-bad"), "": ("", "text")}


@dataclass(frozen=True, slots=True)
class TileModel:
    """What a tile reads. `sign` is "", "ok", "near" or "bad"; of the `details` the first that fits is shown.

    `judges_detail`: the sign is about the detail rather than the figure, and stands beside it.
    """

    title: str
    figure: str
    unit: str = ""
    details: tuple[str, ...] = ()
    sign: str = ""
    course: Sequence[float] = field(default=(), compare=False)
    top: float = 0.0
    judges_detail: bool = False


def _title(text: str, glyph: Part, width: int) -> Line:
    room = width - 1 - width_of(glyph[0])
    text = clip(text, room)
    return [(" " + text + " " * (room - width_of(text)), "muted"), glyph]


class Tile(RowWidget):
    """Three rows; a fourth with the course if there is room."""

    DEFAULT_CSS = "Tile { width: 1fr; height: 100%; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._face: TileModel | None = None

    def show(self, face: TileModel) -> None:
        self._face = face
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        face = self._face
        if face is None:
            return []
        edge = ("▌", _EDGES[face.sign])
        inner = width - 3
        glyph = _GLYPHS[face.sign]
        above, below = (_GLYPHS[""], glyph) if face.judges_detail else (glyph, _GLYPHS[""])
        figure: Line = [(face.figure, "strong")]
        if face.unit:
            # a unit that does not fit is dropped whole: half a number would be a wrong one
            unit = face.unit if cells(figure) + 1 + width_of(face.unit) <= inner else ""
            figure.append((f" {unit}" if unit else "", "muted"))
        room = inner - width_of(below[0])
        detail = next((d for d in face.details if width_of(d) <= room), face.details[-1] if face.details else "")
        lines: list[Line] = [
            [edge, *_title(face.title, above, width - 1)],
            [edge, (" ", "text"), *figure],
            [edge, (" ", "text"), below, (clip(detail, room), "muted")],
        ]
        if height > 3:
            lines.append([edge, (" " + columns(face.course, inner, top=face.top), "fill")])
        return lines


@dataclass(frozen=True, slots=True)
class LoadCourse:
    """The durations that matter most in a run: their name, what their metrics may begin with, and their columns."""

    name: str
    metrics: tuple[str, ...]
    columns: Mapping[str, str]


RESPONSE = LoadCourse(
    "latency",
    ("response.",),
    {
        "p50": "response_p50_ms",
        "p95": "response_p95_ms",
        "p99": "response_p99_ms",
        "mean": "response_mean_ms",
        "max": "response_max_ms",
    },
)
DELIVERY = LoadCourse("delivery", ("delivery.",), {"p50": "delivery_p50_ms", "p99": "delivery_p99_ms"})
SPREAD = LoadCourse("spread", ("fanout.spread.",), {"p99": "spread_p99_ms"})
CONNECT = LoadCourse("connect", ("connect.",), {"p95": "connect_p95_ms"})
_NO_BROADCAST = "no broadcast yet"


def course_of(status: Status) -> LoadCourse:
    """Return the durations to watch: where no client waits for a reply, those of the broadcasts that are expected."""
    if not status.scenario.messages.is_one_way:
        return RESPONSE
    if status.result.fanout is None:
        return DELIVERY if _expects_broadcasts(status) else CONNECT
    return DELIVERY if status.result.fanout.delivery_ms.count else SPREAD


def _expects_broadcasts(status: Status) -> bool:
    """Return whether the scenario is about broadcasts, even while none has come yet."""
    judged = any(outcome.metric.startswith(("fanout.", "delivery.")) for outcome in status.thresholds)
    return judged or status.scenario.messages.fanout == "on"


def connections(status: Status, history: TimeSeries) -> TileModel:
    """How many are open of how many wanted."""
    counters = status.counters
    wanted = max(status.target_clients, counters.wanted)
    details = [f"{count(counters.opening)} opening"]
    # The words and counts of the result.
    losses = {"refused": counters.refused, "timed out": counters.timed_out, "failed": counters.failed}
    details += [
        f"{short(number)} {word}" for word, number in (losses | {"dropped": counters.dropped}).items() if number
    ]
    return TileModel(
        "connections",
        fitting(counters.open, 9),
        f"/ {fitting(wanted, 9)}",
        (" · ".join(details), " · ".join(details[:2]), details[0]),
        worst_threshold(status.thresholds, "connect."),
        history.highs("open"),
        float(wanted),
    )


def messages(status: Status, history: TimeSeries) -> TileModel:
    """Messages per second, both ways; of clients that only listen, whether every broadcast reached all of them."""
    if status.scenario.messages.is_one_way and course_of(status) is not CONNECT:
        return reached(status, history)
    sent, received = history.latest("sent_per_s"), history.latest("received_per_s")
    total = None if sent is None or received is None else sent + received
    row = status.rows[-1] if status.rows else None
    volume = f" · {size(row.bytes_sent_per_s + row.bytes_received_per_s)}/s" if row else ""
    ways = f"↑ {rate(sent)}  ↓ {rate(received)}"
    return TileModel(
        "messages",
        rate(total),
        "msg/s",
        (*_judged(status, "messages.", "subscribe."), ways + volume, ways, f"↑ {rate(sent)}"),
        worst_threshold(status.thresholds, "messages.", "fanout.", "subscribe."),
        [a + b for a, b in zip(history.highs("sent_per_s"), history.highs("received_per_s"), strict=True)],
    )


def reached(status: Status, history: TimeSeries) -> TileModel:
    """How completely broadcasts arrive, over the whole run."""
    seen = status.result.fanout
    if seen is None:
        return TileModel("reached", NONE, "%", (_NO_BROADCAST,))
    twice = f"{short(seen.duplicates)} twice" if seen.duplicates else "none twice"
    received = f"↓ {rate(history.latest('received_per_s'))}/s"
    return TileModel(
        "reached",
        percent(seen.completeness),
        "%" if seen.completeness is not None else "",
        (f"{short(seen.messages)} broadcasts · {twice} · {received}", f"{twice} · {received}", twice),
        worst_threshold(status.thresholds, "fanout.completeness", "fanout.duplicates", "messages."),
        history.highs("received_per_s"),
    )


def _judged(status: Status, *metrics: str) -> tuple[str, ...]:
    """Return a broken or nearly broken limit with the figure of the whole run that it judges; () when there is none.

    A tile's own figure is that of the last second.
    """
    verdict = worst_threshold(status.thresholds, *metrics)
    if verdict not in ("bad", "near"):
        return ()
    outcome = next(o for o in status.thresholds if o.metric.startswith(metrics) and threshold_level(o) == verdict)
    told = _run_words(outcome)
    return (f"{metric_words(outcome.metric)}: {told}", told)


def _run_words(outcome: ThresholdOutcome, of: str = "") -> str:
    return f"run {of}{figure(outcome)} of {limit_of(outcome)}"


def step_course(status: Status, role: str, name: str) -> LoadCourse:
    _, _, p50, p99 = step_columns(role, name)
    rows = [step for step in status.result.steps if (step.role, step.name) == (role, name)]
    metrics = tuple(f"{family}." for step in rows for family in families_of(step))
    return LoadCourse(f"{clip(sanitize(name), 20)}", metrics, {"p50": p50, "p99": p99})


def latency_limit(status: Status, course: LoadCourse | None = None) -> tuple[str, ThresholdOutcome] | None:
    """The limit on the durations to watch that is most used up, and the figure it is about ("p99", "mean", …)."""
    limits = [
        (o.metric.removeprefix(metric), o)
        for metric in (course or course_of(status)).metrics
        for o in status.thresholds
        if o.metric.startswith(metric) and limit_ms(o) is not None
    ]
    return max(limits, key=lambda pair: pair[1].used or 0.0, default=None)


def limit_of(outcome: ThresholdOutcome) -> str:
    """What a limit allows, without its sign where that is an upper bound; milliseconds without their unit."""
    return limit_words(outcome.limit).lstrip("<=≤ ").removesuffix(" ms")


def latency(status: Status, history: TimeSeries) -> TileModel:
    """The durations to watch: the figure of the last second beside that of the whole run, which the mark judges."""
    course = course_of(status)
    limit = latency_limit(status)
    about = limit[0] if limit and limit[0] in course.columns else list(course.columns)[min(2, len(course.columns) - 1)]
    others = [name for name in ("p50", "p95", "p99") if name != about and name in course.columns][:2]
    values = [(name, history.latest(course.columns[name])) for name in others]
    details = " · ".join(f"{name} {ms(value)}" for name, value in values)
    shown: tuple[str, ...] = (details, details.replace(" ·", ""))
    judged = limit is not None and limit[1].value is not None
    if limit and course is CONNECT and judged:
        run = _run_words(limit[1])
        shown = (f"{run} · {_NO_BROADCAST}", run)
    elif course is CONNECT or (course is DELIVERY and status.result.fanout is None):
        shown = (_NO_BROADCAST,)
    elif limit and not judged:
        shown = (f"limit {limit_of(limit[1])}",)
    elif limit:
        run = _run_words(limit[1], "" if limit[0] == about else f"{limit[0]} ")
        shown = (f"{run} · {details}", run) if details else (run,)
    elif course is RESPONSE and about == "p99":
        run = f"run {ms(status.result.latency_ms.response.p99)}"
        shown = (f"{run} · {details}", *shown)
    durations = [outcome for outcome in status.thresholds if limit_ms(outcome) is not None]
    return TileModel(
        f"{course.name} {about}",
        ms(history.latest(course.columns[about])),
        "ms now" if judged and not status.state.ended else "ms",
        shown,
        worst_threshold(durations, *course.metrics, *(("roundtrip.",) if course is RESPONSE else ())),
        history.highs(course.columns[about]),
        judges_detail=judged,
    )


def errors(status: Status, history: TimeSeries) -> TileModel:
    """How many failures, their share, and whether they grow."""
    total = failures(status.result)
    column = history.column("failures_per_s")
    now, before = column[-5:], column[-15:-5]
    recent = sum(now) / len(now) if now else 0.0
    rising = bool(before) and recent > 1.5 * (sum(before) / len(before)) and recent > 0
    limit = next((o for o in status.thresholds if o.metric == "failures.rate"), None)
    mark = worst_threshold(status.thresholds, "failures.", "messages.timed_out")
    if mark in ("", "ok") and recent > 0:
        mark = "near"
    word = f"{rate(recent)}/s, rising" if rising else f"{rate(recent)}/s" if recent else "none now" if total else "none"
    tail = f" · limit {limit_of(limit)}" if limit else ""
    return TileModel(
        "errors",
        fitting(total, 9),
        f"{percent(failure_rate(status.result))} %" if total else "",
        (word + tail, word),
        mark,
        history.highs("failures_per_s"),
        1.0,
    )


def generator_cause(own: GeneratorStatus) -> tuple[str, str]:
    """Return the figure that limits this generator and what it counts; its CPU while nothing does."""
    cause = own.limited_by[0] if own.limited_by else ""
    if "late" in cause:
        return percent(own.late_share), "% late"
    if "loop" in cause:
        return ms(own.loop_lag_ms), "ms loop lag"
    if cause and "cpu" not in cause.casefold():
        return sanitize(cause), ""
    return percent(own.cpu) if own.workers else NONE, "% cpu"


def generator(status: Status, history: TimeSeries) -> TileModel:
    """Whether this machine keeps up, and what limits it where it does not."""
    own = status.generator
    levels = (generator_level(own), worst_threshold(status.thresholds, "generator."))
    mark = next((level for level in ("bad", "near") if level in levels), "ok") if own.workers else ""
    if not own.workers:
        return TileModel("this generator", NONE, details=("no worker runs yet",))
    cause, unit = generator_cause(own)
    late = f"{percent(own.late_share)} % sends late" if own.late_sends else "sends on time"
    cpu = f"cpu {percent(own.cpu)} % · " if unit != "% cpu" else ""
    lag = f"loop lag {ms(own.loop_lag_ms)} ms"
    return TileModel(
        "this generator",
        clip(cause, 30),
        unit,
        (f"{cpu}{lag} · {late}", f"{cpu}{lag}", lag),
        mark,
        history.highs("cpu"),
        1.0,
    )
