from __future__ import annotations

import dataclasses
import os
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.report.example import fan_out, good, searched, suite
from tests.report.stand_in import STARTED, StandIn, status
from tests.waiting import wait_until
from wstui.execution.run.result import Result, SuiteResult, stamp
from wstui.execution.run.state import State
from wstui.execution.run.status import BreakpointStatus, SuiteStatus
from wstui.execution.search.summary import summary_so_far
from wstui.report.formats.console import summary as summary_text
from wstui.report.live.observer import ExportError
from wstui.report.model.labels import name_of, verdict_sign
from wstui.report.store import database
from wstui.report.store.database import StoreBusy, StoreError, explained
from wstui.report.store.owner import alive, this_writer
from wstui.report.store.store import INTERRUPTED, Store, UnknownRun, find
from wstui.report.store.writer import StoreWriter
from wstui.scenario.file import load
from wstui.scenario.model import Scenario
from wstui.scenario.presets import find as find_preset


def finished(result: Result) -> Result:
    return msgspec.structs.replace(result, started=stamp(STARTED))


def record(path: Path, *results: Result) -> list[int]:
    ids = []
    for number, result in enumerate(results):
        started = STARTED + timedelta(hours=number)
        whole = msgspec.structs.replace(result, started=stamp(started))
        recording = StoreWriter(StandIn(status(3, started=started, name=name_of(result))), path)
        recording.start()
        recording.close(whole)
        assert recording.problem == ""
        ids += recording.ids
    return ids


def test_a_finished_run_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    result = finished(good())
    (number,) = record(path, result)
    with Store(path) as store:
        assert store.result(number) == result
        (listed,) = store.runs()
    assert (listed.state, listed.name, listed.host) == ("finished", "quick", "generator-1")
    assert listed.summary.verdict == result.verdict and listed.summary.timeline == []
    assert listed.environment["versions"]["wstui"] and listed.environment["processors"] >= 1


def test_a_run_knows_the_file_of_its_preset(tmp_path: Path) -> None:
    path, file = tmp_path / "runs.db", tmp_path / "some.toml"
    file.write_text(find_preset("quick", shipped=True).read_text())
    for source, key in ((file, str(file.resolve())), (find_preset("quick", shipped=True), "quick.toml")):
        made = load(source)
        assert isinstance(made, Scenario)
        recording = StoreWriter(StandIn(dataclasses.replace(status(3), scenario=made)), path)
        recording.start()
        recording.close(None)
        with Store(path) as store:
            assert store.runs()[0].file == key
            assert store.runs()[0].may_be_of(key, "any name") and not store.runs()[0].may_be_of("/other", made.name)


def test_rows_are_written_while_the_run_goes_and_only_once(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    run = StandIn(status(3), status(3), status(7), status(12))
    recording = StoreWriter(run, path, every_s=0.01)
    recording.start()
    wait_until(lambda: run.shown > run.last)
    with Store(path) as store:
        wait_until(lambda: len(store.result(1).timeline) == 12)
        going = store.result(1)
        assert store.run(1).state == "running"
        assert going.verdict.running and verdict_sign(going.verdict).word == "RUNNING"
        assert summary_text(going).startswith("▶ RUNNING  quick: run in progress: partial results")
    recording.close(None)
    assert [row["at_s"] for row in going.timeline] == [float(second) for second in range(1, 13)]
    assert [event.kind for event in going.events] == ["start", "stage"]
    assert going.latency_ms.response.count == 240
    assert [(stage.name, stage.started_s, stage.ended_s) for stage in going.stages] == [
        ("ramp", 0.0, 10.0),
        ("hold", 10.0, 12.0),
    ]
    assert going.stages[0].connections.attempted == 100 and going.stages[1].messages.sent == 40
    with Store(path) as store:
        assert store.run(1).state == "interrupted"


def test_a_killed_run_is_there_up_to_its_last_second(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    program = (
        "import sys, pathlib, time\n"
        "from tests.report.stand_in import StandIn, status\n"
        "from wstui.report.store.writer import StoreWriter\n"
        "recording = StoreWriter(StandIn(status(25)), pathlib.Path(sys.argv[1]), every_s=0.01)\n"
        "recording.start()\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=Path(__file__).parents[2])
    try:
        wait_until(path.exists)
        with Store(path) as store:
            wait_until(lambda: store.runs() and store.result(1).timeline)
            assert store.run(1).state == "running"
    finally:
        process.kill()
        process.wait()
    with Store(path) as store:
        assert store.run(1).state == "interrupted"
        result = store.result(1)
    assert len(result.timeline) == 25
    assert result.verdict.reason == INTERRUPTED and not result.passed
    assert result.failures[0].count == 5 and result.connections.ready == 95
    assert set(result.histograms) == {"response", "response@ramp", "connect"}


def test_no_secret_reaches_the_store(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    recording = StoreWriter(StandIn(status(3, token="hunter2secret")), path, every_s=0.01)
    recording.start()
    wait_until(lambda: recording.ids)
    recording.close(None)
    everything = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"http 429" in everything and b"hunter2secret" not in everything


@pytest.mark.parametrize("is_end_seen", [True, False])
def test_a_suite_is_one_run_each_and_one_that_was_missed_is_added(tmp_path: Path, is_end_seen: bool) -> None:
    path = tmp_path / "runs.db"
    first, second = STARTED, STARTED + timedelta(minutes=1)
    results = [
        msgspec.structs.replace(good("quick"), started=stamp(first)),
        msgspec.structs.replace(good("medium"), started=stamp(second)),
        msgspec.structs.replace(good("stress"), started=stamp(second + timedelta(minutes=1))),
    ]
    place = [SuiteStatus(("quick", "medium", "stress"), index, (None,) * 3, name="all") for index in range(2)]
    run = StandIn(
        status(5, started=first, suite=place[0]),
        *[status(5, started=first, suite=place[0], state=State.COOLDOWN, result=results[0])] * 2 * is_end_seen,
        status(5, started=second, suite=place[1], name="medium"),
    )
    recording = StoreWriter(run, path, every_s=0.01)
    recording.start()
    wait_until(lambda: run.shown > run.last)
    whole = suite()
    recording.close(SuiteResult(name="all", started="", finished="", verdict=whole.verdict, runs=results))
    with Store(path) as store:
        assert [(run.name, run.state, run.position) for run in reversed(store.runs())] == [
            ("quick", "finished", 0),
            ("medium", "finished", 1),
            ("stress", "finished", 2),
        ]
        assert [store.result(number) for number in recording.ids] == results
        assert (store.suite(2).name, store.suite(2).runs) == ("all", results)


def test_two_processes_that_make_a_store_and_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    program = (
        "import sys, pathlib\n"
        "from tests.report.example import good\n"
        "from tests.report.stand_in import StandIn, status\n"
        "from tests.report.test_store import finished\n"
        "from tests.waiting import wait_until\n"
        "from wstui.report.store.writer import StoreWriter\n"
        "run = StandIn(*(status(second) for second in range(1, 20)))\n"
        "recording = StoreWriter(run, pathlib.Path(sys.argv[1]), every_s=0.002)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "recording.start()\n"
        "wait_until(lambda: run.shown > run.last)\n"
        "recording.close(finished(good()))\n"
        "print(recording.ids, recording.problem, flush=True)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sorted(process.communicate()[0].strip() for process in processes) == ["[1]", "[2]"]
    with Store(path) as store:
        assert [store.result(run.id) for run in store.runs()] == [finished(good())] * 2


_SHORT = """
import sys
from pathlib import Path
from wstui.report.store.store import Store
for line in sys.stdin:
    with Store(Path(sys.argv[1])) as store:
        store.set(line.strip(), "kept")
    print("done", flush=True)
"""


def test_others_that_begin_and_end_beside_a_long_run_take_nothing_from_it(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    log = tmp_path / "runs.db-wal"
    with Store(path) as long:
        long.set("first", "kept")
        before = log.stat().st_ino
        with subprocess.Popen(
            [sys.executable, "-c", _SHORT, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdin is not None and other.stdout is not None
            for turn in range(5):
                Store(path).close()  # as a screen that lists the runs does
                other.stdin.write(f"short{turn}\n")
                other.stdin.flush()
                assert other.stdout.readline() == "done\n"
                long.set(f"long{turn}", "kept")
                assert log.stat().st_ino == before, "its log was deleted under it"
            other.stdin.close()
    with Store(path) as store:
        for turn in range(5):
            assert (store.setting(f"long{turn}"), store.setting(f"short{turn}")) == ("kept", "kept")
        assert store._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_connection_that_reads_nonsense_from_a_sound_file_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    recording = StoreWriter(StandIn(status(5)), path)
    recording.follow()
    with recording._opened() as stale:
        pass
    with (
        pytest.raises(ExportError, match="it is sound") as told,
        recording._opened(),
        explained(path),
    ):
        raise sqlite3.DatabaseError("database disk image is malformed")
    assert not told.value.lasting and "mv " not in str(told.value)
    with recording._opened() as fresh:
        assert fresh is not stale
    recording.finish(finished(good()))
    recording.release()
    with Store(path) as store:
        assert store.run(1).state == "finished"


def test_a_held_lock_delays_the_record_but_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.01)
    path = tmp_path / "runs.db"
    Store(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    recording = StoreWriter(StandIn(status(5)), path, every_s=0.01)
    recording.start()
    wait_until(lambda: "held by another process" in recording.problem)
    other.execute("COMMIT")
    other.close()
    wait_until(lambda: recording.ids and not recording.problem)
    recording.close(finished(good()))
    with Store(path) as store:
        assert store.run(1).state == "finished"


def test_a_damaged_store_is_reported_once_and_the_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "all my runs.db"
    record(path, good())
    content = path.read_bytes()
    content = content[:100] + b"\xff" * (len(content) - 100)
    path.write_bytes(content)
    problems = _problems_of_a_run(path)
    assert len(problems) == 1 and f"mv '{path}' '{path}.damaged'" in problems[0]
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [b"root:x:0:0:root:/root:/bin/bash\n" * 50, b"SQLite format 3\x00" + b"\xff" * 4096, b"x"],
    ids=["text", "header only", "a letter"],
)
def test_a_file_that_is_no_store_is_left_alone_and_nobody_is_told_to_move_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "passwd"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is not a run store of wstui; name another file with --store") as raised:
        Store(path)
    assert "mv " not in str(raised.value) and "damaged" not in str(raised.value)
    assert _problems_of_a_run(path) == [str(raised.value)]
    assert path.read_bytes() == content


def _problems_of_a_run(path: Path) -> list[str]:
    problems: list[str] = []
    recording = StoreWriter(StandIn(status(5)), path, every_s=0.01, on_problem=problems.append)
    recording.start()
    wait_until(lambda: problems)
    recording.close(good())
    return problems


def test_a_page_that_went_bad_is_reported_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    record(path, good())
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"runs\.db"), Store(path) as store:
        store.result(1)


def test_a_newer_store_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match=r"newer wstui .its schema is 99"):
        Store(path)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE cookies (name)")
    db.close()
    with pytest.raises(StoreError, match="another program"):
        Store(path)


def test_a_folder_in_place_of_the_store_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="name another file with --store"):
        Store(tmp_path)


def test_an_older_store_is_brought_up_to_date_with_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs.db"
    record(path, good())
    older = database.migrations()
    newer = [*older, "ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT 'none';\n"]
    monkeypatch.setattr(database, "migrations", lambda: newer)
    with Store(path) as store:
        assert store.result(1).duration_s == 40.0
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT note FROM runs").fetchall() == [("none",)]
        assert db.execute("PRAGMA user_version").fetchone() == (len(newer),)
    db.close()


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs.db"
    record(path, good())
    older = database.migrations()
    with monkeypatch.context() as patch:
        patch.setattr(database, "migrations", lambda: [*older, "CREATE TABLE half (a);\nCREATE TABEL broken;\n"])
        with pytest.raises(StoreError, match="syntax error"):
            Store(path)
    with Store(path) as store:
        assert store.run(1).name == "quick"


def test_a_missing_store_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run has been recorded yet"):
        Store(tmp_path / "runs.db", create=False)
    assert not list(tmp_path.iterdir())


def test_runs_are_found_by_id_tag_name_and_place() -> None:
    names = {7: "quick", 5: "stress", 3: "quick"}
    tags = {"baseline": 3}
    for reference, number in {
        "5": 5, "last": 7, "last~1": 5, "baseline": 3, "quick": 7, "quick~1": 3, "stress": 5,
    }.items():  # fmt: skip
        assert find(reference, names, tags) == number
    for reference, words in {
        "6": "nearest are 3, 5, 7",
        "last~9": "only 3",
        "quick~2": "only 2",
        "basline": "did you mean 'baseline'",
        "strss": "did you mean 'stress'",
        "zzz": "the last is 7",
        "99999999999999999999": "the last is 7",
    }.items():
        with pytest.raises(UnknownRun, match=words):
            find(reference, names, tags)
    with pytest.raises(UnknownRun, match="no run has been recorded"):
        find("last", {}, {})


def test_a_writer_is_dead_when_its_process_is_gone_or_another_one() -> None:
    now = time.time()
    assert alive(this_writer(), now)
    host, _, created = msgspec.json.decode(this_writer())
    assert not alive(msgspec.json.encode([host, 2**22 + 7, created]).decode(), now)
    assert not alive(msgspec.json.encode([host, os.getpid(), created - 500]).decode(), now - 60)
    elsewhere = msgspec.json.encode(["another-host", 1, 0.0]).decode()
    assert alive(elsewhere, now - 1) and not alive(elsewhere, now - 60)


def test_a_busy_store_is_told_from_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.01)
    path = tmp_path / "runs.db"
    record(path, good())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Store(path) as store, pytest.raises(StoreBusy):
        store.delete([1])
    other.close()


def test_a_run_that_went_bad_hides_no_other_and_can_be_deleted(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    ids = record(path, good(), good())
    with sqlite3.connect(path) as db:
        db.execute("UPDATE runs SET summary = '{\"half\": ' WHERE id = ?", (ids[0],))
    db.close()
    with Store(path) as store:
        assert [(run.id, run.state) for run in store.runs()] == [(ids[1], "finished"), (ids[0], "unreadable")]
        with pytest.raises(StoreError, match=f"run {ids[0]} in .* delete it: wstui runs delete {ids[0]}"):
            store.result(ids[0])
        store.delete([ids[0]])
        assert [run.id for run in store.runs()] == [ids[1]]


def test_what_a_search_has_found_is_kept_while_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    found = searched().breakpoint
    assert found is not None
    search = BreakpointStatus(found.of, found.unit, 400, "ramp", found.low, found.high, "", tuple(found.steps))
    broadcast = fan_out().fanout
    plain = status(4)
    result = msgspec.structs.replace(plain.result, fanout=broadcast, breakpoint=summary_so_far(search))
    picture = dataclasses.replace(plain, breakpoint=search, result=result)
    recording = StoreWriter(StandIn(picture), path, every_s=0.01)
    recording.start()
    wait_until(lambda: recording.ids)
    recording.close(None)
    with Store(path) as store:
        result = store.result(1)
    assert result.fanout == broadcast
    assert result.breakpoint is not None and result.breakpoint.steps == found.steps
    assert result.breakpoint.sentence.startswith("holds 280 clients (280–400), breaks at 400: response.p99 was")
    assert result.breakpoint.sentence.endswith("; it was cut short")
