# ruff: noqa: E501 - steps in one line each
"""`wstui run --trace N`: the conversation of a few clients, while the load runs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.cli.commands import call
from tests.conversations.chat import Chat
from tests.servers.server import Connection
from tests.servers.web import LoginPage

PRESET = """
[target]
url = "{url}"
settle = "50ms"
[[stages]]
name = "all"
over = "1s"
clients = 8
[messages]
every = "100ms"
[fleet]
workers = 2
[[roles]]
name = "member"
answer = [{{ on = {{ type = "beat_ok" }}, json = {{ type = "thanks" }} }}]
leave = [{{ name = "bye", json = {{ type = "leave" }} }}]
[[roles.open]]
name = "auth"
json = {{ type = "auth", token = "hunter2-hunter2" }}
expect = {{ type = "auth_ok" }}
capture = {{ id = "user.id", session_token = "user.name" }}
[[roles.open]]
json = {{ type = "beat" }}
[[roles.loop]]
name = "say"
json = {{ type = "say", seq = "{{{{seq}}}}", from = "{{{{id}}}}", text = "{{{{session_token}}}}" }}
expect = {{ type = "said", seq = "{{{{seq}}}}" }}
"""


class ControlCharacters(Chat):
    """Sends what would turn a terminal's text around."""

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        await super().other(client, first, payload)
        if b'"beat"' in payload:
            client.send("\x1b[31m\u202e red".encode())


async def test_the_conversation_of_one_client_is_printed_with_what_matched_and_was_captured(tmp_path: Path) -> None:
    preset = tmp_path / "chat.toml"
    async with ControlCharacters(token="hunter2-hunter2") as server:
        preset.write_text(PRESET.format(url=server.url))
        arguments = ("run", str(preset), "--trace", "1", "--no-store", "--no-control", "--allow-limited")
        status, out, err = await asyncio.to_thread(call, *arguments)
    assert status == 0, err
    heads = re.findall(r"^ *(\d+\.\d{3})s (\w+ \d+) (→|←) (.*)$", out, re.MULTILINE)
    assert len({who for _, who, _, _ in heads}) == 1
    times = [float(at) for at, *_ in heads]
    assert times == sorted(times)
    told = [(arrow, text) for _, _, arrow, text in heads]
    assert told[0] == ("→", 'auth: {"type":"auth","token":"***"}')
    assert told[1][0] == "←" and '"name": "***"' in told[1][1].replace('":"', '": "')
    assert re.search(r"✓ auth: .*auth_ok", out) and re.search(r"^ +id = 10\d\d$", out, re.MULTILINE)
    assert re.search(r"^ +session_token = \*\*\*$", out, re.MULTILINE)
    assert ("→", 'answer: {"type":"thanks"}') in told and ("→", 'bye: {"type":"leave"}') in told
    says = [text for arrow, text in told if text.startswith("say: ")]
    assert len(says) >= 5 and out.count("✓ say") == len(says)
    assert "\\x1b[31m\\u202e red" in out and "\x1b" not in out and "\u202e" not in out
    assert "hunter2" not in out + err and "user 0" not in out and "user 1" not in out


async def test_a_preset_without_roles_has_no_conversation_to_print() -> None:
    status, _, err = await asyncio.to_thread(call, "run", "soak", "--trace", "1")
    assert status == 2 and "--trace prints what clients of roles say" in err


HTTP = """
[[login]]
name = "session"
post = "{web}/login?api_key=hunter2-hunter2"
json = {{ user = "u", password = "pw" }}
capture = {{ token = "token", plan = "plan" }}
"""


async def test_logins_requests_and_steps_and_heartbeats_without_an_answer_are_in_the_trace(tmp_path: Path) -> None:
    preset = tmp_path / "chat.toml"
    async with LoginPage() as web, Chat(lose=frozenset(range(1, 999))) as server:
        text = PRESET.partition("[[roles.open]]")[0].replace("clients = 8", "clients = 2") + HTTP + LOST
        preset.write_text(text.format(url=server.url, web=web.url))
        arguments = ("run", str(preset), "--trace", "1", "--no-store", "--no-control")
        _, out, _ = await asyncio.to_thread(call, *arguments)
    assert '→ quiet: {"type":"nothing"}' in out and '→ beat: {"type":"beat"}' in out
    assert re.search(r"← ✗ member, quiet: no reply within 80ms$", out, re.MULTILINE)
    assert "member, beat: no reply" not in out
    assert re.search(r"→ login, session: POST /login\?api_key=\*\*\*$", out, re.MULTILINE)
    assert re.search(r"← login, session: HTTP 200, \d+ B\n +token = \*\*\*\n +plan = gold$", out, re.MULTILINE)
    assert re.search(r"→ member, create: POST /rooms$", out, re.MULTILINE) and "member, create: HTTP 503" in out
    assert re.search(r"← ✗ member, say: no reply within 50ms$", out, re.MULTILINE) and "t-secret" not in out


LOST = """
[[roles.loop]]
choose = [
    {{ steps = [{{ name = "say", json = {{ type = "say", seq = "{{{{seq}}}}" }}, expect = {{ seq = "{{{{seq}}}}" }}, within = "50ms" }}] }},
    {{ steps = [{{ name = "create", http = {{ post = "{web}/rooms", body = "x" }} }}] }},
]
[[roles.heartbeats]]
name = "quiet"
every = "100ms"
within = "80ms"
json = {{ type = "nothing" }}
expect = {{ type = "nothing_ok" }}
[[roles.heartbeats]]
name = "beat"
every = "100ms"
json = {{ type = "beat" }}
expect = {{ type = "beat_ok" }}
within = "5s"
"""
