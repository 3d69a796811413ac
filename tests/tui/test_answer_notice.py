"""An answer that comes from the thread of the run, as every answer of a real run does."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from tests.tui import fake
from tests.tui.driving import shown, until
from wstui.execution.run.commands import CommandAnswer, RunCommand
from wstui.tui.app import WstuiApp
from wstui.tui.kit.key_row import KeyRow


class ThreadedSession(fake.FakeSession):
    """Answers in a thread of its own, a moment after the key."""

    def send(self, command: RunCommand, *, by: str = "operator") -> Future[CommandAnswer]:
        answer = super().send(command).result()
        answered: Future[CommandAnswer] = Future()
        threading.Timer(0.05, answered.set_result, (answer,)).start()
        return answered


async def test_its_notice_goes_away_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wstui.tui.kit.key_row._READ_S", 0.0)
    monkeypatch.setattr(KeyRow.show_notice, "__kwdefaults__", {"seconds": 0.2})
    session = ThreadedSession()
    app = WstuiApp(session, clock=lambda: fake.NOW)
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            await pilot.press("space")
            await until(lambda: "paused: " in shown(app), pilot)
            await until(lambda: "paused: " not in shown(app), pilot)
    finally:
        session.ended.set()
