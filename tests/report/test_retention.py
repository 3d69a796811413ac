"""Tags, and how long runs are kept."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.report.example import good
from tests.report.test_store import record
from wstui.report.store.database import StoreError
from wstui.report.store.retention import Retention, apply_retention, retention, set_retention
from wstui.report.store.store import Store, UnknownRun


def test_tags_move_protect_and_follow_their_run(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    ids = record(path, good(), good(), good())
    with Store(path) as store:
        store.tag(ids[0], "baseline")
        store.tag(ids[1], "baseline")
        assert store.find("baseline") == ids[1]
        assert store.prunable(keep=0) == [ids[0], ids[2]]
        with pytest.raises(StoreError, match="cannot be a tag"):
            store.tag(ids[0], "last~1")
        with pytest.raises(UnknownRun):
            store.tag(99, "baseline")
        store.delete([ids[1]])
        assert store.find("last") == ids[2]
        with pytest.raises(UnknownRun):
            store.find("baseline")
        assert store.untag("baseline") is False


def test_retention_keeps_the_newest_and_gives_the_room_back(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    ids = record(path, *[good()] * 4)
    with Store(path) as store:
        assert retention(store) == Retention()
        set_retention(store, Retention(keep=2))
        assert retention(store) == Retention(2, None)
        assert apply_retention(store) == ids[:2]
        assert [run.id for run in store.runs()] == [ids[3], ids[2]]
        set_retention(store, Retention(None, older_than_s=3600.0))
        assert retention(store) == Retention(None, 3600.0)
        assert apply_retention(store) == []
        assert store.prunable(older_than_s=-60) == [ids[2], ids[3]]
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM timeline WHERE run = ?", (ids[0],)).fetchone() == (0,)
        assert db.execute("PRAGMA freelist_count").fetchone() == (0,)
    db.close()
