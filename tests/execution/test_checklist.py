"""Each check before a run is a judgement of facts: what passes, what warns, what fails, and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wstui.execution.calibrate import cost_model
from wstui.execution.calibrate.calibration import Figure
from wstui.execution.preflight import checklist
from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.execution.run.status import ReportedMetric, TargetHealth
from wstui.scenario.breakpoint import Breakpoint
from wstui.scenario.model import Auth, Messages, Scenario, Stage

NOW = 1_800_000_000.0
PASS, WARN, FAIL = CheckMark.PASS, CheckMark.WARN, CheckMark.FAIL


@pytest.mark.parametrize(
    ("claims", "mark", "word"),
    [
        (None, PASS, "not a JWT"),
        ({}, PASS, "never expires"),
        ({"exp": NOW + 61}, PASS, "valid until"),
        ({"exp": NOW + 59}, FAIL, "the run takes 1 min"),
        ({"exp": NOW - 1}, FAIL, "has expired"),
        ({"exp": str(NOW - 1)}, PASS, "never expires"),
        ({"exp": float("nan")}, PASS, "never expires"),
        ({"exp": True}, PASS, "never expires"),
        ({"exp": NOW + 600, "nbf": NOW + 5}, FAIL, "not valid before"),
        ({"exp": NOW + 600, "nbf": NOW - 5}, PASS, "valid until"),
        ({"exp": NOW + 600, "iat": NOW + 30}, WARN, "issued in the future"),
    ],
)
def test_a_token_has_to_last_until_the_end(claims: dict[str, object] | None, mark: CheckMark, word: str) -> None:
    seen = checklist.token(claims, NOW, 60.0)
    assert (seen.mark, word in seen.text) == (mark, True), seen
    assert bool(seen.fix) == (mark is not PASS)


@pytest.mark.parametrize(
    ("secret", "ttl", "mark"), [("s" * 32, 3600, PASS), ("s" * 31, 3600, WARN), ("s" * 32, 59, WARN)]
)
def test_signed_tokens_need_a_secret_and_a_life(secret: str, ttl: float, mark: CheckMark) -> None:
    seen = checklist.signing(secret, ttl, 60.0)
    assert seen.mark is mark
    assert secret not in seen.text + seen.fix


@pytest.mark.parametrize(
    ("offset", "uncertainty", "signs", "mark"),
    [
        (0.3, 0.5, True, PASS),
        (-1200, 500, True, PASS),
        (-2000, 500, True, WARN),
        (70_000, 5, False, WARN),
        (70_000, 5, True, FAIL),
    ],
)
def test_clocks_matter_as_far_as_they_are_known(
    offset: float, uncertainty: float, signs: bool, mark: CheckMark
) -> None:
    assert checklist.clock(offset, uncertainty, signs).mark is mark


@pytest.mark.parametrize(
    ("state", "mark"), [("healthy", PASS), ("degraded", WARN), ("unhealthy", FAIL), ("not offered", WARN)]
)
def test_a_target_that_is_unwell_is_not_loaded(state: str, mark: CheckMark) -> None:
    seen = checklist.health(TargetHealth(state, (ReportedMetric("nats", "connected"),), "why"))
    assert seen.mark is mark
    assert "nats connected" in seen.text and "why" in seen.text


def test_as_many_workers_as_the_fix_says_have_files_enough() -> None:
    assert checklist.files(20_000, 400_000, 1).fix.startswith("--workers 26, or ulimit -n 800128 ")
    assert checklist.files(20_000, 400_000, 26).mark is PASS


@pytest.mark.parametrize(
    ("check", "mark"),
    [
        (checklist.files(0, 10**6, 1), PASS),
        (checklist.files(1024, 700, 1), PASS),
        (checklist.files(1024, 900, 1), WARN),
        (checklist.files(1024, 961, 1), FAIL),
        (checklist.files(1024, 1400, 2), PASS),
        (checklist.ports(28232, 22000, 1), PASS),
        (checklist.ports(28232, 28000, 1), WARN),
        (checklist.ports(28232, 28233, 1), FAIL),
        (checklist.addresses([]), PASS),
        (checklist.addresses(["10.9.8.7 (no address of this machine)"]), FAIL),
        (checklist.memory(1 << 30, 1000, 1), PASS),
        (checklist.memory(1 << 27, 1000, 1), WARN),
        (checklist.memory(1 << 26, 1000, 1), FAIL),
    ],
)
def test_what_this_host_has_is_enough_scarce_or_too_little(check: Check, mark: CheckMark) -> None:
    assert check.mark is mark, check
    assert bool(check.fix) == (mark is not PASS)


def load(clients: int, every: float = 5.0, ramp: float = 10.0, kind: str = "none", exchange: str = "odin") -> Scenario:
    return Scenario(
        auth=Auth(kind=kind),  # type: ignore[arg-type]
        stages=[Stage(name="ramp", over=ramp, clients=clients), Stage(name="hold", over=60)],
        messages=Messages(every=every, exchange=exchange),  # type: ignore[arg-type]
    )


def search(of: str, most: int) -> Scenario:
    return Scenario(breakpoint=Breakpoint(of=of, most=most))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scenario", "workers", "busy", "mark"),
    [
        (load(1000), 1, 0.1, PASS),
        (load(1000), 1, 0.6, WARN),
        (load(1000), 5, 0.1, WARN),
        (load(1000, every=0), 1, 0.1, PASS),
        (load(10_000, every=0.1), 1, 0.1, WARN),
        (load(10_000, every=0.1), 4, 0.1, PASS),
        (load(5000, ramp=0.5), 1, 0.1, WARN),
        (load(5000, ramp=0), 1, 0.1, WARN),
        (load(5000, ramp=1, kind="jwt"), 1, 0.1, WARN),
        (load(5000, ramp=1, exchange="listen"), 1, 0.1, PASS),
        (search("connects", 8000), 1, 0.1, WARN),
        (search("messages", 60_000), 1, 0.1, WARN),
        (search("messages", 600), 1, 0.1, PASS),
    ],
)
def test_processors_are_guessed_by_messages_and_by_the_steepest_ramp(
    scenario: Scenario, workers: int, busy: float, mark: CheckMark
) -> None:
    assert checklist.processors(scenario, workers, 4, busy).mark is mark


def test_processors_are_judged_by_the_calibration_of_this_host_or_said_to_be_an_estimate(tmp_path: Path) -> None:
    file = tmp_path / "wstui" / "calibration.json"
    assert cost_model.known(file) == cost_model.ESTIMATE
    guessed = checklist.processors(load(10_000, every=0.1), 1, 4, 0.0)
    assert "by estimate" in guessed.text and "wstui calibrate" in guessed.fix
    figures = [Figure(f"{cost_model.TRIP}, 200 clients", "µs", (8.0, 5.0, 4.0)),
               Figure(f"{cost_model.CONNECT}, 5000 clients", "/s", (20_000.0,)),
               Figure(f"{cost_model.CONNECT}, 10000 clients", "/s", (10_000.0,))]  # fmt: skip
    cost_model.save(json.dumps({"figures": [figure.to_plain() for figure in figures]}), file)
    found = cost_model.known(file)
    assert found == cost_model.Costs(10.0, 200.0, measured=True)
    judged = checklist.processors(load(1000, every=0.1), 1, 4, 0.0, costs=found)
    assert judged.text.startswith("about 10 % of a processor by calibration")
    for broken in ("", "{}", '{"figures": [{"name": "CPU a round trip", "median": 0}]}', '{"figures": 3}', "[1]"):
        file.write_text(broken)
        assert cost_model.known(file) == cost_model.ESTIMATE
