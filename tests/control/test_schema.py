"""The schema of the control socket that the manual prints, held against the lines that are really sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import jsonschema
import pytest

from tests.cli.commands import invoke
from tests.control.served import Raw, SteeredSession
from tests.tui import fake_roles, fake_search
from wstui.cli.manual import manual_pages
from wstui.control.control_messages import Hello, Request, Watch, line
from wstui.control.line_schema import json_schema
from wstui.control.run_server import ControlServer
from wstui.execution.run.commands import (
    AddNote,
    BeginSpan,
    RampTo,
    RunCommand,
    SetInterval,
    WatchClient,
)
from wstui.execution.run.result import SuiteResult
from wstui.execution.run.status import Status
from wstui.load.protocol import TraceLine

COMMANDS: list[Any] = [RampTo(50, 2.0), SetInterval(0.5), AddNote("x"), BeginSpan("3 → 6 pods"), WatchClient(7)]
COMMANDS += [kind() for kind in get_args(RunCommand) if not kind.__struct_fields__]
TO_RUN = [Hello(name="ci"), Watch(events=True), *(Request(id, command) for id, command in enumerate(COMMANDS))]


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    made = json_schema()
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


def said_by(run: SteeredSession, suite: bool) -> list[dict[str, Any]]:
    """All that a run says to a client that sends each command and watches to the end."""
    server = ControlServer(run, numbers=tuple)
    server.start()
    seen: list[dict[str, Any]] = []
    with Raw(server.entry.socket) as client:
        client.write(b"".join(map(line, TO_RUN)))
        while said := client.read():
            seen.append(said)
            if said["type"] == "answer" and said["id"] == len(COMMANDS) - 1:
                run.ended.set()
                result: Any = run.execute()
                whole = SuiteResult(name="two", started="", finished="", verdict=result.verdict, runs=[result] * 2)
                server.close(whole if suite else result)
    return seen


@pytest.mark.parametrize("picture", [fake_roles.status(), fake_search.searching()], ids=["roles", "search"])
def test_every_line_is_as_the_schema_says(picture: Status, schema: jsonschema.Draft202012Validator) -> None:
    for message in TO_RUN:
        schema.validate(json.loads(line(message)))
    run = SteeredSession(
        replace(picture, watched=[TraceLine(1.0, "announcer", 7, False, "to all", "announce", size=6)])
    )
    seen = said_by(run, suite=picture.breakpoint is not None)
    assert {said["type"] for said in seen} == {"hello", "status", "event", "answer", "end"}
    assert sum(said["type"] == "answer" for said in seen) == len(COMMANDS)
    for said in seen:
        schema.validate(said)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "answer", "id": 1},
        {"type": "status", "changed": {"nonsense": 1}},
        {"type": "status", "changed": {"elapsed_s": "soon"}},
        {"type": "event", "event": {}},
        {"type": "command", "id": 1, "command": {"type": "ramp"}},
        {"type": "command", "id": 1, "command": {"type": "format"}},
        {"type": "other"},
    ],
)
def test_another_line_is_not(wrong: dict[str, Any], schema: jsonschema.Draft202012Validator) -> None:
    assert not schema.is_valid(wrong)


def test_the_manual_has_every_line_and_a_command_prints_the_schema(schema: jsonschema.Draft202012Validator) -> None:
    status, out, _ = invoke("schema", "control")
    assert status == 0 and json.loads(out) == json.loads(json.dumps(schema.schema))
    page = manual_pages().text("control")
    definitions = schema.schema["$defs"]
    command = definitions["Request"]["properties"]["command"]
    for union in (definitions["ToRun"], definitions["FromRun"], command):
        for part in union["anyOf"]:
            (kind,) = definitions[part["$ref"].rpartition("/")[2]]["properties"]["type"]["enum"]
            assert f"| `{kind}` |" in page
    assert all(f"| `{name}` |" in page for name in definitions["StatusChanged"]["properties"]["changed"]["properties"])
