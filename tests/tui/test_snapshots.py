"""The dashboard as a picture, at each breakpoint. After a wanted change: `pytest tests/tui --snapshot-update`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tui import fake
from wstui.tui.app import WstuiApp


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_dashboard_looks_as_it_did(size: tuple[int, int], snap_compare: Any) -> None:
    session = fake.FakeSession()
    try:
        assert snap_compare(WstuiApp(session, clock=lambda: fake.NOW), terminal_size=size)
    finally:
        session.ended.set()
