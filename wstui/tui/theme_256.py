"""Colours for a terminal of 256: each theme in exact entries of its palette, and a filter that lets no other through.

Rounding a shade of slate to the palette's colour cube makes it navy or teal. So our own themes have a second form made
of palette entries, and a mixture of them (the screen behind a dialog, a tint) becomes the entry most like it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from rich.color import Color as RichColor
from rich.color import ColorType
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.color import Color, Lab, rgb_to_lab
from textual.filter import LineFilter
from textual.theme import Theme

Shades = tuple[int, ...]
"""Numbers of palette entries; the first 16 are the user's own colours and never among them."""
ALL: Shades = tuple(range(16, 256))
_CUBE = (0, 95, 135, 175, 215, 255)


@cache
def entry(number: int) -> Color:
    """Return the colour of a palette entry from 16 to 255, as xterm defines it."""
    if number >= 232:
        grey = 8 + 10 * (number - 232)
        return Color(grey, grey, grey)
    red, green, blue = (number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6
    return Color(_CUBE[red], _CUBE[green], _CUBE[blue])


@cache
def _lab(number: int) -> Lab:
    return rgb_to_lab(entry(number))


@lru_cache(4096)
def by_distance(color: Color, shades: Shades) -> Shades:
    """Order palette entries by how much they look like a colour, the most alike first."""
    wanted = rgb_to_lab(color)
    return tuple(
        sorted(shades, key=lambda number: sum((a - b) ** 2 for a, b in zip(_lab(number), wanted, strict=True)))
    )


def nearest(color: Color, shades: Shades) -> Color:
    """Return the palette entry that looks most like a colour."""
    return entry(by_distance(Color(color.r, color.g, color.b), shades)[0])


@dataclass
class IndexedTheme(Theme):
    """A theme of palette entries; `shades` are all that its screens use."""

    shades: Shades = ()


def _theme(name: str, *, dark: bool, shades: Sequence[int], **numbers: int) -> IndexedTheme:
    """Build a theme from palette numbers. `shades` are further entries: for tints, and inks for the cursor's row."""
    colours = {key: entry(number).hex for key, number in numbers.items()}
    named = {key: colours.pop(key) for key in list(colours) if key not in Theme.__dataclass_fields__}
    text, ground, muted = colours["foreground"], colours["background"], named["muted"]
    variables = {f"wstui-{key}": value for key, value in named.items()} | {
        "wstui-track": named["rule"],
        "wstui-fill": colours["secondary"],
        "text-muted": muted,
        "footer-background": colours["panel"],
        "block-cursor-background": named["cursor"],
        "block-cursor-foreground": text,
        "input-cursor-background": text,
        "input-cursor-foreground": ground,
    }
    used = tuple(sorted({*numbers.values(), *shades}))
    return IndexedTheme(name=name, dark=dark, variables=variables, shades=used, accent=colours["primary"], **colours)  # type: ignore[arg-type]


DARK_256 = _theme(
    "wstui-dark",
    dark=True,
    primary=75,
    secondary=67,
    success=36,
    warning=214,
    error=209,
    foreground=255,
    background=233,
    surface=234,
    panel=236,
    muted=247,
    rule=239,
    cursor=24,
    p50=75,
    p95=221,
    p99=209,
    limit=175,
    # behind a dialog: greys, and the hues darkened; on the cursor's row: the hues lightened
    shades=(16, 235, 237, 238, 240, 241, 242, 243, 245, 250, 252, 29, 60, 66, 94, 95, 117, 153, 79, 222, 216, 218, 231),
)
LIGHT_256 = _theme(
    "wstui-light",
    dark=False,
    primary=25,
    secondary=67,
    success=22,
    warning=94,
    error=124,
    foreground=234,
    background=231,
    surface=255,
    panel=254,
    muted=240,
    rule=250,
    cursor=153,
    p50=25,
    p95=94,
    p99=124,
    limit=89,
    shades=(16, 233, 235, 236, 238, 242, 244, 246, 248, 251, 252, 253, 110, 116, 151, 180, 181, 24, 52, 58),
)


class IndexedColours(LineFilter):
    """Turn every colour of a line into one of the palette entries that the theme uses."""

    def __init__(self) -> None:
        super().__init__()
        self._shades = ALL
        self._known: dict[Style, Style] = {}

    @property
    def shades(self) -> Shades:
        """The palette entries that may be used."""
        return self._shades

    @shades.setter
    def shades(self, shades: Shades) -> None:
        if shades != self._shades:
            self._shades = shades
            self._known.clear()

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(text, style and self._style(style), control) for text, style, control in segments]

    def _style(self, style: Style) -> Style:
        known = self._known.get(style)
        if known is None:
            colours = Style.from_color(self._colour(style.color), self._colour(style.bgcolor))
            if len(self._known) > 4096:
                self._known.clear()
            known = self._known[style] = style + colours
        return known

    def _colour(self, color: RichColor | None) -> RichColor | None:
        if color is None or color.type is not ColorType.TRUECOLOR or color.triplet is None:
            return color
        number = by_distance(Color(*color.triplet), self._shades)[0]
        return RichColor(str(number), ColorType.EIGHT_BIT, number, ColorTriplet(*entry(number).rgb))
