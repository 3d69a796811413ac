from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from tests.report.example import broken, empty, good, searched, suite
from tests.report.made_up import timeline
from tests.report.stand_in import STARTED, StandIn, status
from tests.report.test_store import record
from wstui.cli.runs import runs
from wstui.execution.run.result import stamp
from wstui.execution.run.status import SuiteStatus
from wstui.report.model.labels import name_of
from wstui.report.store.store import Store
from wstui.report.store.writer import StoreWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with two runs of quick, and one of stress that broke its limits."""
    store = tmp_path / "runs.db"
    slower = msgspec.structs.replace(good(median_ms=1.8), timeline=timeline(100, 10, 30, 1.8))
    assert record(store, good(), slower, broken()) == [1, 2, 3]
    return store


def call(path: Path, *arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(runs, ["--store", str(path), *arguments])
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_list_shows_the_newest_first_with_verdict_and_figures(path: Path) -> None:
    lines = call(path, "list").output.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["✗", "3", "stress"],
        ["✓", "2", "quick"],
        ["✓", "1", "quick"],
    ]
    assert "2.89 ms" in lines[3]
    assert len(call(path, "list", "--name", "stress").output.splitlines()) == 2
    assert len(call(path, "list", "--limit", "1").output.splitlines()) == 2
    assert "No run of 'soak'" in call(path, "list", "--name", "soak").output


def test_list_as_json_is_an_array(path: Path) -> None:
    (last, *_) = json.loads(call(path, "list", "--json").output)
    assert (last["id"], last["name"], last["passed"], last["state"]) == (3, "stress", False, "finished")
    assert last["response_ms"]["count"] == 700


def test_without_a_store_list_says_how_to_get_one_and_show_is_an_error(tmp_path: Path) -> None:
    missing = tmp_path / "runs.db"
    assert "wstui run quick" in call(missing, "list").output
    assert "no run has been recorded yet" in call(missing, "show", "1", status=2).output
    assert not missing.exists()


def test_show_prints_the_summary_and_where_it_was_made(path: Path) -> None:
    output = call(path, "show", "stress").output
    assert output.startswith("Run 3") and "✗ FAILED" in output and "Recorded on generator-1" in output
    assert json.loads(call(path, "show", "3", "--json").output)["scenario"]["name"] == "stress"


def test_an_unknown_run_names_the_nearest(path: Path) -> None:
    assert "the nearest are 1, 2, 3" in call(path, "show", "4", status=2).output
    assert "did you mean 'stress'" in call(path, "show", "sress", status=2).output


def test_compare_tells_worse_from_the_same(path: Path) -> None:
    output = call(path, "compare", "1", "2").output
    row = next(line for line in output.splitlines() if "response.p99 " in line)
    assert row.endswith("worse") and "1 quick" in output and "2 quick" in output
    assert "scenarios differ" not in output
    assert "scenarios differ (quick and stress)" in call(path, "compare", "1", "3").output


def test_compare_puts_several_runs_side_by_side(path: Path) -> None:
    output = call(path, "compare", "1", "2", "3").output
    assert max(map(len, output.splitlines())) <= 80
    (row,) = [line for line in output.splitlines() if line.startswith("response.p99 ")]
    assert row.count("✗") == 2 and row.split()[1:3] == ["2.89", "ms"]
    assert "▲ 3 stress: the scenarios differ (quick and stress)" in output and "▲ 2 quick" not in output
    many = call(path, "compare", "1", "2", "3", "2", "3").output
    assert many.count("metric ") == 4, "one table each where they do not fit side by side"
    (third,) = json.loads(call(path, "compare", "1", "2", "3", "--json").output)[1:]
    assert third["after"] == "3 stress"
    failing = call(path, "compare", "1", "2", "3", "--fail-if", "connect.success < -1%", status=1).output
    assert "✗ 3 stress: connect.success < -1%" in failing and "✗ 2 quick" not in failing


def test_what_cannot_be_compared_is_one_sentence(path: Path, tmp_path: Path) -> None:
    assert (
        "1 and quick~1 cannot be compared: they are the same run"
        in call(path, "compare", "1", "quick~1", status=2).output
    )
    search, connects, nothing = (tmp_path / name for name in ("search.json", "connects.json", "nothing.json"))
    search.write_text(searched().to_json())
    connects.write_text(searched("connects").to_json())
    nothing.write_text(empty().to_json())
    output = call(path, "compare", "1", str(search), status=2).output
    assert "only one of them looked for a limit" in output
    assert (
        "the limit of clients, the other of connects"
        in call(path, "compare", str(search), str(connects), status=2).output
    )
    assert "the second has no data (nobody listens at" in call(path, "compare", "1", str(nothing), status=2).output


def test_a_suite_is_reported_as_a_whole_later_too(path: Path, tmp_path: Path) -> None:
    runs_of_suite = suite().runs
    place = [SuiteStatus(("quick", "stress"), index, (None,) * 2) for index in range(2)]
    for _ in range(2):
        for index, result in enumerate(runs_of_suite):
            started = STARTED + timedelta(hours=index)
            recording = StoreWriter(StandIn(status(3, started=started, suite=place[index], name=name_of(result))), path)
            recording.start()
            recording.close(msgspec.structs.replace(result, started=stamp(started)))
            assert recording.problem == ""
    for reference in ("4", "5", "last"):
        whole = json.loads(call(path, "show", reference, "--suite", "--json").output)
        assert whole["schema"] == "wstui.suite/1" and [run["scenario"]["name"] for run in whole["runs"]] == [
            "quick",
            "stress",
        ]
        assert whole["verdict"]["reason"] == "stress: 2 of 2 thresholds broken"
    call(path, "export", "5", str(tmp_path / "suite.html"), "--suite")
    assert "✗ FAILED" in (tmp_path / "suite.html").read_text()
    assert "run 1 is not part of a suite" in call(path, "show", "1", "--suite", status=2).output


def test_a_result_in_a_file_is_shown_and_made_into_any_report(path: Path, tmp_path: Path) -> None:
    single, several = tmp_path / "saved.json", tmp_path / "suite.json"
    single.write_text(good().to_json())
    several.write_text(suite().to_json())
    assert call(path, "show", str(single)).output.startswith("✓ PASSED  quick")
    assert call(path, "show", str(several)).output.startswith("✗ FAILED  progressive")
    call(path, "export", f"{several}#quick", str(tmp_path / "quick.csv"))
    assert (tmp_path / "quick.csv").read_text().startswith("at_s")


def test_a_run_without_data_is_no_report(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "nothing.json"
    file.write_text(empty().to_json())
    output = call(path, "export", str(file), str(tmp_path / "r.html"), status=2).output
    assert "has no data to report (nobody listens at ws://127.0.0.1:3001/ws)" in output
    assert not (tmp_path / "r.html").exists()


def test_a_condition_that_holds_ends_in_one(path: Path) -> None:
    call(path, "compare", "1", "2", "--fail-if", "response.p99 > +900%")
    output = call(path, "compare", "1", "2", "--fail-if", "response.p99 > +10%", status=1).output
    assert "✗ response.p99 > +10%: response.p99 was 2.89 ms and is" in output
    call(path, "compare", "2", "1", "--fail-if", "response.p99 > +10%")
    # One value in 700 lies above it: a change that is not proven.
    unproven = ("compare", "1", "2", "--fail-if", "response.p99.9 > +10%")
    call(path, *unproven, status=1)
    call(path, *unproven, "--proven")
    assert "response.p99" in call(path, "compare", "1", "2", "--fail-if", "respnse.p99 > 1%", status=2).output


def test_compare_reads_results_from_files_too(path: Path, tmp_path: Path) -> None:
    single, several = tmp_path / "baseline.json", tmp_path / "suite.json"
    single.write_text(good().to_json())
    several.write_text(suite().to_json())
    comparison = json.loads(call(path, "compare", str(single), "2", "--json").output)
    assert comparison["before"] == "baseline" and comparison["after"] == "2 quick"
    assert {change["metric"] for change in comparison["changes"]} > {"response.p99", "connect.success"}
    call(path, "compare", f"{several}#quick", "2")
    assert "#quick" in call(path, "compare", str(several), "1", status=2).output
    (tmp_path / "other.json").write_text('{"a": 1}')
    assert "is not a result of wstui" in call(path, "compare", str(tmp_path / "other.json"), "1", status=2).output
    assert "can't be read" in call(path, "compare", str(tmp_path / "none.json"), "1", status=2).output


def test_export_writes_what_the_ending_says(path: Path, tmp_path: Path) -> None:
    for ending, start in (("json", "{"), ("csv", "at_s"), ("md", "## ✗ FAILED"), ("xml", "<?xml"), ("txt", "✗")):
        file = tmp_path / f"report.{ending}"
        call(path, "export", "last", str(file))
        assert file.read_text().startswith(start)
    assert call(path, "export", "1", "-", "--format", "csv").output.startswith("at_s")
    assert "say which --format" in call(path, "export", "1", "-", status=2).output
    assert "tells no report format" in call(path, "export", "1", "report.pdf", status=2).output
    assert "mkdir -p" in call(path, "export", "1", str(tmp_path / "no" / "r.json"), status=2).output


def test_tags_find_their_run_and_move(path: Path) -> None:
    call(path, "tag", "1", "baseline")
    assert call(path, "show", "baseline").output.startswith("Run 1 [baseline]")
    call(path, "tag", "2", "baseline")
    assert "baseline" in call(path, "list").output.splitlines()[2]
    assert "has no tag" in call(path, "tag", "1", "baseline", "--remove", status=2).output
    call(path, "tag", "2", "baseline", "--remove")
    assert "did you mean" in call(path, "tag", "sress", "x", status=2).output
    assert "cannot be a tag" in call(path, "tag", "1", "12", status=2).output


def test_delete_asks_unless_told_not_to(path: Path) -> None:
    assert "add --yes" in call(path, "delete", "1", status=2).output
    call(path, "delete", "1", "quick", "--yes")
    with Store(path) as store:
        assert [run.id for run in store.runs()] == [3]


def test_prune_keeps_the_newest_and_the_tagged_and_can_be_remembered(path: Path) -> None:
    call(path, "tag", "1", "baseline")
    assert "1 run would go: 2" in call(path, "prune", "--keep", "1", "--dry-run").output
    listed = json.loads(call(path, "prune", "--keep", "1", "--dry-run", "--json").output)
    assert listed == [run for run in json.loads(call(path, "list", "--json").output) if run["id"] == 2]
    assert json.loads(call(path, "prune", "--keep", "9", "--dry-run", "--json").output) == []
    assert "--dry-run" in call(path, "prune", "--keep", "1", "--json", status=2).output
    assert (
        "1 run deleted; this is done after every run"
        in call(path, "prune", "--keep", "1", "--yes", "--remember").output
    )
    assert record(path, good()) == [4]
    with Store(path) as store:
        assert [run.id for run in store.runs()] == [4, 1]
    assert "0 runs deleted" in call(path, "prune", "--older-than", "30d", "--yes").output
    assert "the newest 1 runs are kept" in call(path, "prune", status=2).output
    for age in ("soon", "٣d", "-1d", "", "1e300d"):
        assert '"30d"' in call(path, "prune", "--older-than", age, status=2).output


def test_a_store_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    broken_file = tmp_path / "runs.db"
    broken_file.write_bytes(b"no database at all, just text" * 100)
    output = call(broken_file, "list", status=2).output
    assert output.startswith(f"wstui: {broken_file} is not a run store") and len(output.splitlines()) == 1
