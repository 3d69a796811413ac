from __future__ import annotations

import pytest

from wstui.tui.shell import Shell


@pytest.fixture(autouse=True)
def _quick_fingers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests press a key again sooner than a person who means it; those about that set it themselves."""
    monkeypatch.setattr(Shell, "BOUNCE_S", 0.0)
