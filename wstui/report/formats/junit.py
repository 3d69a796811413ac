"""The result as JUnit XML, which CI systems show as tests: thresholds and stages are the test cases."""

from __future__ import annotations

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from wstui.execution.run.result import BreakpointSummary, Result, SuiteResult
from wstui.execution.run.result_sections import FailureSummary, ThresholdOutcome
from wstui.execution.run.verdict import figure_of
from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.diagnosis import findings
from wstui.report.model.labels import limit_of, name_of, peak_clients, route_of, runs_of, threshold_words, url_of


def render(result: Result | SuiteResult) -> str:
    """JUnit XML with a test suite for each run.

    A broken threshold fails, one without a figure is skipped, a stage that was not reached is skipped, and a run
    that was aborted or found no target is an error. The case `generator` is skipped when the generator was the
    limit: the server could then not be judged.
    """
    report = JUnitXml(sanitize(name_of(result)))
    for name in result.skipped if isinstance(result, SuiteResult) else ():
        report.add_testsuite(_skipped(name))
    for run in runs_of(result):
        report.add_testsuite(_suite(run))
    report.update_statistics()  # type: ignore[no-untyped-call]
    xml: bytes = report.tostring()  # type: ignore[no-untyped-call]
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.decode("utf-8") + "\n"


def _skipped(name: str) -> TestSuite:
    suite = TestSuite(sanitize(name))
    case = TestCase("verdict", f"{sanitize(name)}.run", 0.0)
    case.result = [Skipped("the suite was resumed after it")]
    suite.add_testcase(case)
    return suite


def _suite(run: Result) -> TestSuite:
    name = sanitize(name_of(run))
    suite = TestSuite(name)
    suite.timestamp = sanitize(run.started)
    for key, value in (
        ("target", url_of(run)),
        *([("route", route_of(run))] if route_of(run) else []),
        ("clients", str(peak_clients(run))),
        ("success", format.percentage(run.connections.success_rate)),
        ("response.p50", format.milliseconds(run.latency_ms.response.p50)),
        ("response.p99", format.milliseconds(run.latency_ms.response.p99)),
        *((f"step.{step.name}.p99 ({step.role})", format.milliseconds(step.response_ms.p99)) for step in run.steps),
        *((f"step.{step.name}.lost ({step.role})", str(step.lost)) for step in run.steps),
    ):
        suite.add_property(key, sanitize(value))
    suite.add_testcase(_verdict(run, name))
    if run.breakpoint is not None:
        suite.add_testcase(_breakpoint(run.breakpoint, name))
    suite.add_testcases([_threshold(outcome, name) for outcome in run.verdict.thresholds])
    suite.add_testcases(_stages(run, name))
    suite.add_testcase(_generator(run, name))
    return suite


def _verdict(run: Result, name: str) -> TestCase:
    # The times of a suite's cases add up to its own.
    in_stages = sum(stage.ended_s - stage.started_s for stage in run.stages)
    case = TestCase("verdict", f"{name}.run", round(max(run.duration_s - in_stages, 0.0), 3))
    reason = sanitize(run.verdict.reason)
    if run.verdict.running:
        case.result = [Skipped(reason)]
    elif run.verdict.unreachable:
        case.result = [Error(reason, "unreachable")]
    elif run.verdict.generator_lost:
        case.result = [Error(reason, "generator lost")]
    elif run.verdict.no_load:
        case.result = [Error(reason, "no load")]
    elif run.verdict.aborted:
        case.result = [Error(reason, "drained" if run.verdict.drained else "aborted")]
    elif not run.verdict.passed and not any(outcome.passed is False for outcome in run.verdict.thresholds):
        # Broken thresholds are failures of their own.
        case.result = [Failure(reason, "failed")]
    said = [sanitize(f"{found.headline}: {found.evidence}. {found.next_step}") for found in findings(run)]
    said += [_failure(failure) for failure in run.failures]
    if said:
        case.system_out = "\n".join(said)
    return case


def _breakpoint(found: BreakpointSummary, name: str) -> TestCase:
    case = TestCase("breakpoint", f"{name}.run")
    case.system_out = sanitize(found.sentence)
    if found.low is None:
        case.result = [Failure(sanitize(found.sentence), "no load held")]
    return case


def _failure(failure: FailureSummary) -> str:
    sample = f" ({sanitize(failure.samples[-1].detail)})" if failure.samples and failure.samples[-1].detail else ""
    return f"{format.count(failure.count)} × {sanitize(failure.kind)}: {sanitize(failure.message)}{sample}"


def _threshold(outcome: ThresholdOutcome, name: str) -> TestCase:
    stage = f" in {outcome.stage}" if outcome.stage else ""
    case = TestCase(sanitize(f"{outcome.metric} {limit_of(outcome)}{stage}"), f"{name}.thresholds")
    figure = figure_of(outcome)
    if outcome.passed is None:
        case.result = [Skipped("nothing was measured")]
    elif not outcome.passed:
        case.result = [Failure(sanitize(threshold_words(outcome)), "threshold")]
    else:
        case.system_out = sanitize(f"{outcome.metric} was {figure}")
    return case


def _stages(run: Result, name: str) -> list[TestCase]:
    cases = []
    for stage in run.stages:
        case = TestCase(sanitize(f"stage {stage.name}"), f"{name}.stages", round(stage.ended_s - stage.started_s, 3))
        case.system_out = (
            f"{stage.connections.ready} connected, {stage.messages.sent} sent, {stage.messages.received} received, "
            f"p99 {format.milliseconds(stage.latency_ms.response.p99)}"
        )
        cases.append(case)
    planned = run.scenario.get("stages")
    for unreached in planned[len(run.stages) :] if isinstance(planned, list) else []:
        stage_name = str(unreached.get("name", "")) if isinstance(unreached, dict) else ""
        case = TestCase(sanitize(f"stage {stage_name}"), f"{name}.stages")
        case.result = [Skipped("not reached")]
        cases.append(case)
    return cases


def _generator(run: Result, name: str) -> TestCase:
    case = TestCase("generator", f"{name}.run")
    if run.verdict.generator_limited or run.generator.limited_by:
        why = "; ".join(run.generator.limited_by) or "no reason recorded"
        case.result = [Skipped(sanitize(f"the generator was the limit, not the server: {why}"))]
    return case
