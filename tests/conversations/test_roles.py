"""Roles and steps over real sockets: what the server got is what was counted."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.conversations.chat import Chat, scenario
from tests.load.leading import MS, S, Workers, led
from tests.servers.server import TEXT, Connection, until
from wstui.load.protocol import Pace, Pause, Ramp, Resume
from wstui.measure.steps import StepCounts

AUTH = """
[[roles]]
name = "member"
leave = [{ json = { type = "leave", id = "{{id}}" } }]
[[roles.open]]
name = "auth"
json = { type = "auth", token = "good" }
expect = { type = "auth_ok" }
refuse = { type = "auth_error" }
within = "500ms"
capture = { id = "user.id" }
"""
SAY = """
[[roles.loop]]
name = "say"
json = { type = "say", seq = "{{seq}}", from = "{{id}}", text = "{{random text 40}}" }
expect = { type = "said", seq = "{{seq}}", from = "{{id}}" }
within = "300ms"
"""
MEMBER = AUTH + SAY


def counts(workers: Workers, name: str) -> StepCounts:
    """What was counted of a step."""
    return next(step.counts for step in workers.steps if step.name == name)


def balance(workers: Workers) -> None:
    """Everything that began has come to one end, once all clients are gone."""
    c = workers.c
    assert c.sent == c.no_reply_expected + c.matched + c.reply_timeouts + c.abandoned
    for step in workers.steps:
        n = step.counts
        assert n.begun == n.done + n.lost + n.abandoned, step
    for role in workers.roles.values():
        assert role.begun == role.completed + role.failed + role.cut, role


async def drained_with_equal_counts(server: Chat, workers: Workers) -> None:
    """Five members log in, talk and leave: the server and the workers count the same."""
    c = await workers.drained()
    kinds = server.kinds()
    assert c.matched == c.sent == kinds["say"] == counts(workers, "say").done and c.ready == 5
    assert counts(workers, "auth").done == kinds["auth"] == 5
    assert c.unmatched == c.duplicates == c.late == c.reply_timeouts == 0
    leavers = [document["id"] for _, document in server.log if document["type"] == "leave"]
    assert sorted(leavers) == [1000 + number for number in range(5)]
    assert server.ends == {"close 1000": 5}
    assert workers.roles["member"].completed == kinds["say"]


async def test_a_client_logs_in_talks_and_leaves_and_both_sides_count_the_same() -> None:
    async with Chat() as server, led(scenario(server.url, MEMBER, clients=5)) as workers:
        await until(lambda: workers.c.matched >= 100)
        await drained_with_equal_counts(server, workers)
        balance(workers)


async def test_a_round_that_waits_for_a_slow_server_is_not_sent_late_by_this_generator() -> None:
    slow = dict.fromkeys(range(1, 200), 0.06)
    async with Chat(delay_s=slow) as server, led(scenario(server.url, MEMBER, every="20ms")) as workers:
        await until(lambda: workers.c.matched >= 10)
        c = await workers.drained()
        assert c.late_sends < 5, "rounds are due before the reply of the one before"
        response = next(step.response for step in workers.steps if step.name == "say")
        assert (response.quantile(0.5) or 0) > 150 * MS, "the time they waited is in their response time"


async def test_a_refused_login_is_a_refused_attempt_with_its_reason() -> None:
    async with Chat(token="other") as server, led(scenario(server.url, MEMBER, clients=3)) as workers:
        await until(lambda: workers.c.refused == 3)
        (failure,) = workers.failures
        assert (failure.kind, failure.outcome, failure.count) == ("refused", "refused", 3)
        assert failure.message == 'member, auth: type = "auth_error"' and "bad token" in failure.samples[0].detail
        assert counts(workers, "auth").failed == 3 and workers.c.ready == workers.c.sent == 0


class ChatWithoutAnswers(Chat):
    """Says nothing to a login."""

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        self.log.append((client.number, {"type": "any"}))


async def test_a_login_without_an_answer_is_a_timed_out_attempt() -> None:
    async with ChatWithoutAnswers() as server, led(scenario(server.url, MEMBER, clients=2)) as workers:
        await until(lambda: workers.c.timed_out == 2)
        (failure,) = workers.failures
        assert failure.message == "member, auth: no reply within 500ms" and failure.outcome == "timed_out"
        assert counts(workers, "auth").lost == 2


async def test_lost_late_and_doubled_answers_are_told_apart_step_by_step() -> None:
    settings: dict[str, Any] = {
        "lose": frozenset({3, 8}), "twice": frozenset({5, 6, 11}), "delay_s": {7: 0.45, 10: 0.08, 12: 0.08},
    }  # fmt: skip
    async with Chat(**settings) as server, led(scenario(server.url, MEMBER)) as workers:
        await until(lambda: server.says >= 30)
        c = await workers.drained()
        say = counts(workers, "say")
        assert (say.lost, say.late, say.duplicates, say.failed) == (3, 1, 3, 0)
        assert (c.reply_timeouts, c.late, c.duplicates, c.unmatched) == (3, 1, 3, 0)
        assert say.begun == server.kinds()["say"] and c.received == sum(server.sent.values())
        # A round that is due while the one before still waits counts from when it was due.
        response = next(step.response for step in workers.steps if step.name == "say")
        assert response.high >= 300 * MS and sum(response.counts) == say.done + say.lost
        balance(workers)


async def test_steps_repeat_choose_think_and_close_as_written() -> None:
    roles = """
    [[roles]]
    name = "worker"
    loop = [
      { repeat = 3, steps = [{ name = "tick", json = { type = "tick" } }, { think = "5ms..10ms" }] },
      { choose = [
          { weight = 3, steps = [{ name = "often", json = { type = "often" } }] },
          { steps = [{ name = "rare", json = { type = "rare" } }, { name = "more", send = '{"type":"more"}' }] },
          { weight = 0, steps = [{ name = "never", json = { type = "never" } }] },
      ] },
    ]
    [[roles]]
    name = "guest"
    clients = 2
    loop = [{ json = { type = "hello" } }, { close = true }]
    """
    async with Chat() as server, led(scenario(server.url, roles, clients=6, every="50ms")) as workers:
        await until(lambda: workers.roles["worker"].completed >= 80)
        assert workers.c.open == 4 and workers.c.closed == 2
        await workers.drained()
        kinds, rounds = server.kinds(), workers.roles["worker"]
        assert kinds["hello"] == 2 and kinds["never"] == 0 and kinds["rare"] == kinds["more"]
        assert 3 * rounds.completed <= kinds["tick"] <= 3 * rounds.begun
        assert 0.1 < kinds["rare"] / (kinds["rare"] + kinds["often"]) < 0.4
        assert {name: counts(workers, name).done for name in ("tick", "often", "rare", "more")} == {
            name: kinds[name] for name in ("tick", "often", "rare", "more")
        }
        balance(workers)


async def test_clients_meet_and_an_announcer_waits_until_all_are_ready() -> None:
    roles = """
    [[roles]]
    name = "pair"
    open = [{ name = "meet", meet = { name = "pair", clients = 2, within = "5s" } }]
    loop = [{ name = "sync", meet = { name = "round", clients = 4, within = "5s" } }, { json = { type = "go" } }]
    [[roles]]
    name = "announcer"
    clients = 1
    loop = [{ meet = "all ready" }, { json = { type = "announce", stamp = "{{stamp}}" } }]
    """
    async with Chat() as server, led(scenario(server.url, roles, clients=5)) as workers:
        await until(lambda: server.kinds()["announce"] >= 2 and server.kinds()["go"] >= 8)
        await workers.drained()
        order = [document["type"] for _, document in server.log]
        assert order.count("go") % 4 == 0
        assert workers.c.ready == 5
        balance(workers)


class Lively(Chat):
    """Pings its clients, numbers and stamps what it sends to all, and forgets a beat."""

    beats = 0

    async def opened(self, client: Connection) -> None:
        self.say(client, type="poke", id=client.number + 7)
        for number in (1, 2, 5, 4, 4, 6):
            self.say(client, type="news", n=number, at={"s": time.time(), "iso": "no"}, deep='{"x": [{"y": 5}]}')

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        if b'"beat"' in payload:
            self.beats += 1
            if self.beats % 3 == 0:
                self.log.append((client.number, {"type": "beat"}))
                return
        await super().other(client, first, payload)


async def test_rules_act_by_themselves() -> None:
    roles = """
    [[roles]]
    name = "member"
    open = [{ name = "deep", expect = { "deep.x.0.y" = 5 }, capture = { y = "deep.x.0.y" } }]
    loop = [
      { name = "say", json = { type = "say", seq = "{{seq}}", from = "{{y}}" }, expect = { seq = "{{seq text}}" } },
    ]
    answer = [{ on = { type = "poke" }, json = { type = "poked", id = "{{message.id}}", text = "is {{message.id}}" } }]
    heartbeats = [
      { name = "beat", every = "60ms", within = "30ms", json = { type = "beat" }, expect = { type = "beat_ok" } },
    ]
    delivery = { name = "news", of = { type = "news" }, stamp = "at.s" }
    sequence = { of = { type = "news" }, number = "n" }
    """
    async with Lively() as server, led(scenario(server.url, roles, clients=3)) as workers:
        await until(lambda: server.beats >= 20)
        await workers.drained()
        poked = [document for _, document in server.log if document["type"] == "poked"]
        assert sorted(document["id"] for document in poked) == [7, 8, 9]
        assert all(document["text"] == f"is {document['id']}" for document in poked)
        beat, news, c = counts(workers, "beat"), counts(workers, "news"), workers.c
        assert beat.begun == server.kinds()["beat"] == c.pings and beat.done == c.pongs
        assert server.beats // 3 - 3 <= beat.lost <= server.beats // 3 and not any(
            s.name == "deep" and s.counts.lost for s in workers.steps
        )
        assert news.done == 18 and news.failed == 0
        spread = next(step.response for step in workers.steps if step.name == "news")
        assert spread.low >= 0 and spread.high < 2 * S
        assert (c.sequence_received, c.sequence_gaps, c.sequence_disorder, c.sequence_repeats) == (18, 3, 3, 3)
        assert c.sent == server.kinds()["say"] and all(d["from"] == 5 for _, d in server.log if d["type"] == "say")
        balance(workers)


@pytest.mark.parametrize(("within", "words"), [("20ms", "within 20ms"), ("10s", "before the next was due")])
async def test_a_heartbeat_without_a_reply_is_lost_in_time_or_when_the_next_is_due(within: str, words: str) -> None:
    roles = f"""
    [[roles]]
    name = "member"
    [[roles.heartbeats]]
    name = "beat"
    every = "60ms"
    within = "{within}"
    json = {{ type = "beat" }}
    expect = {{ type = "beat_ok" }}
    """
    async with Lively() as server, led(scenario(server.url, roles, clients=1)) as workers:
        await until(lambda: workers.failures)
        assert f"member, beat: no reply {words}" in {group.message for group in workers.failures}


async def test_a_pause_holds_rounds_up_and_a_new_pace_plans_them_anew() -> None:
    async with Chat() as server, led(scenario(server.url, MEMBER, clients=4)) as workers:
        await until(lambda: server.says >= 20)
        workers.handle(Pause())
        await until(lambda: workers.c.in_flight == 0)
        held = server.says
        await asyncio.sleep(0.2)
        assert server.says == held
        workers.handle(Resume())
        await until(lambda: server.says > held + 8)
        workers.handle(Pace(3600 * S))
        await until(lambda: workers.c.in_flight == 0)
        await asyncio.sleep(0.1)
        slow = server.says
        await asyncio.sleep(0.15)
        assert server.says == slow
        workers.handle(Pace(0))
        await until(lambda: server.says > slow + 400)
        workers.handle(Pause())
        await until(lambda: workers.c.in_flight == 0)
        workers.handle(Resume())
        last = server.says
        await until(lambda: server.says > last + 100)
        await workers.drained()
        assert counts(workers, "say").done == server.says
        balance(workers)


async def test_clients_of_a_ramp_down_say_goodbye_and_others_go_on() -> None:
    async with Chat() as server, led(scenario(server.url, MEMBER, clients=6)) as workers:
        await until(lambda: workers.c.open == 6)
        workers.handle(Ramp(2, 0))
        await until(lambda: workers.c.open == 2 and server.kinds()["leave"] == 4)
        more = server.says + 10
        await until(lambda: server.says > more)
        await workers.drained()
        assert server.kinds()["leave"] == 6 and server.ends == {"close 1000": 6}
        balance(workers)


async def test_who_was_dropped_begins_again_with_its_first_step() -> None:
    more = 'reconnect = "at once"'
    async with Chat() as server, led(scenario(server.url, MEMBER, clients=3, more=more)) as workers:
        await until(lambda: server.says >= 10)
        for client in list(server.live.values()):
            client.reset()
        await until(lambda: workers.c.reconnects == 3 and server.kinds()["auth"] == 6)
        again = server.says
        await until(lambda: server.says > again + 10)
        c = await workers.drained()
        numbers = [document["seq"] for client, document in server.log if document["type"] == "say" and client in (0, 3)]
        assert c.dropped == 3 and numbers
        balance(workers)


async def test_an_abort_in_the_middle_of_everything_leaves_balanced_books() -> None:
    async with Chat(delay_s=dict.fromkeys(range(1, 1000), 0.2)) as server:
        async with led(scenario(server.url, MEMBER, clients=20)) as workers:
            await until(lambda: server.says >= 30)
        assert workers.c.abandoned == counts(workers, "say").abandoned > 0
        balance(workers)


class Binary(Chat):
    """Answers frames with their kind."""

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        self.log.append((first, {"type": payload.hex()}))
        client.send(b"\x01" + payload if first != TEXT else b"ok " + payload, first)


async def test_binary_and_text_frames_files_and_padding(tmp_path: Any) -> None:
    (tmp_path / "hello.txt").write_text("hello {{client}}")
    roles = """
    [[roles]]
    name = "any"
    [[roles.loop]]
    name = "hex"
    hex = "00ff {{client}}"
    expect = { hex = "0100ff" }
    [[roles.loop]]
    name = "base64"
    base64 = "AP8="
    size = 8
    expect = { hex = "0100ff000000000000" }
    [[roles.loop]]
    name = "file"
    file = "FOLDER/hello.txt"
    expect = { equals = "ok hello {{client}}" }
    [[roles.loop]]
    name = "text"
    send = "a{{pad}}b"
    size = 6
    expect = { regex = "^ok a +b$", contains = "ok", prefix = "ok a" }
    capture = { word = "regex:ok (a +b)" }
    [[roles.loop]]
    name = "said"
    send = "<{{word}}>"
    expect = { equals = "ok <{{word}}>" }
    """.replace("FOLDER", str(tmp_path))
    async with Binary() as server, led(scenario(server.url, roles)) as workers:
        await until(lambda: workers.roles["any"].completed >= 3)
        await workers.drained()
        assert all(counts(workers, name).done >= 3 for name in ("hex", "base64", "file", "text", "said"))
        assert not workers.failures
        assert (0x82, {"type": "00ff30"}) in server.log and (TEXT, {"type": b"<a    b>".hex()}) in server.log
        balance(workers)


@pytest.mark.parametrize("close", [False, True])
async def test_a_step_that_fails_ends_its_round_or_its_client(close: bool) -> None:
    roles = f"""
    [[roles]]
    name = "any"
    on_failure = "{"close" if close else "continue"}"
    [[roles.loop]]
    name = "auth"
    json = {{ type = "auth" }}
    expect = {{ type = "auth_ok" }}
    refuse = {{ type = "auth_error" }}
    [[roles.loop]]
    name = "next"
    json = {{ type = "next" }}
    """
    async with Chat() as server, led(scenario(server.url, roles, clients=2)) as workers:
        await until(lambda: server.kinds()["auth"] >= (2 if close else 10))
        await until(lambda: not close or workers.c.closed == 2)
        c = await workers.drained()
        auth = counts(workers, "auth")
        assert (
            auth.failed == auth.done == c.broken_expectations == server.kinds()["auth"] and not server.kinds()["next"]
        )
        assert workers.roles["any"].failed == auth.failed
        balance(workers)
