from __future__ import annotations

import io
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.report.example import broken, good, hostile, suite
from wstui.cli.github import MOST_ANNOTATIONS, MOST_SUMMARY, Workflow, workflow_commands
from wstui.measure.sanitize import sanitize


def workflow(summary: Path) -> Workflow:
    return Workflow({"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)})


def test_broken_thresholds_are_errors_and_findings_warnings() -> None:
    commands = workflow_commands(broken())
    assert any(
        line.startswith("::error title=stress%3A threshold broken::response.p99 in hold was") for line in commands
    )
    assert workflow_commands(good()) == []
    assert all(
        "\n" not in line and line.startswith(("::error ", "::warning ")) for line in workflow_commands(hostile())
    )


def read(line: str) -> tuple[str, dict[str, str], str]:
    """Return a workflow command's name, properties and text as a runner reads them."""
    head, _, text = line.removeprefix("::").partition("::")
    name, _, rest = head.partition(" ")
    properties = dict(part.split("=", 1) for part in rest.split(",") if part)

    def plain(escaped: str) -> str:
        for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
            escaped = escaped.replace(code, character)
        return escaped

    return name, {key: plain(value) for key, value in properties.items()}, plain(text)


def test_what_means_something_to_the_runner_arrives_as_it_was() -> None:
    run = broken()
    reason = "100% of a, b: c::error::made up\r\n::warning title=x::y"
    name = "a,b=c:d%0A\n::error::"
    outcomes = [replace(outcome, passed=None) for outcome in run.verdict.thresholds]
    hard = replace(
        run,
        scenario={**run.scenario, "name": name},
        verdict=replace(run.verdict, thresholds=outcomes, passed=False, reason=reason),
    )
    line = workflow_commands(hard)[0]
    assert "\n" not in line and "\r" not in line
    assert read(line) == ("error", {"title": f"{sanitize(name)}: FAILED"}, sanitize(reason))


@pytest.mark.parametrize("number", [MOST_ANNOTATIONS, MOST_ANNOTATIONS + 4])
def test_what_github_would_not_show_is_counted_in_the_last_annotation(number: int) -> None:
    run = broken()
    (outcome,) = [found for found in run.verdict.thresholds if found.metric == "response.p99"]
    outcomes = [replace(outcome, limit=f"< {at}ms") for at in range(1, number + 1)]
    lines = workflow_commands(replace(run, verdict=replace(run.verdict, thresholds=outcomes)))
    errors = [read(line) for line in lines if line.startswith("::error ")]
    assert len(errors) == MOST_ANNOTATIONS
    last = {"title": "5 more errors"} if number > MOST_ANNOTATIONS else {"title": "stress: threshold broken"}
    assert errors[-1][1] == last and errors[-2][1] == {"title": "stress: threshold broken"}


def test_the_summary_is_added_to_the_file(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    assert workflow(summary).publish(suite(), io.StringIO()) == ""
    assert summary.read_text().startswith("before\n#")


def test_a_summary_that_cannot_be_written_or_shown_is_reported(tmp_path: Path) -> None:
    assert "not written" in workflow(tmp_path / "no" / "file").publish(good(), io.StringIO())
    full = tmp_path / "full.md"
    full.write_bytes(b"x" * MOST_SUMMARY)
    assert "1 MiB" in workflow(full).publish(good(), io.StringIO())
    assert full.stat().st_size == MOST_SUMMARY


def test_what_a_server_says_is_no_command_for_the_runner(tmp_path: Path) -> None:
    stream = io.StringIO()
    with workflow(tmp_path / "s").quoted(stream, fold="live: 5 %"):
        print("::error::made up", file=stream)
    opened, stop, said, resumed, closed = stream.getvalue().splitlines()
    assert opened == "::group::live: 5 %25" and closed == "::endgroup::" and said == "::error::made up"
    token = stop.removeprefix("::stop-commands::")
    assert len(token) == 32 and resumed == f"::{token}::"


@pytest.mark.parametrize("environ", [{}, {"GITHUB_ACTIONS": "false"}])
def test_outside_of_a_workflow_nothing_is_added(environ: dict[str, str]) -> None:
    stream = io.StringIO()
    outside = Workflow(environ)
    with outside.quoted(stream, fold="live"):
        pass
    assert outside.publish(broken(), stream) == "" and stream.getvalue() == ""
