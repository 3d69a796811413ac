"""`wstui import` against a real server: the preset it writes holds, or says what does not."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import call
from tests.conversations.chat import Chat
from tests.recording.hars import entry, har, message
from tests.servers.server import Connection, Server
from wstui.recording.inference.infer import infer
from wstui.recording.session import ImportFailed
from wstui.recording.sources import read_session
from wstui.scenario.file import load
from wstui.scenario.model import Scenario


def chat(url: str, *, token: str = "good-token-1", echo: tuple[str, ...] = ("seq",)) -> dict[str, Any]:
    """A HAR of somebody who logs in, joins, talks four times and leaves."""
    messages: list[dict[str, Any]] = []

    def add(sent: bool, gap: float, **document: Any) -> None:
        at = messages[-1]["time"] - 1_700_000_000 + gap if messages else gap
        messages.append(message(at, sent, json.dumps(document)))

    add(True, 0, type="auth", token=token)
    add(False, 0.01, type="auth_ok", user={"id": 1000, "name": "user 0"})
    add(True, 0.01, type="join", room="lobby")
    add(False, 0.01, type="joined", room="lobby")
    for seq in range(1, 5):
        said = {"type": "say", "seq": seq, "from": 1000, "mood": f"fine{seq * 7919}"}
        add(True, 1.5 + seq % 2, **said)
        add(False, 0.01, type="said", **{name: said[name] for name in ("from", *echo)})
    add(True, 0.5, type="leave", id=1000)
    return entry(url, messages)


async def imported(path: Path, *entries: dict[str, Any], arguments: tuple[str, ...] = ()) -> tuple[int, str, str]:
    file = path / "session.har"
    file.write_text(json.dumps(har(*entries)))
    environ: Mapping[str, str] = {"HOME": str(path), "XDG_CONFIG_HOME": str(path)}
    return await asyncio.to_thread(call, "import", str(file), *arguments, environ=environ, cwd=path)


async def test_a_har_of_a_chat_becomes_a_preset_that_holds_for_one_client_and_for_five(tmp_path: Path) -> None:
    async with Chat(token="good-token-1") as server:
        status, out, err = await imported(tmp_path, chat(server.url))
    assert (status, err) == (0, ""), out
    text = (tmp_path / "session.toml").read_text()
    assert "good-token-1" not in text + out and "set before a run: AUTH_TOKEN" in out
    assert "say: held" in out and "all of it held" in out
    made = load(tmp_path / "session.toml", {"AUTH_TOKEN": "x"})
    assert isinstance(made, Scenario)
    (role,) = made.roles
    assert [step.name for step in role.open] == ["auth", "join"] and [step.name for step in role.leave] == ["leave"]
    think, say = role.loop
    assert think.think == "1.5s..2.5s" and say.expect == {"type": "said", "from": "{{user_id}}", "seq": "{{seq}}"}
    kinds = server.kinds()
    assert kinds["auth"] == kinds["join"] == kinds["leave"] == 1 + 5 and kinds["say"] >= 2 * 6
    talkers = {document["from"] for _, document in server.log if document["type"] == "say"}
    assert len(talkers) == 6, "each sends the id that it was given"


async def test_what_does_not_hold_is_loosened_and_marked(tmp_path: Path) -> None:
    async with Chat(token="good-token-1") as server:
        status, out, _ = await imported(tmp_path, chat(server.url, echo=("seq", "mood")))
    assert status == 1 and "loosened to its kind" in out
    made = load(tmp_path / "session.toml", {"AUTH_TOKEN": "x"})
    assert isinstance(made, Scenario) and made.roles[0].loop[-1].expect == {"type": "said"}
    assert "NOT PROVEN" in (tmp_path / "session.toml").read_text()


class ChatWithoutEntry(Chat):
    """Lets nobody in."""

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        client.close(4401, "who are you?")


async def test_a_login_that_is_refused_is_told_and_not_loosened(tmp_path: Path) -> None:
    async with ChatWithoutEntry() as server:
        status, out, _ = await imported(tmp_path, chat(server.url))
    assert status == 1 and "0 of 1 ready" in out and "who are you?" in out
    made = load(tmp_path / "session.toml", {"AUTH_TOKEN": "x"})
    assert isinstance(made, Scenario) and made.roles[0].open[0].expect == {"type": "auth_ok"}


class Rpc(Server):
    """Speaks JSON-RPC, and refuses `gone`."""

    welcome = False

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        asked = json.loads(payload)
        gone = {"error": {"code": -32601, "message": "no such method"}}
        client.say(jsonrpc="2.0", id=asked["id"], **(gone if asked["method"] == "gone" else {"result": 1}))


def calls(url: str, *methods: str) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for n, method in enumerate(method for _ in range(3) for method in methods):
        messages.append(message(n, True, json.dumps({"jsonrpc": "2.0", "id": n, "method": method, "params": [n]})))
        messages.append(message(n + 0.1, False, f'{{"jsonrpc":"2.0","id":{n},"result":1}}'))
    return entry(url, messages)


async def test_a_reply_that_the_protocol_waits_for_is_told_and_marked_if_it_refuses(tmp_path: Path) -> None:
    async with Rpc() as server:
        status, out, _ = await imported(tmp_path, calls(server.url, "add", "gone"))
    assert status == 1, out
    assert re.search(r"call-add: held, \d+ of \d+ answered\n  call-gone: FAILED, \d+ of \d+ answered", out), out
    marked = [line for line in (tmp_path / "session.toml").read_text().splitlines() if "NOT PROVEN" in line]
    assert len(marked) == 1 and marked[0].startswith('name = "call-gone"')


async def test_frames_are_taken_as_those_of_the_protocol_asked_for(tmp_path: Path) -> None:
    async with Rpc() as server:
        status, out, err = await imported(tmp_path, calls(server.url, "add"), arguments=("--protocol", "raw"))
        assert (status, err) == (0, "") and "all of it held" in out, out
    text = (tmp_path / "session.toml").read_text()
    assert 'protocol = "raw"  # sure: as asked for' in text and '"add", "params": [{{seq}}]' in text.replace('\\"', '"')
    status, _, err = await imported(tmp_path, calls(server.url, "add"), arguments=("--protocol", "jsn"))
    assert status == 2 and "--protocol jsn: did you mean json" in err
    session = read_session(tmp_path / "session.har")
    assert "call = " in infer(session, session.connections, "a", protocol="jsonrpc").text()
    assert 'json = { jsonrpc = "2.0"' in infer(session, session.connections, "a", protocol="json").text()
    with pytest.raises(ImportFailed, match="its frames are not those of mqtt"):
        infer(session, session.connections, "a", protocol="mqtt")


async def test_without_a_target_the_preset_is_kept_unproven(tmp_path: Path) -> None:
    status, out, err = await imported(tmp_path, chat("ws://127.0.0.1:9/ws"), arguments=("--out", "mine.toml"))
    assert status == 3 and "nothing listens" in err and "mine.toml" in out and (tmp_path / "mine.toml").exists()
    status, _, err = await imported(tmp_path, chat("ws://127.0.0.1:9/ws"), arguments=("--out", "mine.toml"))
    assert status == 2 and "is there already: --force replaces it" in err
    status, *_ = await imported(
        tmp_path, chat("ws://127.0.0.1:9/ws"), arguments=("--out", "mine.toml", "--force", "--no-prove")
    )
    assert status == 0


async def test_of_several_endpoints_one_is_chosen(tmp_path: Path) -> None:
    entries = chat("ws://127.0.0.1:9/a?token=secret123"), entry("http://a.example/"), chat("ws://127.0.0.1:9/b")
    status, out, _ = await imported(tmp_path, *entries)
    assert status == 2 and "    1  7 sent, 6 received  ws://127.0.0.1:9/a?token=***" in out and "    3  7 sent" in out
    status, out, _ = await imported(tmp_path, *entries, arguments=("--json",))
    assert status == 0 and not (tmp_path / "session.toml").exists()
    assert json.loads(out) == [
        {"entry": 1, "sent": 7, "received": 6, "url": "ws://127.0.0.1:9/a?token=***"},
        {"entry": 3, "sent": 7, "received": 6, "url": "ws://127.0.0.1:9/b"},
    ]
    status, out, _ = await imported(tmp_path, *entries, arguments=("--entry", "3", "--no-prove"))
    assert status == 0 and "ws://127.0.0.1:9/b" in (tmp_path / "session.toml").read_text()
    status, _, err = await imported(tmp_path, *entries, arguments=("--entry", "2"))
    assert status == 2 and "entry 2 is not a WebSocket connection: there are 1, 3" in err
    status, _, err = await imported(tmp_path, entry("http://a.example/"))
    assert status == 2 and "has no WebSocket connection; it has 1 HTTP requests" in err


def test_a_secret_that_no_recording_shows_is_asked_for(tmp_path: Path) -> None:
    signed = {"channel": "private-x", "auth": "app-key:0123456789abcdef0123456789abcdef"}
    told: list[tuple[bool, dict[str, Any]]] = [
        (False, {"event": "pusher:connection_established", "data": {"socket_id": "1.2", "activity_timeout": 120}}),
        (True, {"event": "pusher:subscribe", "data": signed}),
        (False, {"event": "pusher_internal:subscription_succeeded", "channel": "private-x", "data": "{}"}),
    ]
    messages = [message(n, sent, json.dumps(document)) for n, (sent, document) in enumerate(told)]
    (tmp_path / "app.har").write_text(json.dumps(har(entry("ws://127.0.0.1:9/app/app-key?protocol=7", messages))))
    status, out, err = call("import", "app.har", cwd=tmp_path)
    assert status == 3 and "set before a run: PUSHER_SECRET (not in the recording)" in out
    assert "not proven: set PUSHER_SECRET first" in err
    text = (tmp_path / "app.toml").read_text()
    assert 'secret = "{{env PUSHER_SECRET}}"' in text and 'subscribe = "private-x"' in text and "0123456789" not in text
