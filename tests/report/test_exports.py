"""Reports for other tools, read by those tools' own libraries where there are any."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from junitparser import Error, Failure, JUnitXml, Skipped

from tests.report.example import EVERY, broken, good, hostile, suite
from tests.report.test_runs_command import call
from tests.report.test_store import record
from tests.servers.server import Server, serving
from wstui.measure.histogram import RELATIVE_ERROR, decode_hdr
from wstui.measure.sanitize import sanitize
from wstui.report.formats import format_registry

JENKINS = Path("/usr/local/share/xml/junit-10.xsd")
"""The schema by which Jenkins' xUnit plugin judges reports; `.ci/run` fetches it."""


def test_the_percentile_table_agrees_with_the_summary() -> None:
    result = good()
    rows = re.findall(r"^ *([\d.]+) ([\d.]+) +(\d+)", format_registry.named("hgrm").render(result), re.MULTILINE)
    kept = decode_hdr(result.histograms["response"])
    for value, share, _ in rows:
        (expected,) = kept.quantiles((float(share),))
        assert float(value) == pytest.approx((expected or 0) / 1e6, rel=0.02)
    assert int(rows[-1][2]) == result.latency_ms.response.count
    text = format_registry.named("hgrm").render(result)
    deviation = re.search(r"StdDeviation   = +([\d.]+)\]", text)
    assert deviation and 0 < float(deviation[1]) < 10 * (result.latency_ms.response.max or 0)


def test_the_percentile_table_is_the_one_of_the_library() -> None:
    result = good()
    theirs = io.BytesIO()
    HdrHistogram.decode(result.histograms["response"]).output_percentile_distribution(theirs, 1e6)
    ours = format_registry.named("hgrm").render(result).splitlines()
    expected = theirs.getvalue().decode().splitlines()
    assert ours[0] == expected[0] and ours[-1] == expected[-1] and ours[-2] == expected[-2]
    pattern = re.compile(r"^ *([\d.]+) ([\d.]+) +(\d+)")
    figures = [[pattern.findall(line) for line in lines] for lines in (ours, expected)]
    assert [row[0][0] for row in figures[0] if row] and figures[0] == figures[1]


def test_the_histogram_log_is_read_by_its_library(tmp_path: Path) -> None:
    path = tmp_path / "run.hlog"
    format_registry.write(suite(), "hlog", path)
    reader = HistogramLogReader(str(path), HdrHistogram(64, (1 << 43) - 1, 2))
    kept = [decode_hdr(text) for run in suite().runs for text in run.histograms.values()]
    for expected in kept:
        histogram = reader.get_next_interval_histogram()
        assert histogram is not None and histogram.get_total_count() == expected.count
        for share in (0.5, 0.9, 0.99, 0.999, 1.0) if expected.count else ():
            rank = max(int(share * expected.count + 0.5), 1)  # as the library rounds: we take the next one up
            value = expected.quantile(rank / expected.count)
            assert histogram.get_value_at_percentile(share * 100) == pytest.approx(value, rel=2 * RELATIVE_ERROR)
    assert reader.get_next_interval_histogram() is None


@pytest.mark.parametrize("name", EVERY)
def test_the_junit_report_is_read_by_its_library_with_the_same_counts(name: str) -> None:
    report = JUnitXml.fromstring(format_registry.named("junit").render(EVERY[name]).encode())
    cases = [case for suite in report for case in suite]
    told = report.tests, report.failures, report.errors, sum(suite.skipped for suite in report)
    kinds = [
        sum(isinstance(part, kind) for case in cases for part in case.result) for kind in (Failure, Error, Skipped)
    ]
    assert told == (len(cases), *kinds) and cases
    assert report.time == pytest.approx(sum(case.time for case in cases), abs=0.01)


@pytest.mark.skipif(not (JENKINS.exists() and shutil.which("xmllint")), reason=f"no xmllint, or no {JENKINS}")
@pytest.mark.parametrize("name", EVERY)
def test_the_junit_report_is_valid_by_the_schema_of_jenkins(name: str) -> None:
    report = format_registry.named("junit").render(EVERY[name]).encode()
    command = ["xmllint", "--noout", "--schema", str(JENKINS), "-"]
    done = subprocess.run(command, input=report, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_the_line_protocol_has_a_line_a_second_with_one_type_a_field() -> None:
    lines = format_registry.named("influx").render(hostile()).splitlines()
    assert len(lines) == len(hostile().timeline)
    pattern = re.compile(r"wstui(,\w+=(\\.|[^ ,=\\])+)+ (\w+=([-\d.e+]+|true|false|\"(\\.|[^\"\\])*\"),?)+ \d{19}")
    assert all(pattern.fullmatch(line) for line in lines), next(x for x in lines if not pattern.fullmatch(x))


def test_the_summary_of_k6_has_counts_trends_and_thresholds() -> None:
    result = broken()
    document = json.loads(format_registry.named("k6").render(result))
    metrics = document["metrics"]
    assert metrics["ws_msgs_sent"]["values"]["count"] == result.messages.sent
    assert metrics["wstui_response_time"]["values"]["p(95)"] == result.latency_ms.response.p95
    judged = [ok for metric in metrics.values() for ok in metric.get("thresholds", {}).values()]
    assert len(judged) == len(result.verdict.thresholds) and {"ok": False} in judged


OF_K6 = {
    "checks": ("rate", "default", {"rate", "passes", "fails"}),
    "data_received": ("counter", "data", {"count", "rate"}),
    "data_sent": ("counter", "data", {"count", "rate"}),
    "iterations": ("counter", "default", {"count", "rate"}),
    "vus": ("gauge", "default", {"value", "min", "max"}),
    "vus_max": ("gauge", "default", {"value", "min", "max"}),
    "ws_connecting": ("trend", "time", {"avg", "min", "med", "max", "p(90)", "p(95)"}),
    "ws_msgs_received": ("counter", "default", {"count", "rate"}),
    "ws_msgs_sent": ("counter", "default", {"count", "rate"}),
    "ws_sessions": ("counter", "default", {"count", "rate"}),
}
"""What `handleSummary` of k6 1.1.0 is given of a script that opens WebSockets, sends, and checks the status."""
NOT_HERE = {"ws_session_duration", "iteration_duration", "group_duration"}
"""What it is given too, and no result holds."""


def test_the_metrics_of_k6_are_as_k6_writes_them() -> None:
    document = json.loads(format_registry.named("k6").render(broken()))
    for name, (kind, contains, values) in OF_K6.items():
        metric = document["metrics"][name]
        more = {"p(99)", "count"} if kind == "trend" else set()  # as `summaryTrendStats` says
        assert (metric["type"], metric["contains"], set(metric["values"])) == (kind, contains, values | more), name
    root = document["root_group"]
    assert root["id"] == "d41d8cd98f00b204e9800998ecf8427e"
    assert [set(check) for check in root["checks"]] == [{"name", "path", "id", "passes", "fails"}]
    assert {*document["state"]} == {"testRunDurationMs", "isStdOutTTY", "isStdErrTTY"}
    assert {*document["options"]} == {"summaryTrendStats", "summaryTimeUnit", "noColor"}
    judged = {
        name: list(metric["thresholds"]) for name, metric in document["metrics"].items() if "thresholds" in metric
    }
    assert judged == {"wstui_connect_success": ["value>=100"], "wstui_response_time{stage:hold}": ["p(99)<20"]}
    assert document["metrics"]["wstui_response_time{stage:hold}"]["type"] == "trend"


@pytest.mark.skipif(shutil.which("k6") is None, reason="k6 is not installed")
def test_k6_writes_what_is_said_of_it_here(tmp_path: Path) -> None:
    server = Server()
    with serving(server):
        (tmp_path / "script.js").write_text(SCRIPT.replace("URL", server.url))
        command = ["k6", "run", "--no-usage-report", "--quiet", "script.js"]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=60, capture_output=True)
    document = json.loads((tmp_path / "summary.json").read_text())
    shape = {name: (m["type"], m["contains"], set(m["values"])) for name, m in document["metrics"].items()}
    assert {name: found for name, found in shape.items() if name not in NOT_HERE} == OF_K6
    assert [set(check) for check in document["root_group"]["checks"]] == [{"name", "path", "id", "passes", "fails"}]
    jsonschema.validate(document, K6)


def _values(*names: str) -> dict[str, Any]:
    return {"type": "object", "required": list(names), "additionalProperties": {"type": "number"}}


SCRIPT = """
import ws from 'k6/ws';
import { check } from 'k6';
export const options = { vus: 1, iterations: 1 };
export default function () {
  const answer = ws.connect('URL', {}, (socket) => {
    socket.on('open', () => socket.send('x'));
    socket.setTimeout(() => socket.close(), 1500);  // the number of its users is counted once a second
  });
  check(answer, { 'status is 101': (r) => r && r.status === 101 });
}
export function handleSummary(data) { return { 'summary.json': JSON.stringify(data) }; }
"""
K6: dict[str, Any] = {
    "type": "object",
    "required": ["metrics", "root_group", "options", "state"],
    "properties": {
        "metrics": {
            "additionalProperties": {
                "type": "object",
                "required": ["type", "contains", "values"],
                "properties": {
                    "contains": {"enum": ["default", "time", "data"]},
                    "thresholds": {"additionalProperties": {"properties": {"ok": {"type": "boolean"}}}},
                },
                "oneOf": [
                    {"properties": {"type": {"const": kind}, "values": _values(*names)}}
                    for kind, names in {
                        "counter": ("count", "rate"),
                        "gauge": ("value", "min", "max"),
                        "rate": ("rate", "passes", "fails"),
                        "trend": ("avg", "min", "med", "max", "p(90)", "p(95)"),
                    }.items()
                ],
            }
        },
        "root_group": {"required": ["name", "path", "groups", "checks"]},
        "state": {"required": ["testRunDurationMs", "isStdOutTTY", "isStdErrTTY"]},
    },
}
"""What k6 documents of `handleSummary`: https://grafana.com/docs/k6/latest/results-output/end-of-test/custom-summary/"""


@pytest.mark.parametrize("name", EVERY)
def test_the_summary_has_the_shape_that_k6_documents(name: str) -> None:
    document = json.loads(format_registry.named("k6").render(EVERY[name]))
    for summary in document if isinstance(document, list) else [document]:
        jsonschema.validate(summary, K6)
        trends = [metric["values"] for metric in summary["metrics"].values() if metric["type"] == "trend"]
        assert all(list(values) == summary["options"]["summaryTrendStats"] for values in trends)


def test_a_parser_reads_the_line_protocol() -> None:
    parser = pytest.importorskip("line_protocol_parser", reason="line-protocol-parser is not installed")
    for result in (good(), hostile()):
        rows = [parser.parse_line(line) for line in format_registry.named("influx").render(result).splitlines()]
        assert [row["measurement"] for row in rows] == ["wstui"] * len(result.timeline)
        for row, second in zip(rows, result.timeline, strict=True):
            expected = {name: value for name, value in second.items() if name != "stage" and value is not None}
            assert row["fields"] == pytest.approx(expected) and row["tags"].get("stage", "") == sanitize(
                second["stage"]
            )


QUALITY: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": "^[^./]"},
                    "lines": {"required": ["begin"], "properties": {"begin": {"type": "integer", "minimum": 1}}},
                },
            },
        },
    },
}
"""What GitLab documents of a report: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format"""


@pytest.mark.parametrize("name", EVERY)
def test_code_quality_has_the_shape_that_gitlab_documents(name: str) -> None:
    jsonschema.validate(json.loads(format_registry.named("codequality").render(EVERY[name])), QUALITY)


def test_code_quality_issues_have_stable_fingerprints() -> None:
    issues = json.loads(format_registry.named("codequality").render(broken()))
    assert {issue["severity"] for issue in issues} <= {"major", "minor"} and issues[0]["severity"] == "major"
    again = json.loads(format_registry.named("codequality").render(broken()))
    assert [issue["fingerprint"] for issue in issues] == [issue["fingerprint"] for issue in again]
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    assert json.loads(format_registry.named("codequality").render(good())) == []


@pytest.mark.parametrize("name", EVERY)
def test_json_shapes_are_json(name: str) -> None:
    for form in ("k6", "codequality"):
        json.loads(format_registry.named(form).render(EVERY[name]), parse_constant=pytest.fail)


def test_export_takes_a_distribution_by_its_name(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    record(store, good())
    call(store, "export", "last", str(tmp_path / "a.hgrm"), "--of", "connect")
    assert re.search(r" +100\n#\[Mean", (tmp_path / "a.hgrm").read_text())
    told = call(store, "export", "last", str(tmp_path / "a.hgrm"), "--of", "conect", status=2).output
    assert "response@hold" in told
