"""What the tests of the screens share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui import fake_store
from wstui.tui.app import WstuiApp
from wstui.tui.kit import chart

chart.kernel()  # so that pictures do not depend on which test draws the first chart


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, with two presets in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name in ("WS_URL", "AUTH_TOKEN", "JWT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return fake_store.own_presets(tmp_path / ".config" / "wstui" / "presets")


@pytest.fixture(autouse=True)
def _quick_fingers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests press a key again sooner than a person who means it; those about that set it themselves."""
    monkeypatch.setattr(WstuiApp, "BOUNCE_S", 0.0)
