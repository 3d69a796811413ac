"""A scenario as the specifications of its workers."""

from __future__ import annotations

from wstui.execution.run.compile_roles import roles_of
from wstui.load.protocol import AuthSpec, ConnectSpec, ConversationSpec, SendSpec, Spec
from wstui.load.role_spec import RolesSpec
from wstui.scenario.file_refs import located
from wstui.scenario.lowering import spoken
from wstui.scenario.model import Messages, Scenario
from wstui.scenario.route import route_of
from wstui.scenario.url import split_unix

NS = 1_000_000_000


def specs_of(scenario: Scenario, workers: int) -> list[Spec]:
    """Return a specification for each of at most `workers` processes."""
    if scenario.peak_clients:
        # A process without a client would only cost its start.
        workers = min(workers, scenario.peak_clients)
    return [spec_of(scenario, worker, workers) for worker in range(workers)]


def spec_of(scenario: Scenario, worker: int = 0, workers: int = 1) -> Spec:
    """Return the specification of worker number `worker` of `workers`."""
    return Spec(
        worker=worker,
        workers=workers,
        seed=scenario.messages.seed,
        connect=connect_of(scenario),
        auth=auth_of(scenario),
        send=SendSpec(
            every_ns=round(scenario.messages.every * NS),
            arrivals=scenario.messages.arrivals,
            jitter=scenario.messages.jitter,
            ping_every_ns=round((scenario.target.ping_every or 0) * NS),
            ping_timeout_ns=round((scenario.target.ping_timeout or 0) * NS),
        ),
        conversation=_conversation(scenario, roles_of(scenario, worker, workers)),
    )


def connect_of(scenario: Scenario) -> ConnectSpec:
    """Return where and how the clients of a scenario connect."""
    target, file = spoken(scenario.target), scenario.origin.file
    route = route_of(scenario)
    return ConnectSpec(
        url=f"ws://localhost{split_unix(target.url)[1]}" if route.unix else target.url,
        headers=list(target.headers.items()),
        subprotocols=list(target.subprotocols),
        origin=target.origin,
        follow_redirects=target.follow_redirects,
        compression=target.compression,
        max_size=target.max_size,
        ca_file=located(target.ca_file, file),
        cert_file=located(target.cert_file, file),
        key_file=located(target.key_file, file),
        insecure=target.insecure,
        local_addresses=list(scenario.fleet.local_addresses),
        unix=route.unix,
        proxy=route.proxy.url if route.proxy is not None else "",
        connect_to=target.connect_to,
        spread_addresses=target.spread_addresses,
        timeout_ns=round(target.connect_timeout * NS),
        close_timeout_ns=round(target.close_timeout * NS),
        settle_ns=round(target.settle * NS),
        reconnect=target.reconnect,
        reconnect_base_ns=round(target.reconnect_base * NS),
        reconnect_cap_ns=round(target.reconnect_cap * NS),
        reconnect_attempts=target.reconnect_attempts,
    )


def auth_of(scenario: Scenario) -> AuthSpec:
    """Return the tokens of a scenario's clients."""
    auth = scenario.auth
    return AuthSpec(
        kind=auth.kind,
        token=auth.token.get_secret_value(),
        secret=auth.secret.get_secret_value(),
        send_as=auth.send_as,
        ttl_s=round(auth.ttl),
        mix=auth.mix.pattern() if auth.kind == "mix" else [],
    )


def _conversation(scenario: Scenario, roles: RolesSpec) -> ConversationSpec:
    target, messages = scenario.target, scenario.messages
    return ConversationSpec(
        exchange=messages.exchange,
        ready=target.ready,
        welcome=target.welcome,
        type_field=target.type_field,
        strict=target.strict,
        reply_timeout_ns=round(messages.timeout * NS),
        size=messages.size,
        text=messages.text,
        roles=roles,
        subscribe=list(messages.subscribe),
        subscribe_each=messages.subscribe_each,
        slow_readers=messages.slow_readers,
        fanout=_follows_broadcasts(messages),
        fanout_window_ns=round(messages.fanout_window * NS),
    )


def _follows_broadcasts(messages: Messages) -> bool:
    if messages.fanout == "auto":
        # With a subscription per client no message is meant for all.
        return messages.exchange in ("odin", "listen") and not messages.subscribe
    return messages.fanout == "on"
