from __future__ import annotations

import dataclasses
import errno
import io
import json
import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from tests.report.example import broken, good
from tests.report.example import suite as suite_result
from tests.report.stand_in import STARTED, StandIn, status
from tests.waiting import wait_until
from wstui.execution.run.result import Result, SuiteResult, stamp
from wstui.execution.run.result_sections import ThresholdOutcome
from wstui.execution.run.state import State
from wstui.execution.run.status import Status
from wstui.report.live.event_stream import EventStream


def streamed(*pictures: Status, result: Result | SuiteResult | None = None) -> list[dict[str, Any]]:
    """The events of a run that shows these pictures."""
    out = io.StringIO()
    run = StandIn(*pictures)
    stream = EventStream(run, out, every_s=0.005)
    stream.start()
    wait_until(lambda: run.shown > run.last)
    stream.close(result)
    assert stream.problem == ""
    return [json.loads(line, parse_constant=lambda name: f"not JSON: {name}") for line in out.getvalue().splitlines()]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def test_each_second_and_mark_is_written_once_and_in_order() -> None:
    events = streamed(status(2), status(2), status(12))
    assert kinds(events)[:2] == ["start", "state"]
    assert [event["at_s"] for event in events if event["event"] == "row"] == [float(second) for second in range(1, 13)]
    assert [event["text"] for event in events if event["event"] == "mark"] == ["run started", "hold"]
    assert {event["run"] for event in events} == {"quick"}
    assert events[0]["scenario"]["name"] == "quick" and events[0]["host"] == "generator-1"
    assert "end" not in kinds(events)


def test_failures_and_thresholds_are_told_when_they_change() -> None:
    first = status(2)
    group = first.result.failures[0]
    grown = msgspec.structs.replace(first.result, failures=[msgspec.structs.replace(group, count=9)])
    more = dataclasses.replace(status(3), result=grown)
    outcome = ThresholdOutcome("connect.success", ">= 100%", 100.0, True)
    verdict = msgspec.structs.replace(grown.verdict, thresholds=[outcome])
    kept = dataclasses.replace(more, result=msgspec.structs.replace(grown, verdict=verdict))
    events = streamed(first, first, more, kept, kept)
    assert [event["count"] for event in events if event["event"] == "failures"] == [5, 9]
    assert [event["passed"] for event in events if event["event"] == "threshold"] == [False, True]


def test_states_are_told_when_they_change() -> None:
    events = streamed(status(2), status(2, state=State.PAUSED), status(2), status(3, state=State.DRAINING))
    states = [event["state"] for event in events if event["event"] == "state"]
    assert states == ["running", "paused", "running", "draining"]


def test_the_end_has_the_verdict_and_is_written_once() -> None:
    result = msgspec.structs.replace(broken("quick"), started=stamp(STARTED))
    events = streamed(status(2), status(3, state=State.FINISHED, result=result), result=result)
    assert kinds(events).count("end") == 1
    end = events[-1]
    assert end["passed"] is False and end["connections"]["refused"] == 180
    told = [event.get("state", event["event"]) for event in events]
    assert told.index("finished") > max(index for index, kind in enumerate(told) if kind in ("row", "mark"))
    assert end["latency_ms"]["response"]["p99"] > 100 and len(end["thresholds"]) == 2


def test_each_run_of_a_suite_begins_and_ends() -> None:
    second = STARTED + timedelta(minutes=1)
    results = [
        msgspec.structs.replace(good("quick"), started=stamp(STARTED)),
        msgspec.structs.replace(good("medium"), started=stamp(second)),
    ]
    whole = msgspec.structs.replace(suite_result(), runs=results)
    events = streamed(
        status(2),
        status(2, state=State.COOLDOWN, result=results[0]),
        status(2, started=second, name="medium"),
        result=whole,
    )
    framed = [(event["event"], event["run"]) for event in events if event["event"] in ("start", "end")]
    assert framed == [("start", "quick"), ("end", "quick"), ("start", "medium"), ("end", "medium")]


def test_no_secret_is_in_the_events() -> None:
    text = json.dumps(streamed(status(2, token="hunter2secret")))
    assert "http 429" in text and "hunter2secret" not in text


def test_events_go_to_a_file_and_through_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "events"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    stream = EventStream(StandIn(status(3)), pipe, every_s=0.005)
    stream.start()
    stream.close(None)
    reader.join(10)
    assert read[0].count('"event":"row"') == 3
    file = tmp_path / "events.jsonl"
    to_file = EventStream(StandIn(status(3)), file, every_s=0.005)
    to_file.start()
    to_file.close(None)
    assert file.read_text() == read[0]


def test_a_reader_that_goes_away_is_a_problem_told_once_and_not_an_end_of_the_run() -> None:
    class Gone(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    problems: list[str] = []
    stream = EventStream(StandIn(status(3)), Gone(), every_s=0.005, on_problem=problems.append)
    stream.start()
    wait_until(lambda: problems)
    stream.close(good())
    assert problems == ["the events can't be written to their stream: Broken pipe"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    stream = EventStream(StandIn(status(3)), tmp_path / "no" / "events.jsonl", every_s=0.005)
    stream.start()
    wait_until(lambda: stream.problem)
    stream.close(None)
    assert "no/events.jsonl: No such file or directory" in stream.problem
