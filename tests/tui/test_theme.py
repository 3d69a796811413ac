from __future__ import annotations

import re

import pytest
from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from tests.tui.driving import running, shown, until
from wstui.tui.theme import _BADGES, _BOLD, _FOREGROUNDS, CONTRAST, DARK, LIGHT, Palette, contrast, usual_theme

THEMES = {theme.name: theme for theme in (*BUILTIN_THEMES.values(), DARK, LIGHT)}
TEXTS = [name for name, (_, least) in _FOREGROUNDS.items() if least >= CONTRAST]


def palette_of(name: str) -> tuple[Palette, Color]:
    app: App[None] = App()
    for theme in THEMES.values():
        app.register_theme(theme)
    app.theme = name
    variables = app.get_css_variables()
    palette = Palette(variables, ansi=THEMES[name].ansi, dark=THEMES[name].dark)
    background = Color.parse(variables["background"]) if not THEMES[name].ansi else Color(0, 0, 0)
    return palette, background


def colours(style: Style) -> tuple[Color, Color]:
    assert style.color and style.bgcolor
    return Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)


@pytest.mark.parametrize("name", [name for name, theme in THEMES.items() if not theme.ansi])
def test_every_text_stands_out_in_every_theme(name: str) -> None:
    palette, background = palette_of(name)
    for meaning in (*TEXTS, *_BOLD, *_BADGES):
        for ground in ("", "@panel", "@surface", "@cursor"):
            ink, paper = colours(palette.style(meaning + ground, background))
            assert contrast(ink, paper) >= CONTRAST, (name, meaning + ground, contrast(ink, paper))


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_our_own_themes_need_no_correction(theme: object) -> None:
    variables = {**DARK.variables} if theme is DARK else {**LIGHT.variables}
    own = DARK if theme is DARK else LIGHT
    paper = Color.parse(str(own.background))
    named = [own.primary, own.accent, own.success, own.warning, own.error, own.foreground]
    named += [value for key, value in variables.items() if key.startswith(("wstui-p", "wstui-limit", "wstui-muted"))]
    for value in named:
        assert contrast(Color.parse(str(value)), paper) >= CONTRAST, value


def test_sixteen_colours_tell_states_apart_and_never_paint_black_on_black() -> None:
    for name in ("ansi-dark", "ansi-light"):
        palette, background = palette_of(name)
        styles = {meaning: palette.style(meaning, background) for meaning in ("text", "ok", "warn", "bad", "muted")}
        assert len({(s.color.name if s.color else "", s.dim) for s in styles.values()}) == 5
        for style in styles.values():
            assert style.bgcolor is None
            assert style.color is not None and style.color.name not in ("black", "bright_black", "white")
        assert palette.style("text@cursor", background).reverse
        assert palette.style("badge-bad", background).reverse


@pytest.mark.parametrize("name", [DARK.name, LIGHT.name])
def test_our_own_themes_stay_readable_when_a_terminal_has_only_sixteen_colours(name: str) -> None:
    palette, background = palette_of(name)
    for meaning in (*TEXTS, *_BOLD, *_BADGES):
        for ground in ("", "@panel", "@surface", "@cursor"):
            style = palette.style(meaning + ground, background)
            assert style.color and style.bgcolor
            ink, paper = (c.downgrade(ColorSystem.STANDARD).number for c in (style.color, style.bgcolor))
            assert ink != paper, meaning + ground


def test_a_palette_can_be_told_apart_without_colour() -> None:
    from wstui.tui.dashboard.status_line import BADGES
    from wstui.tui.dashboard.thresholds import SIGNS

    glyphs = [glyph for glyph, _ in SIGNS.values()]
    assert len(set(glyphs)) == len(glyphs)
    words = [word for word, _ in BADGES.values()]
    assert len(set(words)) == len(words) and all(len(word.split()) == 2 for word in words)


def test_a_terminal_of_sixteen_colours_shows_its_own() -> None:
    def on(**environ: str) -> str:
        return usual_theme(Console(force_terminal=True, _environ=environ))

    assert on(TERM="xterm") == "ansi-dark"
    assert on(TERM="xterm-256color") == on(TERM="xterm", COLORTERM="truecolor") == DARK.name
    assert on(TERM="xterm", NO_COLOR="1") == DARK.name


def test_the_row_of_the_cursor_is_one_ground_in_sixteen_colours() -> None:
    palette, background = palette_of("ansi-dark")
    styles = [palette.style(f"{name}@cursor", background) for name in ("text", "muted", "bad", "ok", "fill", "accent")]
    assert all(style.reverse and style.color is None for style in styles)


async def test_sixteen_colours_show_the_run_behind_a_dialog() -> None:
    async with running(theme="ansi-dark", size=(120, 40)) as (app, pilot, _):
        await pilot.press("a")
        # a picture draws the screens below as well
        await until(lambda: re.search(r"RUNNING[^@]*Stop.this.run", read(app.export_screenshot())) is not None, pilot)


async def test_a_dialog_in_sixteen_colours_has_the_bright_ones_of_the_rest() -> None:
    async with running(theme="ansi-dark") as (app, pilot, _):
        await pilot.press("a")
        await until(lambda: "Abort  a" in shown(app), pilot)
        inks = {
            word: segment.style
            for strip in app.screen._compositor.render_strips()
            for segment in strip
            for word in ("Abort", "╭", "Keep")
            if word in segment.text and segment.style
        }
    black, bright_red, bright_cyan = 0, 9, 14
    numbers = {word: style.color.number for word, style in inks.items() if style.color}
    assert numbers == {"Abort": bright_red, "╭": bright_red, "Keep": black}
    assert inks["Keep"].bgcolor and inks["Keep"].bgcolor.number == bright_cyan


async def test_an_empty_field_in_sixteen_colours_shows_its_example_on_the_ground_of_the_cursor() -> None:
    async with running(theme="ansi-dark") as (app, pilot, _):
        await pilot.press("n")
        await until(lambda: "ache emptied" in shown(app), pilot)
        (style,) = {
            segment.style
            for strip in app.screen._compositor.render_strips()
            for segment in strip
            if "ache emptied" in segment.text
        }
    assert style and style.color and style.bgcolor
    black, white = 0, 7
    assert (style.color.number, style.bgcolor.number) == (black, white) and not style.dim


def read(svg: str) -> str:
    """The texts of a picture."""
    return " ".join(re.findall(r">([^<>]+)</text>", svg)).replace("&#160;", " ")
