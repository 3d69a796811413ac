"""The commands that steer a run: the keys, the search, signals and programs all send these. Pure."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from wstui.execution.run.state import State
from wstui.measure.format import duration, grouped
from wstui.measure.sanitize import sanitize

if TYPE_CHECKING:
    from wstui.execution.run.status import Status  # `wstui ctl pause` need not wait for all that it holds

OPERATOR = "operator"
SEARCH = "search"
"""Senders of a command: the keys, the search, or an attached user by name."""


class RampTo(msgspec.Struct, frozen=True, tag="ramp"):
    """Bring the number of clients to `clients` within `over_s` seconds; the plan's clock goes on."""

    clients: int
    over_s: float = 0.0


class SetInterval(msgspec.Struct, frozen=True, tag="interval"):
    """Make each client send every `every_s` seconds; 0 sends as soon as the reply is there."""

    every_s: float


class PauseRun(msgspec.Struct, frozen=True, tag="pause"):
    """Stop sends, ramps and the plan's clock; connections stay open."""


class ResumeRun(msgspec.Struct, frozen=True, tag="resume"):
    """Continue after a pause."""


class SkipStage(msgspec.Struct, frozen=True, tag="skip"):
    """End the current stage now, or the cooldown of a suite, or a search with what it knows."""


class Redistribute(msgspec.Struct, frozen=True, tag="redistribute"):
    """Start new workers for the clients of those that were lost."""


class CompletePlan(msgspec.Struct, frozen=True, tag="complete"):
    """End the run as if its last stage were over: it counts as complete."""


class DrainRun(msgspec.Struct, frozen=True, tag="drain"):
    """End the run: wait for replies in flight, close every connection with 1000."""


class AbortRun(msgspec.Struct, frozen=True, tag="abort"):
    """End the run at once: drop every connection."""


class AddNote(msgspec.Struct, frozen=True, tag="note"):
    """Put a text on the timeline."""

    text: str


class BeginSpan(msgspec.Struct, frozen=True, tag="span"):
    """Mark the beginning of something that lasts, such as a deployment."""

    text: str


class EndSpan(msgspec.Struct, frozen=True, tag="span_end"):
    """Mark its end."""


class WatchClient(msgspec.Struct, frozen=True, tag="watch_client"):
    """Show what client `client` does, in `Status.watched`, for 10 s; send it again to go on."""

    client: int


RunCommand = (
    RampTo
    | SetInterval
    | PauseRun
    | ResumeRun
    | SkipStage
    | Redistribute
    | CompletePlan
    | DrainRun
    | AbortRun
    | AddNote
    | BeginSpan
    | EndSpan
    | WatchClient
)


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What became of a command: whether it was carried out, and the sentence that says so or why not."""

    done: bool
    text: str


class RunControl(Protocol):
    """A run, or a suite of runs, that can be watched and steered."""

    @property
    def status(self) -> Status: ...

    name: str
    """Of all of it."""

    def send(self, command: RunCommand, *, by: str = OPERATOR) -> Future[CommandAnswer]:
        """Hand over a command, from any thread; the future holds what became of it. Never blocks.

        `by` is who sends it, for the timeline.
        """
        ...


ENDED = "the run has ended"
NOTE_LENGTH = 200
_NOT_STEERED = {
    State.STARTING: "starting: the load can be steered once it runs",
    State.DRAINING: "draining: the run is coming to its end",
    State.COOLDOWN: "cooling down: skip starts the next run",
}


def unsteered(status: Status) -> str:
    """Return why the load cannot be steered now, or ""."""
    return ENDED if status.state.ended else _NOT_STEERED.get(status.state, "")


def refusal(command: RunCommand, status: Status) -> str:
    """Return why a command cannot be carried out now, or ""."""
    state = status.state
    if isinstance(command, (DrainRun, AbortRun, CompletePlan)):
        return ENDED if state.ended else ""
    if state is State.COOLDOWN and isinstance(command, SkipStage):
        return ""
    if isinstance(command, (AddNote, BeginSpan)) and not command.text.strip():
        return "a note needs a text"
    if isinstance(command, WatchClient) and command.client < 0:
        return "clients are numbered from 0"
    if isinstance(command, (AddNote, EndSpan, WatchClient)) and state is State.DRAINING:
        return ""
    if why := unsteered(status):
        return why
    if status.breakpoint is not None and isinstance(command, (RampTo, SetInterval)):
        return "a search sets the load by itself: pause it, skip to end it, or stop the run"
    if isinstance(command, PauseRun) and state is State.PAUSED:
        return "the run is paused already"
    if isinstance(command, ResumeRun) and state is not State.PAUSED:
        return "the run is not paused"
    if isinstance(command, EndSpan) and not open_span(status):
        return "no span has begun"
    if isinstance(command, BeginSpan) and (begun := open_span(status)):
        return f"a span goes on, end it first: {begun}"
    if isinstance(command, Redistribute) and not status.generator.unreplaced_workers:
        return "no lost worker is left to replace"
    return ""


def carried_out(command: RunCommand, status: Status) -> str:
    """Return the sentence for a command that is carried out; `status` is the picture just before."""
    match command:
        case RampTo(clients, over_s):
            later = ", once resumed" if status.state is State.PAUSED else ""
            return (
                f"target {grouped(status.target_clients)} → {grouped(clients)} clients over {duration(over_s)}{later}"
            )
        case SetInterval(every_s):
            every = f"every {duration(every_s)}" if every_s else "as soon as its reply is there"
            return f"each client sends {every}"
        case PauseRun():
            return f"paused: {grouped(status.counters.open)} connections stay open, no messages are sent"
        case ResumeRun():
            return "resumed: messages are sent again, the clock of the plan goes on"
        case SkipStage():
            return _skipped(status)
        case Redistribute():
            return f"{grouped(status.generator.left_behind_clients)} clients of lost workers go to those left"
        case CompletePlan():
            return "the plan is over: the run drains"
        case DrainRun():
            return "draining: replies in flight are awaited, then every connection is closed with 1000"
        case AddNote(text):
            return f"noted: {sanitize(text, NOTE_LENGTH)}"
        case BeginSpan(text):
            return f"span begun: {sanitize(text, NOTE_LENGTH)}"
        case WatchClient(client):
            return f"client {client} is watched"
        case EndSpan():
            return f"span ended: {open_span(status)}"
        case AbortRun():
            return "aborting: every connection is dropped"


def open_span(status: Status) -> str:
    """Return the text of the span that has begun and not ended, or ""."""
    last = next((mark for mark in reversed(list(status.marks)) if mark.kind in ("span", "span_end")), None)
    return last.text if last is not None and last.kind == "span" else ""


def is_last_stage(status: Status) -> bool:
    """Return whether the run ends with the current stage."""
    return status.breakpoint is not None or (bool(status.stages) and status.stages[-1].current)


def _skipped(status: Status) -> str:
    if status.state is State.COOLDOWN:
        return "cooldown skipped"
    if status.breakpoint is not None:
        return "the search ends with what is known"
    names = [stage.name for stage in status.stages]
    at = next((number for number, stage in enumerate(status.stages) if stage.current), None)
    if at is None:
        return "stage ended"
    return f"{names[at]} ended" if is_last_stage(status) else f"{names[at]} ended, {names[at + 1]} begins"


def answered(answer: CommandAnswer) -> Future[CommandAnswer]:
    """Return a future that holds the answer already."""
    future: Future[CommandAnswer] = Future()
    future.set_result(answer)
    return future
