"""A store on a disk that is full, or that cannot be written at all: one clear sentence, and nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.disk import small_disk
from tests.report.example import good
from tests.report.stand_in import StandIn, status
from tests.report.test_store import finished, record
from tests.waiting import wait_until
from wstui.report.store.database import StoreError
from wstui.report.store.store import Store
from wstui.report.store.writer import StoreWriter


def test_a_disk_that_runs_full_is_told_and_once_there_is_room_the_run_is_kept_whole(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.path / "runs.db"
        Store(path).close()
        run = StandIn(*(status(second) for second in range(1, 40)))
        problems: list[str] = []
        recording = StoreWriter(run, path, every_s=0.01, on_problem=problems.append)
        disk.fill()
        recording.start()
        wait_until(lambda: problems)
        assert "the disk is full; make room, or name another file with --store" in problems[0]
        disk.make_room()
        wait_until(lambda: recording.ids and not recording.problem)
        recording.close(finished(good()))
        with Store(path) as store:
            assert store.result(recording.ids[0]) == finished(good())


def test_a_store_on_a_read_only_disk_is_read_and_never_changed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.path / "runs.db"
        record(path, good())
        disk.make_read_only()
        with Store(path) as store:
            assert store.result(1).duration_s == 40.0
            with pytest.raises(StoreError, match=r"runs\.db is read-only: it cannot be changed; copy it"):
                store.tag(1, "baseline")
            with pytest.raises(StoreError, match="read-only"):
                store.delete([1])
        with pytest.raises(StoreError, match=r"other\.db cannot be made: the folder is read-only"):
            Store(disk.path / "other.db")


def test_what_is_still_in_the_log_of_a_read_only_store_is_not_passed_over(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.path / "runs.db"
        record(path, good())
        path.with_name("runs.db-wal").write_bytes(b"a log that was not merged")
        disk.make_read_only()
        with pytest.raises(StoreError, match=r"its last changes are in runs\.db-wal: copy both"):
            Store(path)
