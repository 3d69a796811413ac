"""The application without its runs: the operator's theme and keys, the palette, the help, and notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.filter import LineFilter
from textual.screen import Screen

from wstui.tui.bindings import key
from wstui.tui.dialogs.help import HelpDialog
from wstui.tui.key_queue import KeyQueue
from wstui.tui.kit.format import tilde
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.palette import OWNERS, Commands, clashes, ids_of, key_shown
from wstui.tui.settings import ASK_ABOVE, read_settings
from wstui.tui.theme import DARK, LIGHT
from wstui.tui.theme_256 import ALL, DARK_256, LIGHT_256, IndexedColours, IndexedTheme, Shades


class Shell(KeyQueue):
    """What every screen shares."""

    CSS_PATH = "wstui.tcss"
    TITLE = "wstui"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = {Commands}  # noqa: RUF012
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (110, "-wide"), (180, "-huge")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (16, "-short"), (32, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        key("question_mark", "help", "Help", "app.help", "This help", shown=True, display="?"),
        key("f1", "help", "Help", "app.help_f1", "This help, while you type", shown=True),
        key("ctrl+p", "command_palette", "Palette", "app.palette", "Command palette"),
        key("q,ctrl+q", "leave", "Quit", "app.quit", "Quit, asks during a run"),
        key("ctrl+c", "leave", "Quit", "app.interrupt", "Quit, asks during a run"),
    ]

    def __init__(self, *, settings: Path | None, keymap: Mapping[str, str] | None, theme: str) -> None:
        """`settings` is the file with the operator's theme and keys; `keymap` goes before it, `theme` does not."""
        super().__init__()
        self.notice = ""
        """What is wrong with the settings."""
        self.ask_above = ASK_ABOVE
        """A run of more clients asks before it begins."""
        self._settings = settings
        self._palette_filter = IndexedColours()
        self._indexed = self.console.color_system == "256" and not self.no_color
        self.register_theme(DARK_256 if self._indexed else DARK)
        self.register_theme(LIGHT_256 if self._indexed else LIGHT)
        keys = dict(keymap or {})
        if settings is not None:
            own = read_settings(settings, ids_of((*OWNERS, Shell)), self.available_themes)
            more = f"; and {len(own.problems) - 1} more" if len(own.problems) > 1 else ""
            self.notice = f"{own.problems[0]}{more}" if own.problems else ""
            theme, keys = own.theme or theme, {**own.keys, **keys}
            self.ask_above = own.ask_above
        self.notice = self.notice or next(clashes(keys, (*OWNERS, Shell)), "")
        self.theme = theme
        if keys:
            self.set_keymap(keys)

    @property
    def shades(self) -> Shades:
        """The palette entries that the screen may use; () where the terminal has all colours, or only its own 16."""
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

    def push_screen(self, screen: Any, *args: Any, **options: Any) -> Any:
        """Give the screen the classes of the terminal's size before its first layout: without, it is another."""
        if isinstance(screen, Screen):
            across = screen.HORIZONTAL_BREAKPOINTS or self.HORIZONTAL_BREAKPOINTS
            down = screen.VERTICAL_BREAKPOINTS or self.VERTICAL_BREAKPOINTS
            for length, points in ((self.size.width, across), (self.size.height, down)):
                screen.add_class([name for least, name in points if length >= least][-1], update=False)
        return super().push_screen(screen, *args, **options)

    def say(self, text: str, severity: str = "information") -> None:
        """A notice in the row of keys: it covers no figure."""
        for screen in reversed(self.screen_stack):
            for keys in screen.query(KeyRow):
                keys.say(text, severity)
                return

    def action_suspend_process(self) -> None:
        """Not offered: a stopped terminal would leave the load without an operator."""

    def action_help(self) -> None:
        """The keys that work on this screen."""
        if isinstance(self.screen, HelpDialog):
            return
        bindings = list(self.screen.active_bindings.values())
        self.push_screen(HelpDialog(bindings, lambda binding: key_shown(self, binding)))

    def watch_theme(self, theme: str) -> None:
        """Say how to keep a theme."""
        if self.is_running and self._settings is not None:
            self.say(f'to keep it: theme = "{theme}" in {tilde(self._settings)}')
