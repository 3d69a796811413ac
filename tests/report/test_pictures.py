"""What the dashboard showed is stored once a second, and comes back as it was."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import msgspec
import pytest

from tests.report import stand_in
from tests.tui import fake
from wstui.execution.run.state import State
from wstui.execution.run.status import Status
from wstui.report.store.pictures import PicturePacker, Recording
from wstui.report.store.store import Store
from wstui.report.store.writer import StoreWriter
from wstui.scenario.secret_fields import masked


class Shows:
    def __init__(self, status: Status) -> None:
        self.status = status


def stored(path: Path, pictures: list[Status]) -> Recording:
    shows = Shows(pictures[0])
    writer = StoreWriter(shows, path)
    for shows.status in pictures:
        writer.follow()
    writer.finish(None)
    writer.release()
    with Store(path) as store:
        return store.recording(writer.ids[0])


def test_every_picture_comes_back_as_it_was_shown(tmp_path: Path) -> None:
    rows, shown_first = fake.rows(131), fake.status()
    pictures = [
        replace(shown_first, rows=rows[:second], elapsed_s=float(second), target_clients=second)
        for second in range(1, 131)
    ]
    recording = stored(tmp_path / "runs.db", pictures)
    assert recording.missing == "" and recording.duration_s >= 130
    for second in (1, 59, 60, 61, 129):
        shown, wanted = recording.at(second + 0.4), pictures[second - 1]
        assert len(shown.rows) == second and list(shown.rows) == list(wanted.rows)
        for field in fields(Status):
            if field.name in ("rows", "histograms", "watched", "marks"):
                continue
            mine, theirs = getattr(shown, field.name), getattr(wanted, field.name)
            if field.name == "scenario":
                mine, theirs = masked(mine), masked(theirs)
            if field.name == "result":
                theirs = msgspec.structs.replace(theirs, timeline=[], events=[], histograms={})
            assert mine == theirs, field.name
        assert list(shown.marks) == [mark for mark in pictures[-1].marks if mark.at_s <= second]


def test_a_picture_takes_little_room_and_holds_no_secret(tmp_path: Path) -> None:
    packer = PicturePacker()
    packed = []
    for second in range(1, 60):
        packed.append(packer.pack(stand_in.status(second, token="hunter2secret")))
        packer.stored()
    assert sum(len(data) for *_, data in packed) / len(packed) < 1000
    recording = Recording(stand_in.status(59).result, packed)
    assert "hunter2" not in repr(recording.at(30.0)) and recording.at(30.0).counters.sent == 600


def test_a_picture_that_was_not_written_is_none_that_later_ones_need() -> None:
    packer = PicturePacker()
    packer.pack(stand_in.status(1))
    packed = [packer.pack(stand_in.status(second)) for second in (2, 3)]
    packer.stored()
    packed.append(packer.pack(stand_in.status(4)))
    recording = Recording(stand_in.status(4).result, packed[1:])
    assert [recording.at(at).counters.sent for at in (3.0, 3.9)] == [60, 60]


def test_a_run_of_an_earlier_version_shows_its_rows_and_says_what_is_missing() -> None:
    result = msgspec.structs.replace(fake.result(), timeline=[row.values() for row in fake.rows(100)], duration_s=100.0)
    recording = Recording(result)
    half, end = recording.at(50.2), recording.at(100.0)
    assert "limits, errors, steps" in recording.missing
    assert (half.state, len(half.rows), half.counters.open) == (State.RUNNING, 50, fake.rows(50)[-1].open)
    assert half.result.failures == [] and half.thresholds == []
    assert end.state is State.FINISHED and end.result.failures == result.failures and len(end.rows) == 100


@pytest.mark.parametrize("spoiled", [b"", b"nonsense", b"\x03\x00"])
def test_a_spoiled_picture_is_named(spoiled: bytes) -> None:
    recording = Recording(stand_in.status(4).result, [(0, 0, 1.0, spoiled), (1, 1, 9.0, spoiled)])
    with pytest.raises(ValueError, match="the picture at 1 s can't be read"):
        recording.at(2.0)
