"""What the tests of the screens share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import RenderableType
from textual._compositor import Compositor
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

from tests.tui import fake_store
from wstui.tui.app import WstuiApp
from wstui.tui.kit import chart

_PARSED: dict[tuple[Any, ...], list[RuleSet]] = {}
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


@pytest.fixture
def every_frame() -> None:
    """Draw a screen after each change, as at a terminal."""


@pytest.fixture(autouse=True)
def _drawn_when_looked_at(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal nothing is displayed, so a screen is drawn when a test looks at it, and not after each change.

    That was two fifths of the time of these tests.
    """
    if "every_frame" in request.fixturenames:
        return
    draw = Compositor.render_update

    def render_update(compositor: Compositor, full: bool = False, **options: Any) -> RenderableType | None:
        if full:
            return draw(compositor, full, **options)
        compositor._dirty_regions.clear()
        return None

    monkeypatch.setattr(Compositor, "render_update", render_update)


@pytest.fixture(autouse=True)
def _styles_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse a style sheet once for each theme, and not for each application: that was a fifth of these tests' time."""
    parse = Stylesheet._parse_rules

    def parse_rules(sheet: Stylesheet, *source: Any, **options: Any) -> list[RuleSet]:
        variables = tuple(sorted(sheet._variables.items()))
        key = (variables, *source, *sorted(options.items()))
        if key not in _PARSED:
            _PARSED[key] = parse(sheet, *source, **options)
        return _PARSED[key]

    monkeypatch.setattr(Stylesheet, "_parse_rules", parse_rules)


@pytest.fixture(autouse=True)
def _quick_fingers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests press a key again sooner than a person who means it; those about that set it themselves."""
    monkeypatch.setattr(WstuiApp, "BOUNCE_S", 0.0)
