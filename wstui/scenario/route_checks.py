"""What must hold of the way to the target, and of the pings that keep it open."""

from __future__ import annotations

from collections.abc import Iterator

from wstui.scenario.errors import BadValue, quote
from wstui.scenario.hosts import is_loopback
from wstui.scenario.model import Scenario
from wstui.scenario.problem import Conflict
from wstui.scenario.proxy import is_address
from wstui.scenario.route import route_of
from wstui.scenario.secrets import mask_url
from wstui.scenario.url import is_unix


def route_findings(scenario: Scenario) -> Iterator[Conflict]:
    """What contradicts itself."""
    target = scenario.target
    if is_unix(target.url):
        for name in ("proxy", "connect_to"):
            value = getattr(target, name)
            if value not in ("", "env", "off"):
                message = "has no place beside a Unix socket, which is connected to itself"
                yield Conflict(("target", name), message, quote(mask_url(value)), rests_on=(("target", "url"),))
    try:
        route_of(scenario)
    except BadValue as error:
        yield Conflict(("target", "proxy"), error.message, quote(target.proxy))
    if target.ping_timeout is not None and target.ping_every is None:
        yield Conflict(("target", "ping_timeout"), 'needs pings: write ping_every = "20s" beside it')


def route_warnings(scenario: Scenario) -> Iterator[str]:
    """What probably is not meant."""
    target, fleet = scenario.target, scenario.fleet
    try:
        route = route_of(scenario)
    except BadValue:
        return
    if route.unix and fleet.local_addresses:
        yield "fleet.local_addresses has no effect: a Unix socket has no addresses."
    if target.spread_addresses:
        if route.unix or is_address(route.host):
            yield "target.spread_addresses has no effect: the target is not a name with several addresses."
        elif route.proxy is not None and route.proxy.looks_up:
            yield "target.spread_addresses has no effect: the proxy looks the name up (socks5:// leaves that to wstui)."
    if not fleet.is_remote:
        return
    if route.unix:
        yield "target.url names a Unix socket: each machine that makes load will look for it on itself."
    elif is_loopback(route.first_hop[0]) and (route.proxy is not None or route.moved):
        yield f"each machine that makes load will look for {route.first_hop[0]} on itself."
