"""A recorded run of our own roles is imported as the same roles."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from tests.conversations.chat import Chat, scenario
from tests.conversations.test_roles import counts
from tests.load.leading import led
from tests.recording.test_record import recording
from tests.servers.server import Connection, until
from wstui.recording.inference.infer import infer
from wstui.recording.proof import prove
from wstui.scenario.conversation.delay import parse_delay
from wstui.scenario.conversation.role import Role, Step
from wstui.scenario.file import loads
from wstui.scenario.model import Scenario

ROLES = """
[[roles]]
name = "member"
answer = [{ on = { type = "ping" }, json = { type = "pong", id = "{{message.id}}" } }]
leave = [{ name = "leave", json = { type = "leave", id = "{{user_id}}" } }]
[[roles.open]]
name = "auth"
json = { type = "auth", token = "good" }
expect = { type = "auth_ok" }
capture = { user_id = "user.id" }
[[roles.loop]]
name = "say"
json = { type = "say", seq = "{{seq}}", from = "{{user_id}}", text = "{{random text 40}}" }
expect = { type = "said", seq = "{{seq}}", from = "{{user_id}}" }
[[roles.heartbeats]]
name = "beat"
every = "150ms"
json = { type = "beat" }
expect = { type = "beat_ok" }
"""


class PingingChat(Chat):
    """Pings after every other message."""

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        await super().other(client, first, payload)
        if json.loads(payload)["type"] == "say" and self.says % 2:
            self.say(client, type="ping", id=f"ping-{self.says:05}")


def essence(role: Role) -> object:
    """What a role does, without its name and without how fast: on a busy machine no interval is steady."""
    said = role.model_dump(exclude_unset=True, exclude={"name"})
    said["loop"] = [step for step in said["loop"] if "think" not in step]
    for beat in said["heartbeats"]:
        del beat["every"]
    return said


async def test_a_recorded_run_of_roles_is_imported_as_the_same_roles(tmp_path: Path) -> None:
    async with PingingChat() as server:
        async with recording(server.url, tmp_path, most=1 << 22) as made:
            played = scenario(f"ws://127.0.0.1:{made.port}/ws", ROLES, clients=3, every="250ms")
            async with led(played) as workers:
                await until(lambda: workers.c.matched >= 27 and server.kinds()["beat"] >= 12)
                await workers.drained()
        session = made.session
        assert len(session.connections) == 3
        draft = infer(session, session.connections, "again")
        again = loads(draft.text(), "", draft.secrets)
        assert isinstance(again, Scenario)
        (role,), (original,) = again.roles, played.roles
        assert essence(role) == essence(original), draft.text()
        pauses = [parse_delay(step.think).mean for step in role.loop if step.think]
        assert 0.15 < again.messages.every + sum(pauses) < 0.4 and again.target.url == server.url
        assert draft.secrets == {"AUTH_TOKEN": "good"} and "good" not in draft.text()
        lines: list[str] = []
        proof = await prove(draft, "", lines.append)
    assert not proof.failed and not proof.unreachable, lines
    assert [line for line in lines if "held" in line] and "FAILED" not in "\n".join(lines)


def terms(steps: list[Step]) -> list[dict[str, object]]:
    """What steps say in the terms of a protocol; `think` aside."""
    return [dict(step.model_extra or {}) for step in steps if not step.think]


SPOKEN: dict[str, tuple[str, str]] = {
    "centrifugo": (
        'token = "good"',
        '[[roles.open]]\nname = "join"\nsubscribe = "room"\n'
        '[[roles.loop]]\nname = "say"\npublish = "room"\ndata = { n = "{{seq}}" }\n'
        '[[roles.loop]]\nname = "add"\nrpc = "add"\ndata = [1, 2]\n',
    ),
    "wamp": (
        'realm = "realm1"',
        '[[roles.open]]\nname = "watch"\nsubscribe = "com.example.said"\n'
        '[[roles.loop]]\nname = "say"\npublish = "com.example.said"\nargs = ["{{seq}}"]\n'
        'kwargs = { from = "{{client}}" }\n'
        '[[roles.loop]]\nname = "add"\ncall = "com.example.add"\nargs = [1, "{{seq}}"]\n',
    ),
    "signalr": (
        'format = "messagepack"',
        '[[roles.loop]]\nname = "add"\ninvoke = "Add"\nargs = [1, "{{seq}}"]\n'
        '[[roles.loop]]\nname = "count"\nstream = "Count"\nargs = [3]\n'
        '[[roles.loop]]\nname = "shout"\nnotify = "Shout"\nargs = ["{{random uuid}}"]\n',
    ),
}


@pytest.mark.parametrize("protocol", SPOKEN)
async def test_roles_in_the_terms_of_a_protocol_are_imported_in_the_same_terms(protocol: str, tmp_path: Path) -> None:
    options, roles = SPOKEN[protocol]
    found = import_module(f"tests.protocols.test_{protocol}")
    serving = {"centrifugo": "Centrifugo", "wamp": "Router", "signalr": "Hub"}[protocol]
    settings = {"token": "good"} if protocol == "centrifugo" else {}
    async with getattr(found, serving)(**settings) as server:
        async with recording(server.url, tmp_path, most=1 << 22) as made:
            more = f'protocol = "{protocol}"\n[target.options]\n{options}\n'
            url = f"ws://127.0.0.1:{made.port}/ws"
            played = scenario(url, f'[[roles]]\nname = "one"\n{roles}', clients=3, every="100ms", more=more)
            async with led(played) as workers:
                await until(lambda: counts(workers, played.roles[0].loop[-1].name).done >= 15)
                await workers.drained()
        session = made.session
        draft = infer(session, session.connections, "again")
        again = loads(draft.text(), "", draft.secrets)
        assert isinstance(again, Scenario)
    (role,), (original,) = again.roles, played.roles
    assert again.target.protocol == protocol and again.target.options.keys() <= played.target.options.keys()
    for phase in ("open", "loop", "leave"):
        assert terms(getattr(role, phase)) == terms(getattr(original, phase)), draft.text()
    assert not role.heartbeats and not role.answer
