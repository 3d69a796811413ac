"""Colours: one dark and one light theme, and the palette of meanings that every widget paints with.

Hues follow Okabe and Ito, so that they stay apart for colour-blind eyes; nothing is shown by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from rich.console import Console
from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import BUILTIN_THEMES, Theme

from wstui.tui.theme_256 import (
    ALL,
    DARK_256,
    LIGHT_256,
    IndexedColours,
    IndexedTheme,
    Shades,
    by_distance,
    entry,
    nearest,
)

CONTRAST = 4.5
"""The least contrast of a text against its background (WCAG AA)."""

DARK = Theme(
    name="wstui-dark",
    primary="#56b4e9",
    secondary="#4f86ad",
    accent="#56b4e9",
    success="#2bbf8a",
    warning="#e6a817",
    error="#f2703a",
    foreground="#e6edf3",
    background="#0e1317",
    surface="#161d24",
    panel="#1c2630",
    dark=True,
    variables={
        "text-muted": "#8f9ba8",
        "wstui-muted": "#8f9ba8",
        "wstui-rule": "#3a4652",
        "wstui-track": "#3a4652",
        "wstui-fill": "#4f86ad",
        "wstui-cursor": "#23445b",
        "wstui-p50": "#56b4e9",
        "wstui-p95": "#f0c95a",
        "wstui-p99": "#f2703a",
        "wstui-limit": "#d783b5",
        "footer-background": "#1c2630",
        "block-cursor-background": "#23445b",
        "block-cursor-foreground": "#e6edf3",
        "input-cursor-background": "#e6edf3",
        "input-cursor-foreground": "#0e1317",
    },
)

LIGHT = Theme(
    name="wstui-light",
    primary="#0067a3",
    secondary="#6b9abf",
    accent="#0067a3",
    success="#00704e",
    warning="#8a5a00",
    error="#b83b08",
    foreground="#171d23",
    background="#fbfcfd",
    surface="#f1f4f6",
    panel="#e4e9ee",
    dark=False,
    variables={
        "text-muted": "#55616d",
        "wstui-muted": "#55616d",
        "wstui-rule": "#b4bec8",
        "wstui-track": "#b4bec8",
        "wstui-fill": "#6b9abf",
        "wstui-cursor": "#cfe3f1",
        "wstui-p50": "#0067a3",
        "wstui-p95": "#8f6a00",
        "wstui-p99": "#b83b08",
        "wstui-limit": "#9b3a76",
        "footer-background": "#e4e9ee",
        "block-cursor-background": "#cfe3f1",
        "block-cursor-foreground": "#171d23",
        "input-cursor-background": "#171d23",
        "input-cursor-foreground": "#fbfcfd",
    },
)

DARK_16 = replace(
    BUILTIN_THEMES["ansi-dark"], accent="ansi_bright_cyan", warning="ansi_bright_yellow", error="ansi_bright_red"
)
"""Textual's own for 16 colours, with the bright ones of our painted rows in dialogs: plain red is hard to read."""


def usual_theme(console: Console | None = None) -> str:
    """The theme where none is set. A terminal of 16 colours shows its own: it has no shades to put a text onto."""
    found = console or Console()
    few = found.color_system in ("standard", "windows") and not found.no_color
    return DARK_16.name if few else DARK.name


# Meaning → (variables to try, least contrast against the background). Fills and rules are not text.
_FOREGROUNDS: dict[str, tuple[tuple[str, ...], float]] = {
    "text": (("foreground",), CONTRAST),
    "muted": (("wstui-muted", "text-muted"), CONTRAST),
    "rule": (("wstui-rule", "panel"), 1.4),
    "track": (("wstui-track", "panel"), 1.4),
    "fill": (("wstui-fill", "secondary"), 3.0),
    "accent": (("accent", "primary"), CONTRAST),
    "ok": (("success",), CONTRAST),
    "warn": (("warning",), CONTRAST),
    "bad": (("error",), CONTRAST),
    "p50": (("wstui-p50", "accent"), CONTRAST),
    "p95": (("wstui-p95", "warning"), CONTRAST),
    "p99": (("wstui-p99", "error"), CONTRAST),
    "limit": (("wstui-limit", "secondary"), CONTRAST),
    "sent": (("wstui-p50", "accent"), CONTRAST),
    "received": (("success",), CONTRAST),
}
_BOLD = {"strong": "text", "strong-ok": "ok", "strong-warn": "warn", "strong-bad": "bad", "strong-accent": "accent"}
_BADGES = {"badge-ok": "ok", "badge-warn": "warn", "badge-bad": "bad", "badge-accent": "accent"}
_ANSI: dict[str, str] = {
    "accent": "bright_cyan", "ok": "bright_green", "warn": "bright_yellow", "bad": "bright_red", "p50": "bright_cyan",
    "p95": "bright_yellow", "p99": "bright_red", "limit": "bright_magenta", "fill": "cyan", "sent": "bright_cyan",
    "received": "bright_green",
}  # fmt: skip
_ANSI_ON_LIGHT = {name: colour.removeprefix("bright_") for name, colour in _ANSI.items()}


def _luminance(color: Color) -> float:
    def linear(channel: int) -> float:
        value = channel / 255
        return value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(color.r) + 0.7152 * linear(color.g) + 0.0722 * linear(color.b)


def contrast(one: Color, other: Color) -> float:
    """The WCAG contrast of two colours, 1…21."""
    bright, dim = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@lru_cache(512)
def readable(color: Color, background: Color, least: float = CONTRAST) -> Color:
    """The colour, moved towards white or black just as far as it takes to stand out from the background."""
    goal = Color(255, 255, 255) if _luminance(background) < 0.18 else Color(0, 0, 0)
    for step in range(21):
        moved = color.blend(goal, step / 20, alpha=1.0)
        if contrast(moved, background) >= least:
            return moved
    return goal


@lru_cache(512)
def readable_entry(color: Color, background: Color, least: float, shades: Shades) -> Color:
    """The palette entry most like the colour among those that stand out from the background."""
    alike = [entry(number) for number in by_distance(color, shades)]
    fit = (shade for shade in alike if contrast(shade, background) >= least)
    return next(fit, max(alike, key=lambda shade: contrast(shade, background)))


class Palette:
    """Meanings ("ok", "muted", "strong", "badge-warn", …) as styles, on the background of a widget.

    A meaning may carry a ground after an at-sign: "muted@cursor" is muted text on the selected row,
    "text@panel" text on a bar. With `shades` all colours are among these entries of a palette of 256.
    """

    def __init__(self, variables: Mapping[str, str], *, ansi: bool, dark: bool, shades: Shades = ()) -> None:
        self._variables = variables
        self._ansi = ansi
        self._dark = dark
        self._shades = shades
        self._styles: dict[tuple[str, Color | None], Style] = {}

    def _variable(self, *names: str) -> Color | None:
        for name in names:
            text = self._variables.get(name, "")
            if text and not text.startswith("auto"):
                try:
                    return Color.parse(text)
                except ValueError:  # a value that only a stylesheet understands
                    continue
        return None

    def style(self, meaning: str, background: Color) -> Style:
        """The style of a meaning on an opaque background colour."""
        key = (meaning, background)
        style = self._styles.get(key)
        if style is None:
            style = self._ansi_style(meaning) if self._ansi else self._true_style(meaning, background)
            self._styles[key] = style
        return style

    def _true_style(self, meaning: str, background: Color) -> Style:
        name, _, ground = meaning.partition("@")
        if ground == "cursor":
            cursor = self._variable("wstui-cursor")
            background = cursor or background.blend(self._variable("primary") or background, 0.3)
        elif ground:
            background += self._variable(ground) or background
        if self._shades:
            background = nearest(background, self._shades)
        if name in _BADGES:
            fill = self._foreground(_BADGES[name], background)
            ink = self._readable(Color(14, 19, 23) if _luminance(fill) > 0.18 else Color(255, 255, 255), fill, CONTRAST)
            return Style(color=ink.rich_color, bgcolor=fill.rich_color, bold=True)
        foreground = self._foreground(_BOLD.get(name, name), background)
        return Style(color=foreground.rich_color, bgcolor=background.rich_color, bold=name in _BOLD)

    def _foreground(self, name: str, background: Color) -> Color:
        names, least = _FOREGROUNDS[name]
        color = self._variable(*names)
        if color is None:
            ink = self._variable("foreground") or background.get_contrast_text(1.0)
            color = ink.blend(background, 0.35)
        return self._readable(background + color, background, least)

    def _readable(self, color: Color, background: Color, least: float) -> Color:
        if self._shades:
            return readable_entry(color, background, least, self._shades)
        return readable(color, background, least)

    def _ansi_style(self, meaning: str) -> Style:
        name, _, ground = meaning.partition("@")
        if ground == "cursor":  # one ground for the whole row, whatever it shows
            return Style(bold=name in _BOLD, reverse=True)
        colours = _ANSI if self._dark else _ANSI_ON_LIGHT
        if name in _BADGES:
            return Style(color=colours[_BADGES[name]], bold=True, reverse=True)
        return Style(
            color=colours.get(_BOLD.get(name, name), "default"),
            bold=name in _BOLD,
            dim=name in ("muted", "rule", "track") and not ground,
        )


Answer = TypeVar("Answer")


class ThemedApp(App[Answer]):
    """Registers the themes; a terminal of 256 colours gets them in entries of its palette and no others."""

    def __init__(self) -> None:
        super().__init__()
        self._palette_filter = IndexedColours()
        self._indexed = self.console.color_system == "256" and not self.no_color
        self.register_theme(DARK_256 if self._indexed else DARK)
        self.register_theme(LIGHT_256 if self._indexed else LIGHT)
        self.register_theme(DARK_16)

    @property
    def shades(self) -> Shades:
        """The palette entries that the screen may use; () if the terminal has all colours, or only its own 16."""
        if not self._indexed or self.native_ansi_color:
            return ()
        theme = self.current_theme
        return theme.shades if isinstance(theme, IndexedTheme) else ALL

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Add the filter that keeps a terminal of 256 colours to the theme's."""
        filters = super().get_line_filters()
        if not (shades := self.shades):
            return filters
        self._palette_filter.shades = shades
        return [*filters, self._palette_filter]
