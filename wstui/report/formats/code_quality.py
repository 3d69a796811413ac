"""The result as a Code Climate report: GitLab and others show it in a merge request's list of findings."""

from __future__ import annotations

import hashlib
import json

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.diagnosis import findings
from wstui.report.model.labels import name_of, runs_of, threshold_words, verdict_sign


def render(result: Result | SuiteResult) -> str:
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
