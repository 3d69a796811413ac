"""The manual's table of keys, from the bindings of every screen."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding
from textual.keys import format_key

from wstui.manual.reference import table
from wstui.tui.app import WstuiApp
from wstui.tui.dialogs.help import AREAS
from wstui.tui.palette import bindings_of, owners

_OTHERS = {"dialog": "Dialogs", "list": "Lists"}


def keys_section() -> str:
    """Return the keys by what they act on, each with the name that remaps it."""
    found: dict[str, dict[str, Binding]] = {}
    for binding in bindings_of((*owners(), WstuiApp)):
        if binding.id:
            found.setdefault(binding.id.partition(".")[0], {}).setdefault(binding.id, binding)
    areas = {area: name for area, name in (AREAS | _OTHERS).items() if area in found}
    areas |= {area: area.capitalize() for area in found if area not in areas}
    return "\n\n".join(f"## {name}\n\n{_area(found[area].values())}" for area, name in areas.items())


def _area(bindings: Iterable[Binding]) -> str:
    return table(
        ("key", "does", "name"),
        [(_keys(binding), binding.tooltip or binding.description, f"`{binding.id}`") for binding in bindings],
    )


def _keys(binding: Binding) -> str:
    keys = [binding.key] if binding.key_display else binding.key.split(",")
    return " ".join(f"`{binding.key_display or format_key(key)}`" for key in keys)
