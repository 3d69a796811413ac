"""Exit statuses, and errors as one message instead of a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

import click

from wstui.scenario.secrets import mask_text

if TYPE_CHECKING:
    from wstui.execution.run.result import Result, SuiteResult
    from wstui.scenario.model import Scenario

KEPT = 0
BROKEN = REFUSED = 1
USAGE = 2
UNREACHABLE = 3
LIMITED = 4
INTERNAL = 70
TIMED_OUT = 124
"""As of `timeout`."""
ABORTED = 130
READER_GONE = 141
"""The shell's status for SIGPIPE."""
MEANINGS = {
    KEPT: "thresholds kept; the command did what it was asked for",
    BROKEN: "a threshold is broken; of `runs compare` and `runs trend`, a condition of `--fail-if` holds; of `check`, "
    "a check failed; of `new` and `import`, the client that tried it was not answered as expected; of `calibrate`, it "
    "could not measure; of `ctl`, the command was refused",
    USAGE: "wrong usage or scenario, or no load can be made here (at all, or no longer: all workers were lost), or the "
    "scenario can't tell replies from those to other clients, so that response times are not true",
    UNREACHABLE: "the target is unreachable, for `new`, `import` and `record` too; of `ctl` and `attach`, the "
    "connection to the run is lost",
    LIMITED: "thresholds kept, but the generator was the limit; `--allow-limited` makes it 0",
    TIMED_OUT: "of `ctl wait`, the time was up",
    INTERNAL: "an internal error; `LOG_LEVEL=debug` shows where",
    ABORTED: "ended by the operator",
    READER_GONE: "the reader of stdout has gone",
}


def status_of(result: Result | SuiteResult, *, allow_limited: bool = False) -> int:
    verdict = result.verdict
    if verdict.unreachable:
        return UNREACHABLE
    if verdict.aborted:
        return ABORTED
    if verdict.generator_lost or verdict.no_load or verdict.script_failed or verdict.invalid:
        return USAGE  # without load or true figures there can be no verdict on the target
    if not verdict.passed:
        return BROKEN
    if verdict.generator_limited and not allow_limited:
        return LIMITED
    return KEPT


_secrets: set[str] = set()


def hide(scenarios: Iterable[Scenario]) -> None:
    """Mask the secrets of these scenarios in every later message on stderr."""
    from wstui.scenario.secret_fields import secrets_of

    _secrets.update(secret for scenario in scenarios for secret in secrets_of(scenario))


def tell(message: str) -> None:
    """Print a message on stderr, without secrets."""
    click.echo(f"wstui: {mask_text(message, sorted(_secrets))}", err=True)


def fail(message: str, status: int) -> NoReturn:
    """Print an error on stderr and exit with `status`."""
    tell(message)
    sys.exit(status)
