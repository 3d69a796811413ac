"""The operator's own settings, a TOML file: theme, keys, alerts, what opens, and which runs ask first."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.keys import KEY_NAME_REPLACEMENTS, Keys, key_to_character

from wstui.scenario.errors import Problem, nearest, quote
from wstui.tui.alerts import ALERTS, Alert

_MODIFIERS = re.compile(r"(ctrl|alt|shift|super|meta|hyper)\+")
_NAMED = frozenset(key.value for key in Keys) | frozenset(KEY_NAME_REPLACEMENTS.values())


ASK_ABOVE = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """`theme` is "" where the file names none; `keys` are keys by the id of what they do.

    A run of more than `ask_above` clients asks before it begins. `alert` is how a broken threshold and the end of a run
    are told, `reopen` whether `wstui` opens on what was last looked at.
    """

    theme: str = ""
    ask_above: int = ASK_ABOVE
    alert: Alert = "bell"
    reopen: bool = True
    keys: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def json_schema(ids: Collection[str], themes: Collection[str]) -> dict[str, Any]:
    key = {"type": "string", "description": 'A key such as "p", "ctrl+s" or "f5,plus".'}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wstui settings",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "theme": {"enum": sorted(themes), "description": "The theme of the screens."},
            "ask_above": {
                "type": "integer",
                "minimum": 0,
                "default": ASK_ABOVE,
                "description": "A run of more clients asks before it begins.",
            },
            "alert": {
                "enum": list(ALERTS),
                "default": "bell",
                "description": "How a broken threshold and the end of a run are told.",
            },
            "reopen": {
                "type": "boolean",
                "default": True,
                "description": "Open on what was last looked at.",
            },
            "keys": {
                "type": "object",
                "description": "Keys by the id of what they do.",
                "properties": dict.fromkeys(sorted(ids), key),
                "additionalProperties": False,
            },
        },
    }


def read_settings(path: Path, ids: Collection[str], themes: Collection[str]) -> Settings:
    """Read the settings, and what in them cannot be used; empty without a file.

    theme = "wstui-light"
    ask_above = 5000
    alert = "desktop"
    reopen = false
    [keys]
    "load.pause" = "f9"
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, RecursionError) as error:
        return Settings(problems=(Problem(str(path), "", f"cannot be read: {error}"),))
    problems: list[Problem] = []
    theme = data.pop("theme", "")
    if theme and theme not in themes:
        near = nearest(str(theme), themes)
        problems.append(Problem(str(path), "theme", "is not a theme", value=quote(str(theme)), nearest=near))
        theme = ""
    ask_above = data.pop("ask_above", ASK_ABOVE)
    if isinstance(ask_above, bool) or not isinstance(ask_above, int) or ask_above < 0:
        message = "takes a number of clients such as 5000"
        problems.append(Problem(str(path), "ask_above", message, value=quote(str(ask_above))))
        ask_above = ASK_ABOVE
    alert = data.pop("alert", "bell")
    if alert not in ALERTS:
        near = nearest(str(alert), ALERTS)
        message = f"is one of {', '.join(ALERTS)}"
        problems.append(Problem(str(path), "alert", message, value=quote(str(alert)), nearest=near))
        alert = "bell"
    reopen = data.pop("reopen", True)
    if not isinstance(reopen, bool):
        problems.append(Problem(str(path), "reopen", "takes true or false", value=quote(str(reopen))))
        reopen = True
    named = data.pop("keys", {})
    known = ("theme", "keys", "ask_above", "alert", "reopen")
    problems += [Problem(str(path), name, "is not a setting", nearest=nearest(name, known)) for name in data]
    keys = _keys(named, path, ids, problems)
    return Settings(theme, ask_above, alert, reopen, keys, tuple(problems))


def _keys(named: object, path: Path, ids: Collection[str], problems: list[Problem]) -> dict[str, str]:
    if not isinstance(named, dict):
        problems.append(Problem(str(path), "keys", 'is a table such as [keys] "load.pause" = "f9"'))
        return {}
    keys: dict[str, str] = {}
    for name, value in _flat(named):
        if name not in ids:
            problems.append(Problem(str(path), f"keys.{name}", "is nothing that has a key", nearest=nearest(name, ids)))
        elif not isinstance(value, str) or not value or not all(map(is_key, value.split(","))):
            message = 'takes a key such as "p", "ctrl+s" or "f5,plus"'
            problems.append(Problem(str(path), f"keys.{name}", message, value=quote(str(value))))
        else:
            keys[name] = value
    return keys


def is_key(text: str) -> bool:
    """Whether a text is a key as Textual writes it: "p", "ctrl+s", "f5", "plus"."""
    plain = _MODIFIERS.sub("", text.strip())
    return plain in _NAMED or (bool(plain) and key_to_character(plain) is not None)


def _flat(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    """Entries by dotted name: `[keys.load] pause` is the same as `[keys] "load.pause"`."""
    out: list[tuple[str, object]] = []
    for name, value in data.items():
        if isinstance(value, dict):
            out += _flat(value, f"{prefix}{name}.")
        else:
            out.append((prefix + name, value))
    return out
