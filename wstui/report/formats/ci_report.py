"""The result for CI systems: as JUnit XML, and as a Code Climate report, which GitLab shows in a merge request."""

from __future__ import annotations

import hashlib
import json
from xml.etree.ElementTree import Element, SubElement, tostring

from wstui.execution.run.metrics import family_of
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.result_sections import FailureSummary, ThresholdOutcome
from wstui.execution.run.role_sections import StepSummary
from wstui.execution.run.verdict import threshold_words
from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.diagnosis import findings
from wstui.report.model.labels import (
    limit_of,
    name_of,
    peak_clients,
    route_of,
    runs_of,
    url_of,
    verdict_sign,
)


def render_junit(result: Result | SuiteResult) -> str:
    """JUnit XML with a test suite for each run.

    A broken threshold fails, one without a figure is skipped, a stage that was not reached is skipped, and a run
    that was aborted or found no target is an error. The case `generator` is skipped when the generator was the
    limit: the server could then not be judged.
    """
    report = Element("testsuites", name=sanitize(name_of(result)))
    for name in result.skipped if isinstance(result, SuiteResult) else ():
        suite = SubElement(report, "testsuite", name=sanitize(name))
        _case(suite, "verdict", "run", skipped="the suite was resumed after it")
    for run in runs_of(result):
        _suite(report, run)
    for part in (*report, report):
        _count(part)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(report, encoding="unicode") + "\n"


def _count(part: Element) -> None:
    cases = list(part.iter("testcase"))
    part.set("tests", str(len(cases)))
    for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        if part.tag == "testsuites" and name == "skipped":
            continue  # Jenkins' xUnit plugin refuses it there
        part.set(name, str(sum(case.find(kind) is not None for case in cases)))
    part.set("time", f"{sum(float(case.get('time', 0)) for case in cases):.3f}")


def _case(
    suite: Element,
    name: str,
    group: str,
    seconds: float = 0.0,
    *,
    skipped: str = "",
    failure: tuple[str, str] | None = None,
    error: tuple[str, str] | None = None,
    output: str = "",
) -> None:
    """Add a test case; a failure or an error is its message and its type."""
    place = f"{suite.get('name')}.{group}"
    case = SubElement(suite, "testcase", name=sanitize(name), classname=place, time=f"{max(seconds, 0.0):.3f}")
    if skipped:
        SubElement(case, "skipped", message=sanitize(skipped))
    for kind, told in (("failure", failure), ("error", error)):
        if told is not None:
            SubElement(case, kind, message=sanitize(told[0]), type=told[1])
    if output:
        SubElement(case, "system-out").text = output


def _suite(report: Element, run: Result) -> None:
    suite = SubElement(report, "testsuite", name=sanitize(name_of(run)), timestamp=sanitize(run.started))
    properties = SubElement(suite, "properties")
    for key, value in (
        ("target", url_of(run)),
        *([("route", route_of(run))] if route_of(run) else []),
        ("clients", str(peak_clients(run))),
        ("success", format.percentage(run.connections.success_rate)),
        ("response.p50", format.milliseconds(run.latency_ms.response.p50)),
        ("response.p99", format.milliseconds(run.latency_ms.response.p99)),
        *((f"{family_of(step)}.p99{_of(step)}", format.milliseconds(step.response_ms.p99)) for step in run.steps),
        *((f"{family_of(step)}.lost{_of(step)}", str(step.lost)) for step in run.steps),
    ):
        SubElement(properties, "property", name=sanitize(key), value=sanitize(value))
    _verdict(suite, run)
    if run.breakpoint is not None:
        sentence = run.breakpoint.sentence
        failure = (sentence, "no load held") if run.breakpoint.low is None else None
        _case(suite, "breakpoint", "run", failure=failure, output=sanitize(sentence))
    for outcome in run.verdict.thresholds:
        _threshold(suite, outcome)
    _stages(suite, run)
    limited = run.verdict.generator_limited or bool(run.generator.limited_by)
    why = "; ".join(run.generator.limited_by) or "no reason recorded"
    _case(suite, "generator", "run", skipped=f"the generator was the limit, not the server: {why}" if limited else "")


def _of(step: StepSummary) -> str:
    return f" ({step.role})" if step.role else ""


def _verdict(suite: Element, run: Result) -> None:
    # The times of a suite's cases add up to its own.
    seconds = run.duration_s - sum(stage.ended_s - stage.started_s for stage in run.stages)
    verdict = run.verdict
    broken = any(outcome.passed is False for outcome in verdict.thresholds)  # failures of their own
    kinds = (
        (verdict.unreachable, "unreachable"),
        (verdict.generator_lost, "generator lost"),
        (verdict.no_load, "no load"),
        (verdict.invalid, "invalid"),
        (verdict.aborted, "drained" if verdict.drained else "aborted"),
    )
    error = None if verdict.running else next((kind for holds, kind in kinds if holds), None)
    failed = not (verdict.running or error or verdict.passed or broken)
    said = [sanitize(f"{found.headline}: {found.evidence}. {found.next_step}") for found in findings(run)]
    said += [_failure(failure) for failure in run.failures]
    _case(
        suite,
        "verdict",
        "run",
        seconds,
        skipped=verdict.reason if verdict.running else "",
        failure=(verdict.reason, "failed") if failed else None,
        error=(verdict.reason, error) if error else None,
        output="\n".join(said),
    )


def _failure(failure: FailureSummary) -> str:
    sample = f" ({sanitize(failure.samples[-1].detail)})" if failure.samples and failure.samples[-1].detail else ""
    return f"{format.count(failure.count)} × {sanitize(failure.kind)}: {sanitize(failure.message)}{sample}"


def _threshold(suite: Element, outcome: ThresholdOutcome) -> None:
    stage = f" in {outcome.stage}" if outcome.stage else ""
    name = f"{outcome.metric} {limit_of(outcome)}{stage}"
    if outcome.passed is None:
        _case(suite, name, "thresholds", skipped="nothing was measured")
    elif not outcome.passed:
        _case(suite, name, "thresholds", failure=(threshold_words(outcome), "threshold"))
    else:
        _case(suite, name, "thresholds", output=sanitize(threshold_words(outcome)))


def _stages(suite: Element, run: Result) -> None:
    for stage in run.stages:
        output = (
            f"{stage.connections.ready} connected, {stage.messages.sent} sent, {stage.messages.received} received, "
            f"p99 {format.milliseconds(stage.latency_ms.response.p99)}"
        )
        _case(suite, f"stage {stage.name}", "stages", stage.ended_s - stage.started_s, output=output)
    planned = run.scenario.get("stages")
    for unreached in planned[len(run.stages) :] if isinstance(planned, list) else []:
        name = str(unreached.get("name", "")) if isinstance(unreached, dict) else ""
        _case(suite, f"stage {name}", "stages", skipped="not reached")


def render_code_quality(result: Result | SuiteResult) -> str:
    """Return a JSON array: an issue for each broken threshold or failed run (major), and for each finding (minor).

    Fingerprints depend on the run's name and the kind of issue only, so that two pipelines can be compared.
    """
    issues = []
    for run in runs_of(result):
        name = name_of(run)
        broken = [outcome for outcome in run.verdict.thresholds if outcome.passed is False]
        issues += [
            _issue(name, f"threshold {outcome.metric} {outcome.limit} {outcome.stage}", threshold_words(outcome), True)
            for outcome in broken
        ]
        if not (broken or run.verdict.passed or run.verdict.running):
            issues.append(_issue(name, f"verdict {verdict_sign(run.verdict).word}", run.verdict.reason, True))
        issues += [
            _issue(name, f"finding {found.cause}", f"{found.headline}. {found.evidence}. {found.next_step}", False)
            for found in findings(run)
        ]
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"


def _issue(name: str, kind: str, text: str, failed: bool) -> dict[str, object]:
    return {
        "type": "issue",
        "check_name": sanitize(f"wstui {kind.partition(' ')[0]}"),
        "description": sanitize(f"{name}: {text}"),
        "categories": ["Performance"],
        "severity": "major" if failed else "minor",
        "fingerprint": hashlib.sha256(f"{name}\n{kind}".encode()).hexdigest(),
        "location": {"path": sanitize(name), "lines": {"begin": 1}},
    }
