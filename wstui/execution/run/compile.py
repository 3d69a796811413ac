"""A scenario as the specifications of its workers."""

from __future__ import annotations

from wstui.execution.run.compile_messages import script_of
from wstui.load.protocol import Spec
from wstui.scenario.file_refs import located
from wstui.scenario.model import Messages, Scenario
from wstui.scenario.route import route_of, split_unix

NS = 1_000_000_000


def specs_of(scenario: Scenario, workers: int) -> list[Spec]:
    """One specification for each of at most `workers` processes."""
    if scenario.peak_clients:
        # A process without a client would only cost its start.
        workers = min(workers, scenario.peak_clients)
    return [spec_of(scenario, worker, workers) for worker in range(workers)]


def spec_of(scenario: Scenario, worker: int = 0, workers: int = 1) -> Spec:
    """The specification of worker number `worker` of `workers`."""
    target, auth, messages = scenario.target, scenario.auth, scenario.messages
    file = scenario.origin.file
    route = route_of(scenario)
    return Spec(
        worker=worker,
        workers=workers,
        url=f"ws://localhost{split_unix(target.url)[1]}" if route.unix else target.url,
        unix=route.unix,
        proxy=route.proxy.url if route.proxy is not None else "",
        connect_to=target.connect_to,
        spread_addresses=target.spread_addresses,
        ping_every_ns=round((target.ping_every or 0) * NS),
        ping_timeout_ns=round((target.ping_timeout or 0) * NS),
        type_field=target.type_field,
        headers=list(target.headers.items()),
        subprotocols=list(target.subprotocols),
        origin=target.origin,
        follow_redirects=target.follow_redirects,
        compression=target.compression,
        ca_file=located(target.ca_file, file),
        cert_file=located(target.cert_file, file),
        key_file=located(target.key_file, file),
        insecure=target.insecure,
        local_addresses=list(scenario.fleet.local_addresses),
        connect_timeout_ns=round(target.connect_timeout * NS),
        close_timeout_ns=round(target.close_timeout * NS),
        settle_ns=round(target.settle * NS),
        ready=target.ready,
        welcome=target.welcome,
        max_size=target.max_size,
        strict=target.strict,
        reconnect=target.reconnect,
        reconnect_base_ns=round(target.reconnect_base * NS),
        reconnect_cap_ns=round(target.reconnect_cap * NS),
        reconnect_attempts=target.reconnect_attempts,
        auth=auth.kind,
        token=auth.token.get_secret_value(),
        secret=auth.secret.get_secret_value(),
        send_as=auth.send_as,
        ttl_s=round(auth.ttl),
        mix=auth.mix.pattern() if auth.kind == "mix" else [],
        exchange=messages.exchange,
        every_ns=round(messages.every * NS),
        timeout_ns=round(messages.timeout * NS),
        size=messages.size,
        text=messages.text,
        script=script_of(scenario, worker, workers),
        arrivals=messages.arrivals,
        jitter=messages.jitter,
        seed=messages.seed,
        subscribe=list(messages.subscribe),
        subscribe_each=messages.subscribe_each,
        slow_readers=messages.slow_readers,
        fanout=_follows_broadcasts(messages),
        fanout_window_ns=round(messages.fanout_window * NS),
    )


def _follows_broadcasts(messages: Messages) -> bool:
    if messages.fanout == "auto":
        # Where each client has its own subscriptions, no message is meant for all.
        return messages.exchange in ("odin", "listen") and not messages.subscribe
    return messages.fanout == "on"
