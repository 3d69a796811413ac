"""What the reports say of the machines that made the load."""

from __future__ import annotations

import io

import msgspec
import pytest

from tests.report import example
from wstui.execution.run.machine_sections import GeneratorSummary, HostSummary
from wstui.execution.run.result import Result
from wstui.execution.run.role_sections import StepSummary
from wstui.report.formats import format_registry
from wstui.report.formats.console import print_summary
from wstui.report.model import part_tables


def told(name: str, result: Result) -> str:
    if name != "console":
        return str(format_registry.named(name).render(result))
    stream = io.StringIO()
    print_summary(result, stream)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["console", "json", "markdown", "html"])
def test_every_report_lists_the_machines_and_says_which_was_lost_and_why(name: str) -> None:
    text = told(name, example.everything())
    for part in ("host1", "host2", "ssh ended with status 255: connection reset"):
        assert part in text, part


@pytest.mark.parametrize("name", ["console", "markdown", "html"])
def test_a_spread_says_when_it_is_that_within_each_host(name: str) -> None:
    assert "on a host" in told(name, example.everything()) or "on the same host" in told(name, example.everything())
    assert "on a host" not in told(name, example.fan_out()) and "on the same host" not in told(name, example.fan_out())


def test_a_run_on_one_machine_lists_none() -> None:
    for name in ("console", "markdown", "html"):
        assert "loop lag max" not in told(name, example.good())


def test_the_uncertainty_of_clocks_has_its_unit_once() -> None:
    hosts = [HostSummary(name=name, workers=1, clock_uncertainty_ms=ms) for name, ms in (("a", 0.5), ("b", 1.0))]
    delivered = StepSummary("member", "price", "delivery", begun=3, done=3)
    run = msgspec.structs.replace(example.good(), steps=[delivered], generator=GeneratorSummary(2, hosts=hosts))
    table = part_tables.steps(run)
    assert table is not None and table.notes[-1].endswith("are exact to ± 1.50 ms.")
