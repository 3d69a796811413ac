"""Whether a matcher would match a message: tried in the editor on messages that a client received."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from wstui.measure.sanitize import sanitize
from wstui.scenario.conversation.conditions import ANY, Condition, alternatives_of


def tried(matcher: Any, messages: Sequence[str]) -> str:
    """In a sentence which of the messages a matcher matches. Raises BadValue."""
    alternatives = alternatives_of(matcher)
    if not messages:
        return "ctrl+d in the form fetches messages to try it on"
    found = [text for text in messages if any(all(_holds(c, text) for c in conditions) for conditions in alternatives)]
    if not found:
        return f"▲ matches none of the last {len(messages)} messages, such as {sanitize(messages[-1], 60)}"
    return f"✓ matches {len(found)} of the last {len(messages)} messages: {sanitize(found[-1], 60)}"


def _holds(condition: Condition, text: str) -> bool:
    """Whether a message meets a condition; a placeholder stands for any value."""
    value = condition.value
    if isinstance(value, str) and "{{" in value:
        value = ANY
    match condition.kind:
        case "contains":
            return value == ANY or str(value) in text
        case "equals":
            return value == ANY or str(value) == text
        case "prefix":
            return value == ANY or text.startswith(str(value))
        case "regex":
            return value == ANY or re.search(str(value), text) is not None
        case "hex":
            return bytes.fromhex(str(value)) in text.encode()
    found = _at(_document(text), condition.path)
    return found is not None if value == ANY else type(found) is type(value) and found == value


def _document(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def _at(document: Any, path: Sequence[str]) -> Any:
    """The value at a path; JSON inside a string is entered."""
    for key in path:
        if isinstance(document, str):
            document = _document(document)
        if isinstance(document, list):
            document = document[int(key)] if key.isdigit() and int(key) < len(document) else None
        elif isinstance(document, dict):
            document = document.get(key)
        else:
            return None
    return document
