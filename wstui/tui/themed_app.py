"""The base of the applications: our themes, in the colours that the terminal has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from textual.app import App
from textual.filter import LineFilter

from wstui.tui.theme import DARK, DARK_16, LIGHT
from wstui.tui.theme_256 import ALL, DARK_256, LIGHT_256, IndexedColours, IndexedTheme, Shades

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
