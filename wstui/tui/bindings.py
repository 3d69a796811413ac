"""How a key is declared."""

from __future__ import annotations

from textual.binding import Binding


def key(
    keys: str,
    action: str,
    name: str,
    id: str,
    tooltip: str,
    *,
    shown: bool = False,
    display: str | None = None,
    group: Binding.Group | None = None,
    first: bool = False,
) -> Binding:
    """A binding that can be remapped by its id and says what it does.

    `shown` puts it into the row of keys; `first` lets it win over what a focused widget does with the key.
    """
    return Binding(
        keys, action, name, show=shown, key_display=display, tooltip=tooltip, id=id, group=group, priority=first
    )
