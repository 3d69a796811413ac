"""The messages of a few clients as lines for a terminal or a file."""

from __future__ import annotations

import json
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
            yield f"{head} → " + (f"{sanitize(traced.step)}: {text}" if traced.step else text)
            return
        yield f"{head} ← {text}"
        if traced.step:
            expected = f": {sanitize(traced.expected, _LONGEST)}" if traced.expected else ""
            yield f"{'':10} ✓ {sanitize(traced.step)}{expected}"
        for name, value in traced.captured.items():
            yield f"{'':10} {sanitize(name)} = {sanitize(str(value), _LONGEST)}"


def watched_rows(line: TraceLine, pretty: bool = False) -> list[str]:
    """Return what a watched client did as rows: time, direction, size, text; below it what it matched and captured."""
    head = f"{line.at_ms / 1000:9.3f}s "
    if line.kind == "state":
        return [f"{head}• {sanitize(line.text, _LONGEST)}"]
    kind = f"{line.kind} " if line.kind else ""
    step = f"{sanitize(line.step)}: " if line.step and not line.received else ""
    text = [sanitize(line.text, _LONGEST)]
    if pretty and line.text[:1] in "{[":
        try:
            document = json.loads(line.text)
        except (ValueError, RecursionError):  # or longer than what is kept of it
            pass
        else:
            text = [
                "",
                *(sanitize(row, _LONGEST) for row in json.dumps(document, indent=2, ensure_ascii=False).split("\n")),
            ]
    rows = [f"{head}{'←' if line.received else '→'} {line.size:>6} B  {kind}{step}{text[0]}"]
    rows += [f"{'':12}{row}" for row in text[1:]]
    if line.received and line.step:
        expected = f": {sanitize(line.expected, _LONGEST)}" if line.expected else ""
        rows.append(f"{'':10} ✓ {sanitize(line.step)}{expected}")
    rows += [f"{'':10} {sanitize(name)} = {sanitize(str(value), _LONGEST)}" for name, value in line.captured.items()]
    return rows
