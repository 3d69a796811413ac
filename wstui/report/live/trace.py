"""The messages of a few clients as lines for a terminal or a file."""

from __future__ import annotations

from collections.abc import Iterator

from wstui.load.protocol import TraceLine
from wstui.measure.sanitize import sanitize

_LONGEST = 1000


class TracePrinter:
    """Writes the lines of the first `clients` of each role: each worker follows that many of its own."""

    def __init__(self, clients: int) -> None:
        self._clients = clients
        self._seen: dict[str, set[int]] = {}

    def lines(self, traced: TraceLine) -> Iterator[str]:
        """Yield a line for the message, and one for each value that it captured."""
        seen = self._seen.setdefault(traced.role, set())
        if traced.client not in seen and len(seen) >= self._clients:
            return
        seen.add(traced.client)
        head = f"{traced.at_ms / 1000:9.3f}s {sanitize(traced.role)} {traced.client}"
        text = sanitize(traced.text, _LONGEST)
        if not traced.received:
            yield f"{head} → {sanitize(traced.step)}: {text}"
            return
        yield f"{head} ← {text}"
        if traced.step:
            expected = f": {sanitize(traced.expected, _LONGEST)}" if traced.expected else ""
            yield f"{'':10} ✓ {sanitize(traced.step)}{expected}"
        for name, value in traced.captured.items():
            yield f"{'':10} {sanitize(name)} = {sanitize(str(value), _LONGEST)}"
