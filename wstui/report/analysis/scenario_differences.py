"""What differs between the scenarios of two runs, in the words of their files."""

from __future__ import annotations

from typing import Any

import msgspec


def differences(first: Any, second: Any, path: str = "") -> list[str]:
    """Return each key that differs, with both values, as `path first → second`; of a list only how long it is."""
    if isinstance(first, dict) and isinstance(second, dict):
        keys = [*first, *(key for key in second if key not in first)]
        return [
            found
            for key in keys
            for found in differences(first.get(key), second.get(key), f"{path}.{key}" if path else str(key))
        ]
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [
            found
            for index, (one, other) in enumerate(zip(first, second, strict=True))
            for found in differences(one, other, f"{path}[{index}]")
        ]
    if first == second:
        return []
    if isinstance(first, list) or isinstance(second, list):
        return [f"{path} ({len(first or [])} and {len(second or [])} entries)"]
    return [f"{path} {_value(first)} → {_value(second)}"]


def _value(value: Any) -> str:
    """Return a value of a scenario as its file says it; "unset" for none, and JSON for a table."""
    if value is None:
        return "unset"
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()
