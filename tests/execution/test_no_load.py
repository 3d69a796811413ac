"""What a run without thresholds is judged by, and runs that made no load."""

from __future__ import annotations

import re

import pytest

from tests.execution.running import Finished, finish, scenario, together
from tests.servers.failing_handshake import Refusing, Speechless
from tests.servers.server import Server
from tests.servers.talk import ClosingEarly, Losing
from wstui.cli.exit_codes import status_of
from wstui.execution.run.verdict import judged_by
from wstui.report.formats.ci_report import render_junit
from wstui.scenario.checks import warnings
from wstui.scenario.model import Auth, Messages, Scenario, Stage, Threshold

NOBODY = "ws://127.0.0.1:9/x"
ZEROS = [Threshold(metric=name, limit="== 0") for name in ("connections.dropped", "messages.timed_out")]


async def as_it_is(what: Scenario) -> Finished:
    return await finish(what, settled=False)


async def test_without_thresholds_losses_break_the_obvious_ones() -> None:
    async with Server() as well, Losing(every=1) as silent, ClosingEarly() as closing:
        good, unanswered, dropped = await together(
            finish(scenario(well.url, clients=3)),
            finish(scenario(silent.url, clients=3, timeout=0.3)),
            finish(scenario(closing.url, clients=3, hold=2.0), complete=False),
        )
    assert [(o.metric, o.passed, o.default) for o in good.result.verdict.thresholds] == [
        ("connect.success", True, True),
        ("connections.dropped", True, True),
        ("messages.timed_out", True, True),
        ("messages.duplicates", True, True),
        ("messages.unmatched", True, True),
        ("messages.invalid_texts", True, True),
    ]
    assert re.match("all (6 )?default thresholds kept", good.result.verdict.reason)
    for lost, metric in ((unanswered, "messages.timed_out"), (dropped, "connections.dropped")):
        assert status_of(lost.result) == 1
        assert f"{metric} was" in lost.result.verdict.reason and ", default)" in lost.result.verdict.reason


@pytest.mark.parametrize("given", [[], ZEROS])
async def test_a_run_that_attempted_nothing_is_no_load(given: list[Threshold]) -> None:
    plan = [Stage(name="wait", over=0.2, arrive=0.1, stay=1.0)]
    result = (await as_it_is(scenario(NOBODY, stages=plan, thresholds=given))).result
    assert status_of(result) == 2 and result.verdict.no_load and not result.passed
    assert re.match(r"no load was made: no client was started \(run \d+ms", result.verdict.reason)
    assert all(outcome.passed is None for outcome in result.verdict.thresholds), "nothing was kept"
    assert 'type="no load"' in render_junit(result)


async def test_a_run_that_was_too_short_blames_nobody() -> None:
    async with Server() as server, Speechless() as silent:
        settling, first, welcome, saying = await together(
            as_it_is(scenario(server.url, clients=2, ramp=0.0, hold=0.6, ready="open", settle=2.0)),
            as_it_is(scenario(server.url, stages=[Stage(name="hold", over=1.0, clients=1)])),
            as_it_is(scenario(silent.url, clients=2, ramp=0.0, hold=0.6, connect_timeout=2.0)),
            as_it_is(scenario(server.url, clients=1, ramp=0.0, hold=0.6, every=3600.0)),
        )
    assert (status_of(settling.result), settling.result.verdict.unreachable) == (2, False)
    assert "no message was sent (settle 2s, every 100ms, run 600ms)" in settling.result.verdict.reason
    assert first.result.connections.ready == 1, "the only client of a stage begins at once"
    assert status_of(welcome.result) == 3 and "no welcome within 2 s" in welcome.messages[0], "it was waited for"
    assert status_of(saying.result) == 2
    assert saying.result.verdict.reason == "no load was made: no message was sent (every 1h, run 600ms)"


async def test_what_the_target_did_is_unreachable() -> None:
    async with Refusing() as refusing:
        away, refused = await together(
            as_it_is(scenario(NOBODY, clients=2, ramp=0.0, hold=0.6)),
            as_it_is(scenario(refusing.url, clients=2, ramp=0.0, hold=0.6)),
        )
    for seen in (away, refused):
        assert status_of(seen.result) == 3 and seen.result.verdict.unreachable and not seen.result.verdict.no_load


def test_the_default_thresholds_follow_what_a_scenario_does() -> None:
    def names(**parts: object) -> list[str]:
        return [t.metric for t in judged_by(scenario(NOBODY).model_copy(update=parts))]

    assert names(messages=Messages(exchange="listen")) == [
        "connect.success",
        "connections.dropped",
        "messages.invalid_texts",
    ]
    assert names(auth=Auth(kind="mix"))[0] == "auth.correct"
    assert "messages.unmatched" not in names(messages=Messages(exchange="ping")), "pong frames may come unasked"
    assert {"subscribe.acks", "subscribe.leaks"} <= {*names(messages=Messages(subscribe=["BTC"]))}
    assert {"fanout.completeness", "fanout.duplicates"} <= {*names(messages=Messages(fanout="on"))}
    asked = scenario(NOBODY).target.model_copy(update={"ping_every": 20.0})
    assert "connections.unanswered_pings" in names(target=asked)
    assert names(thresholds=ZEROS) == ["connections.dropped", "messages.timed_out"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"stages": [Stage(name="ramp", over=0.001, clients=5)]}, "no client may be ready"),
        ({"ready": "open", "settle": 5.0}, "no client can be ready"),
        ({"ready": "open", "settle": 1.0}, "no client may be ready"),
        ({"every": 10.0}, "may send nothing"),
        (
            {"stages": [Stage(name="a", over=2.0, arrive=0.1, stay=1.0), Stage(name="b", over=9.0, clients=1)]},
            "no client arrives",
        ),
        ({"stages": [Stage(name="cooldown", over=9.0, clients=1)]}, "nothing is judged"),
    ],
)
def test_a_plan_that_cannot_do_anything_is_warned_of(settings: dict[str, object], said: str) -> None:
    assert any(said in text for text in warnings(scenario(NOBODY, **settings)))  # type: ignore[arg-type]
    assert not warnings(scenario(NOBODY))
