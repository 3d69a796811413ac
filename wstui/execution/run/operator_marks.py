"""What the timeline says of an operator's command, before it takes effect, and who sent it."""

from __future__ import annotations

from wstui.execution.run import commands
from wstui.execution.run.commands import NOTE_LENGTH, OPERATOR, SEARCH, RunCommand
from wstui.execution.run.load_controller import LoadController
from wstui.execution.run.status import Status
from wstui.measure.format import duration, grouped
from wstui.measure.sanitize import sanitize


def mark_of(command: RunCommand, by: str, load: LoadController, status: Status) -> tuple[str, str] | None:
    """Return the kind and the text of a command's mark, or None if it makes no mark here.

    The end of a run and the steps of a search are marked elsewhere.
    """
    too = "" if by == OPERATOR else f" by {by}"
    behind = too and f" ({by})"
    match command:
        case commands.RampTo(clients, over_s) if by != SEARCH:
            change = f"{grouped(load.target_clients)} → {grouped(clients)}"
            return "operator", f"{by}: {change} clients over {duration(over_s)}"
        case commands.SetInterval(every_s) if by != SEARCH:
            return "operator", f"{by}: a message every {duration(load.every_s)} → {duration(every_s)}"
        case commands.PauseRun():
            return "pause", f"paused{too}: connections stay open, nothing is sent"
        case commands.ResumeRun():
            return "resume", f"resumed{too}"
        case commands.SkipStage():
            return "operator", f"{by}: {load.plan.stage.name} skipped"
        case commands.Redistribute() if too:
            return "operator", f"redistributed{too}"
        case commands.AddNote(text):
            return "note", sanitize(text, NOTE_LENGTH) + behind
        case commands.BeginSpan(text):
            return "span", sanitize(text, NOTE_LENGTH) + behind
        case commands.EndSpan():
            return "span_end", f"end of {commands.open_span(status)}{too}"
        case commands.CompletePlan() if too and by != SEARCH:
            return "operator", f"{by}: the plan is over"
    return None
