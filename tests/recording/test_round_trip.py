"""A recorded run of our own roles is imported as the same roles."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conversations.chat import Chat, scenario
from tests.load.leading import led
from tests.recording.test_record import recording
from tests.servers.server import Connection, until
from wstui.recording.inference.infer import infer
from wstui.recording.proof import prove
from wstui.scenario.conversation.role import Role
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


class Pinging(Chat):
    """Pings after every other message."""

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        await super().other(client, first, payload)
        if json.loads(payload)["type"] == "say" and self.says % 2:
            self.say(client, type="ping", id=f"ping-{self.says:05}")


def essence(role: Role) -> object:
    """What a role does, without its name and without how fast."""
    said = role.model_dump(exclude_unset=True, exclude={"name"})
    for beat in said["heartbeats"]:
        del beat["every"]
    return said


async def test_a_recorded_run_of_roles_is_imported_as_the_same_roles(tmp_path: Path) -> None:
    async with Pinging() as server:
        async with recording(server.url, tmp_path, most=1 << 22) as made:
            played = scenario(f"ws://127.0.0.1:{made.port}/ws", ROLES, clients=3, every="100ms")
            async with led(played) as workers:
                await until(lambda: workers.c.matched >= 45 and server.kinds()["beat"] >= 12)
                await workers.drained()
        session = made.session
        assert len(session.connections) == 3
        draft = infer(session, session.connections, "again")
        again = loads(draft.text(), "", draft.secrets)
        assert isinstance(again, Scenario)
        (role,), (original,) = again.roles, played.roles
        assert essence(role) == essence(original), draft.text()
        assert 0.08 < again.messages.every < 0.13 and again.target.url == server.url
        assert draft.secrets == {"AUTH_TOKEN": "good"} and "good" not in draft.text()
        lines: list[str] = []
        proof = await prove(draft, "", lines.append)
    assert not proof.failed and not proof.unreachable, lines
    assert [line for line in lines if "held" in line] and "FAILED" not in "\n".join(lines)
