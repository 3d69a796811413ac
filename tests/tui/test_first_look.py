"""The checklist and the one connection of the editor, wired as `wstui` wires them, against a real server."""

from __future__ import annotations

from pathlib import Path

from tests.tui import fake
from tests.tui.driving import go_to, shown, until
from wstui.cli.options import RunOptions
from wstui.cli.tui_services import launcher
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import AuthMode, ServerSettings
from wstui.tui.app import WstuiApp
from wstui.tui.checklist.checklist_screen import ChecklistScreen
from wstui.tui.editor.editor_screen import Editor


async def test_a_real_server_is_looked_at_from_the_screens(home: Path) -> None:
    async with OdinServer(ServerSettings(port=0, auth=AuthMode.OFF), None) as server:
        url = f"ws://127.0.0.1:{server.port}/ws"
        load = '[load]\nclients = 5\nramp = "1s"\nhold = "1s"\n'
        (home / "mine.toml").write_text(f'[target]\nurl = "{url}"\nhealth = "off"\n{load}')
        app = WstuiApp(launcher=launcher(RunOptions(no_store=True), [], []), clock=lambda: fake.NOW, presets=home)
        async with app.run_test(size=(120, 50)) as pilot:
            await pilot.pause()
            await go_to(app, pilot, "mine")
            await pilot.press("c")
            await until(lambda: isinstance(app.screen, ChecklistScreen) and " checks" in shown(app), pilot)
            assert "welcome" in shown(app) and "✗" not in shown(app)
            await pilot.press("escape", "e")
            await until(lambda: isinstance(app.screen, Editor), pilot)
            await pilot.press("ctrl+d")
            await until(lambda: "✓ all the way in" in shown(app), pilot)
            assert "reply" in shown(app) and "connection:established" in shown(app)
