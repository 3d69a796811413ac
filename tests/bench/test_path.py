"""`python -m tests.bench path` on a small scale: it still knows how the engine is built."""

from __future__ import annotations

import pytest

from tests.bench import path


def test_every_part_of_a_round_trip_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(path, "ROUNDS", path.CLIENTS)
    monkeypatch.setattr(path, "REPEAT", 1)
    path.measure()
    assert "a whole round trip" in capsys.readouterr().out
