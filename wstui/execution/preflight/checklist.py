"""The checks before a run, each a pure judgement: facts in, a line with its fix out."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from wstui.execution.calibrate.cost_model import ESTIMATE, Costs
from wstui.execution.run.limits import NEAR, OTHERS_BUSY, need_level
from wstui.execution.run.status import TargetHealth
from wstui.fleet.host_facts import PORT_RANGE
from wstui.load.selfcheck import FILES_RESERVED
from wstui.measure.format import duration, grouped
from wstui.scenario.hosts import is_loopback
from wstui.scenario.model import Scenario
from wstui.scenario.units import format_duration

SECRET_BYTES = 32
"""HS256 wants a secret as long as its hash (RFC 7518, 3.2)."""
CLOCK_NEAR_MS = 1000.0
CLOCK_FAR_MS = 60_000.0
"""Common leeway of servers for the times in a token."""
SIGN_US = 100.0
"""CPU of a signed token."""
MOST_PORTS = 64_512
"""The most of one source address: those from 1024 on."""
AT_ONCE_S = 0.1
"""The least time that clients need to connect when all come at once."""
CLIENT_BYTES, WORKER_BYTES = 16 * 1024, 96 << 20
"""Memory of a client, its socket in the kernel included, and of a worker."""


class CheckMark(StrEnum):
    """How a check ended."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


_MARKS = {"ok": CheckMark.PASS, "near": CheckMark.WARN, "bad": CheckMark.FAIL}


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, how it is, and what to do ("" when nothing need be done)."""

    name: str
    mark: CheckMark
    text: str
    fix: str = ""


def by_share(name: str, share: float, text: str, fix: str) -> Check:
    """Return the check of something that is needed, as a share of what there is."""
    mark = _MARKS[need_level(share)]
    return Check(name, mark, text, "" if mark is CheckMark.PASS else fix)


def token(claims: Mapping[str, Any] | None, now_s: float, planned_s: float) -> Check:
    """A token's times, by its claims (None if it is not a JWT): valid now, and until the run is over."""
    make_new = "make a new one (`wstui token --ttl SECONDS` for the Odin server) and set AUTH_TOKEN"
    if claims is None:
        return Check("token", CheckMark.PASS, "is not a JWT: its expiry can't be told from here")
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if _is_time(claims.get(name))}
    if "nbf" in times and times["nbf"] > now_s:
        return Check(
            "token", CheckMark.FAIL, f"is not valid before {_clock(times['nbf'])}", "wait, or set this machine's clock"
        )
    if "exp" not in times:
        return Check("token", CheckMark.PASS, "never expires")
    left = times["exp"] - now_s
    if left <= 0:
        return Check("token", CheckMark.FAIL, f"has expired at {_clock(times['exp'])}", make_new)
    text = f"is valid until {_clock(times['exp'])}"
    if left < planned_s:
        return Check("token", CheckMark.FAIL, f"{text}, and the run takes {duration(round(planned_s))}", make_new)
    if "iat" in times and times["iat"] > now_s + CLOCK_NEAR_MS / 1e3:
        return Check("token", CheckMark.WARN, f"{text}, but was issued in the future", "set this machine's clock (NTP)")
    return Check("token", CheckMark.PASS, text)


def signing(secret: str, ttl_s: float, planned_s: float) -> Check:
    """Tokens that this machine signs itself."""
    text = f"each client gets its own, valid for {duration(ttl_s)}"
    if ttl_s < planned_s:
        fix = f'set auth.ttl to at least "{format_duration(math.ceil(planned_s))}"'
        return Check("token", CheckMark.WARN, f"{text}, and the run takes {duration(round(planned_s))}", fix)
    if len(secret.encode()) < SECRET_BYTES:
        fix = "use a longer JWT_SECRET, here and at the server: `openssl rand -hex 32`"
        return Check("token", CheckMark.WARN, f"{text}; the secret has only {len(secret.encode())} bytes", fix)
    return Check("token", CheckMark.PASS, text)


def clock(offset_ms: float, uncertainty_ms: float, signs_tokens: bool) -> Check:
    """The target's clock against ours."""
    text = f"the target's is {offset_ms:+.1f} ms from ours, ± {uncertainty_ms:.1f} ms"
    certain = abs(offset_ms) - uncertainty_ms
    if certain > CLOCK_FAR_MS and signs_tokens:
        return Check("clock", CheckMark.FAIL, f"{text}: tokens signed here may not count there", "set the clocks (NTP)")
    if certain > CLOCK_NEAR_MS:
        return Check("clock", CheckMark.WARN, f"{text}; delivery times are corrected by that", "set the clocks (NTP)")
    return Check("clock", CheckMark.PASS, text)


def health(seen: TargetHealth) -> Check:
    """Return the check of the target's own health."""
    claims = ", ".join(f"{claim.name} {claim.text}" for claim in seen.claims)
    if seen.state == "unknown":
        fix = "/health answered 200, but with a status that is not a known word for healthy or not"
        return Check("health", CheckMark.WARN, f"unknown: {seen.note}{f', {claims}' if claims else ''}", fix)
    text = f"{seen.state}{f': {claims}' if claims else ''}{f' ({seen.note})' if seen.note else ''}"
    if seen.state == "healthy":
        return Check("health", CheckMark.PASS, text)
    if seen.state == "not offered":
        fix = 'name their base URL in target.health, or write health = "off"'
        return Check("health", CheckMark.WARN, f"/health, /metrics and /stats are {text}", fix)
    fix = "look at what it depends on (its own /health says more) before loading it"
    return Check("health", CheckMark.FAIL if seen.state == "unhealthy" else CheckMark.WARN, text, fix)


def files(limit: int, peak: int, workers: int) -> Check:
    """Open files: each client takes one."""
    need = math.ceil(peak / workers) + FILES_RESERVED
    each = " per worker" if workers > 1 else ""
    if not limit:
        return Check("files", CheckMark.PASS, f"{grouped(need)} needed{each}, no limit known")
    enough = int(peak / max(1, NEAR * limit - FILES_RESERVED)) + 1
    fix = f"--workers {enough}, or ulimit -n {need * 2} (and the hard limit in /etc/security/limits.conf)"
    return by_share("files", need / limit, f"{grouped(need)} needed{each}, {grouped(limit)} allowed", fix)


def ports(available: int, peak: int, addresses: int, host: str = "") -> Check:
    """Local ports: each client takes one, for one destination, the target's `host`, and one source address."""
    enough = math.ceil(peak * addresses / (NEAR * max(1, available)))
    if is_loopback(host) and ":" not in host:
        last = ipaddress.IPv4Address("127.0.0.0") + enough
        how = f"--local-address 127.0.0.1-{last}"
    else:
        how = (
            "--local-address eth0:* takes all of an interface, and `sudo ip address add 10.0.0.9/24 dev eth0` adds "
            "one to it"
        )
    widen = f", or widen {PORT_RANGE}" if available < MOST_PORTS * addresses else ""
    fix = f"give {enough} source addresses: {how}{widen}"
    text = (
        f"{grouped(peak)} needed, {grouped(available)} from {grouped(addresses)} source "
        f"address{'' if addresses == 1 else 'es'}"
    )
    return by_share("ports", peak / max(1, available), text, fix)


def addresses(unusable: Sequence[str]) -> Check:
    """Source addresses that the scenario names."""
    if not unusable:
        return Check("addresses", CheckMark.PASS, "clients can connect from each of them")
    more = f" and {len(unusable) - 5} more" if len(unusable) > 5 else ""
    fix = "name addresses of this machine in fleet.local_addresses or --local-address"
    return Check("addresses", CheckMark.FAIL, f"can't connect from {', '.join(unusable[:5])}{more}", fix)


def processors(
    scenario: Scenario, workers: int, cores: int, busy: float, *, of: int = 0, costs: Costs = ESTIMATE
) -> Check:
    """CPU: a rough guess of what the peak takes of each worker, and what others take of the host (0…1).

    The host has `workers` of the `of` workers that there are in all; 0: it has all of them.
    """
    if busy > OTHERS_BUSY:
        text = f"other programs use {busy * 100:.0f} % of this machine"
        return Check("processors", CheckMark.WARN, text, "end them, or the figures are theirs as well")
    if workers > cores:
        text = f"{workers} workers on {cores} processor{'' if cores == 1 else 's'}"
        return Check("processors", CheckMark.WARN, text, f"use at most {cores} --workers, unless files demand more")
    messages = scenario.messages_per_s
    if messages is None:
        return Check("processors", CheckMark.PASS, f"a closed loop takes all that {workers} of {cores} processors give")
    share = _busiest(scenario, messages, costs) / (of or workers)
    whose = "a processor" if workers == 1 else f"each of {workers} processors"
    source = "by calibration" if costs.measured else "by estimate"
    text = (
        f"{f'about {share * 100:.0f} %' if share >= 0.005 else 'less than 1 %'} of {whose} {source}, without broadcasts"
    )
    if need_level(share) == "ok":
        return Check("processors", CheckMark.PASS, text)
    # Only a guess: the run itself tells when it is the limit.
    fix = "spread the load over more --workers or hosts, send less often (--every), or ramp more slowly (--ramp)"
    if not costs.measured:
        fix += "; `wstui calibrate` measures what this machine can"
    return Check("processors", CheckMark.WARN, text, fix)


def memory(available: int, peak: int, workers: int) -> Check:
    """Memory of the workers at the peak, in bytes."""
    need = peak * CLIENT_BYTES + workers * WORKER_BYTES
    text = f"about {grouped(need / 2**20)} MiB needed, {grouped(available / 2**20)} MiB free"
    return by_share("memory", need / max(1, available), text, "free some, or use fewer clients or another host")


def of_a_search(check: Check) -> Check:
    """A search may never reach its largest load, so lacking capacity for that must not stop it from starting."""
    if check.mark is not CheckMark.FAIL:
        return check
    return replace(check, mark=CheckMark.WARN, text=f"{check.text}, for the largest load that a search may try")


def _busiest(scenario: Scenario, messages: float, costs: Costs) -> float:
    """CPU seconds a second at the peak, and in the steepest ramp."""
    connects = scenario.connects_per_s
    if math.isinf(connects):
        connects = scenario.peak_clients / AT_ONCE_S
    connect_us = costs.connect_us + (SIGN_US if scenario.auth.kind in ("jwt", "mix") else 0.0)
    return max(messages * costs.message_us, connects * connect_us) / 1e6


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 < value < 1e11


def _clock(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s).astimezone().isoformat(sep=" ", timespec="seconds")
