"""k6 scripts: the literal sends of their WebSocket code, read without running it. What is computed is told by line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, BinaryIO

from wstui.recording.documents import MOST_BYTES, MadeUpConnection, as_list, as_table
from wstui.recording.session import ImportFailed, RecordedSession, websocket_url

_IMPORT = re.compile(rb"""["']k6/(experimental/)?(ws|websockets)["']""")
_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`"""
    r"""|-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[A-Za-z_$][\w$]*|\S""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|\n|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_WORDS = {"true": True, "false": False, "null": None}
_DEEPEST = 64
_GAP_S = 1.0


def is_k6(head: bytes) -> bool:
    """Return whether a file imports a WebSocket module of k6."""
    return _IMPORT.search(head) is not None


def read_k6(file: BinaryIO, progress: Callable[[int], None]) -> RecordedSession:
    """Return a session with one connection that sends each literal once, in the order of the script."""
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ImportFailed(f"it is larger than {MOST_BYTES >> 20} MiB, the most of a script")
    source = _Source(data.decode("utf-8", "replace"))
    script = MadeUpConnection.to(RecordedSession("k6 script", made_up=True), "")
    for at, argument in source.calls():
        name = source.text(at)
        found = source.argument(argument)
        if not isinstance(found, str | int | float) or isinstance(found, bool):
            script.session.notes[f"not understood: line {source.line(at)}, {name}() of a computed value"] += 1
        elif name == "send":
            script.wait(_GAP_S)
            script.send(str(found))
        elif not script.connection.url:
            script.connection.url = websocket_url(str(found))
        elif websocket_url(str(found)) != script.connection.url:
            script.session.notes[f"not understood: line {source.line(at)}, a second address"] += 1
    progress(len(data))
    return script.session


class _Source:
    """The tokens of a script, and the literals that its names are bound to once."""

    def __init__(self, text: str) -> None:
        self._source = text
        self._tokens = [m for m in _TOKEN.finditer(text) if not m[0].startswith(("//", "/*"))]
        bound: dict[str, list[int]] = {}
        for at, token in enumerate(self._tokens):
            before = self.text(at - 1)
            if token[0] != "=" or self.text(at + 1) in ("=", ">") or before in ("=", "!", "<", ">"):
                continue
            if re.match(r"[\w$]", before) is None:  # += and the like change what stands before them
                before = self.text(at - 2)
                bound.setdefault(before, []).append(at)
            bound.setdefault(before, []).append(at + 1)
        self._bound = {name: places[0] for name, places in bound.items() if len(places) == 1}

    def text(self, at: int) -> str:
        return self._tokens[at][0] if 0 <= at < len(self._tokens) else ""

    def line(self, at: int) -> int:
        return self._source.count("\n", 0, self._tokens[at].start()) + 1

    def calls(self) -> list[tuple[int, int]]:
        """Return where something is sent or connected to, each with the place of its first argument."""
        return [
            (at, at + 2)
            for at in range(len(self._tokens))
            if self.text(at + 1) == "("
            and (
                (self.text(at) in ("send", "connect") and self.text(at - 1) == ".")
                or (self.text(at) == "WebSocket" and self.text(at - 1) == "new")
            )
        ]

    def argument(self, at: int) -> Any:
        """Return the literal that an argument is or is named after, None for one that is computed."""
        try:
            if self.text(at) in self._bound and self.text(at + 1) in (",", ")"):
                found, end = self._value(self._bound[self.text(at)])
                return found if self.text(end) == ";" or self._new_line(end) else None
            found, end = self._value(at)
            return found if self.text(end) in (",", ")") else None
        except ValueError:
            return None

    def _new_line(self, at: int) -> bool:
        """Return whether a statement begins here on a line of its own."""
        if at >= len(self._tokens):
            return True
        return re.match(r"[\w$}]", self.text(at)) is not None and self.line(at) > self.line(at - 1)

    def _value(self, at: int, depth: int = 0) -> tuple[Any, int]:
        """Return a literal and where it ends. Raises ValueError for anything else."""
        text = self.text(at)
        if depth > _DEEPEST or not text:
            raise ValueError(text)
        if [self.text(at + n) for n in range(4)] == ["JSON", ".", "stringify", "("]:
            found, end = self._value(at + 4, depth + 1)
            if self.text(end) != ")":
                raise ValueError(text)
            return json.dumps(found, ensure_ascii=False, separators=(",", ":")), end + 1
        if text[0] in "'\"`":
            if (text[0] == "`" and "${" in text) or len(text) < 2:
                raise ValueError(text)
            return _ESCAPE.sub(_unescape, text[1:-1]), at + 1
        if text in _WORDS:
            return _WORDS[text], at + 1
        if text in ("[", "{"):
            return self._items(at + 1, text, depth)
        return (int(text) if re.fullmatch(r"-?\d+", text) else float(text)), at + 1

    def _items(self, at: int, opened: str, depth: int) -> tuple[Any, int]:
        table: dict[str, Any] = {}
        items: list[Any] = []
        closing = "}" if opened == "{" else "]"
        while self.text(at) != closing:
            key = ""
            if opened == "{":
                key = self.text(at)
                if self.text(at + 1) != ":" or not re.match(r"[\w$'\"]", key):
                    raise ValueError(key)
                key, at = key.strip("'\""), at + 2
            found, at = self._value(at, depth + 1)
            table[key] = found
            items.append(found)
            if self.text(at) == ",":
                at += 1
            elif self.text(at) != closing:
                raise ValueError(self.text(at))
        return (table if opened == "{" else items), at + 1


def _unescape(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPED.get(code, code)


_MOST_LOOPS = 5
_MOST_STEPS = 10_000
_ENGINES = ("ws", "websocket")
Table = dict[str, Any]


def is_artillery(document: Table) -> bool:
    return "scenarios" in document and "config" in document


def read_artillery(document: Table) -> RecordedSession:
    """Return a session with a connection for each WebSocket scenario."""
    session = RecordedSession("Artillery script", made_up=True)
    config = as_table(document["config"])
    for number, scenario in enumerate(map(as_table, as_list(document["scenarios"])), 1):
        engine = scenario.get("engine", "http")
        if engine not in _ENGINES:
            session.notes[f"scenarios of engine {str(engine)[:20]}"] += 1
            continue
        script = MadeUpConnection.to(session, _url(config, ""))
        options = as_table(config.get("ws"))
        for name, value in as_table(options.get("headers")).items():
            if _literal(session, value, f"config.ws.headers.{name}"):
                script.connection.request.append((str(name), str(value)))
        if offered := options.get("subprotocols"):
            offered = ", ".join(map(str, as_list(offered) or [offered]))
            script.connection.request.append(("Sec-WebSocket-Protocol", offered))
        _play(script, config, as_list(scenario.get("flow")), f"scenario {number}", [_MOST_STEPS])
    if not session.connections:
        raise ImportFailed("none of its scenarios has `engine: ws`")
    return session


def _play(script: MadeUpConnection, config: Table, flow: list[Any], place: str, left: list[int]) -> None:
    for number, step in enumerate(flow, 1):
        here = f"{place}, step {number}"
        left[0] -= 1
        if left[0] < 0:
            return
        match step:
            case {"send": {"payload": sent}} | {"send": sent}:
                if _literal(script.session, sent, here):
                    script.send(sent if isinstance(sent, str) else json.dumps(sent, ensure_ascii=False))
            case {"think": seconds}:
                try:
                    script.wait(max(0.0, float(seconds)))
                except (ValueError, TypeError):
                    _not_understood(script.session, f"{here}: think")
            case {"loop": list() as inner}:
                count = step.get("count", _MOST_LOOPS)
                for _ in range(min(count, _MOST_LOOPS) if isinstance(count, int) else _MOST_LOOPS):
                    _play(script, config, inner, here, left)
            case {"connect": {"url": str() as url}} | {"connect": {"target": str() as url}} | {"connect": str() as url}:
                script.connection.url = _url(config, url)
            case {"log": _}:
                pass
            case _:
                name = next(iter(step), "nothing") if isinstance(step, dict) else step
                _not_understood(script.session, f"{here}: {str(name)[:40]}")


def _url(config: Table, path: str) -> str:
    target = str(config.get("target", ""))
    return websocket_url(path if "://" in path else target.rstrip("/") + path if path else target)


def _literal(session: RecordedSession, value: Any, place: str) -> bool:
    """Return whether a value holds no template; one that does is noted."""
    if "{{" in json.dumps(value, default=str):
        _not_understood(session, f"{place}: a template")
        return False
    return True


def _not_understood(session: RecordedSession, what: str) -> None:
    session.notes[f"not understood: {what}"] += 1
