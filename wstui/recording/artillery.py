"""Artillery scripts: the literal sends of their WebSocket scenarios. Templates and functions are told, not run."""

from __future__ import annotations

import json
from typing import Any

from wstui.recording.documents import MadeUpConnection, as_list, as_table
from wstui.recording.session import ImportFailed, RecordedSession, websocket_url

_MOST_LOOPS = 5
_MOST_STEPS = 10_000
_ENGINES = ("ws", "websocket")
Table = dict[str, Any]


def is_artillery(document: Table) -> bool:
    """Return whether a document is a script of Artillery."""
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
