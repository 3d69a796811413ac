"""A scenario as the specifications of its workers."""

from __future__ import annotations

from msgspec.structs import replace

from wstui.execution.run.compile_requests import RequestCompiler, of_role, varying, with_identity
from wstui.execution.run.compile_roles import RoleCompiler
from wstui.execution.run.compile_texts import NS, Columns, TextCompiler
from wstui.load import lease
from wstui.load.protocol import AuthSpec, ConnectSpec, ConversationSpec, SendSpec, Spec
from wstui.load.role_spec import RolesSpec
from wstui.scenario.errors import BadValue, Problem, ScenarioError
from wstui.scenario.file_refs import located
from wstui.scenario.lowering import Lowered, logins_of, spoken
from wstui.scenario.message_files import feed_of
from wstui.scenario.model import Messages, Scenario
from wstui.scenario.role_inputs import captured_at_login, script_of
from wstui.scenario.route import route_of
from wstui.scenario.target import Target
from wstui.scenario.trust import script_problems
from wstui.scenario.url import split_unix, static_url


def specs_of(scenario: Scenario, workers: int) -> list[Spec]:
    """Return a specification for each of at most `workers` processes."""
    if scenario.peak_clients:
        # A process without a client would only cost its start.
        workers = min(workers, scenario.peak_clients)
    return shares_of(scenario, workers)


def shares_of(scenario: Scenario, workers: int) -> list[Spec]:
    """Return a specification for each of `workers` processes, compiled once. Raises ScenarioError as `spec_of` does."""
    whole = spec_of(scenario)
    return [_share_of(whole, scenario, worker, workers) for worker in range(workers)]


def _share_of(whole: Spec, scenario: Scenario, worker: int, workers: int) -> Spec:
    """Return what worker number `worker` of `workers` gets of the specification of a single one."""
    roles = whole.conversation.roles
    if scenario.messages.feed_per == "message" and len(roles.rows) >= workers:
        # Each worker has rows of its own: none is used twice before a worker has been through all of its rows.
        roles = replace(roles, rows=roles.rows[worker::workers])
    return replace(
        whole,
        worker=worker,
        workers=workers,
        http_limit=max(1, (scenario.http.concurrency + workers - 1 - worker) // workers),
        conversation=replace(whole.conversation, roles=roles),
    )


def spec_of(scenario: Scenario) -> Spec:
    """Return the specification of a worker that has all clients. Raises ScenarioError if a file can't be used."""
    messages, file = scenario.messages, scenario.origin.file
    try:
        if problems := script_problems(scenario):
            raise ScenarioError(problems)
        columns = Columns(feed_of(messages.feed, file) if messages.feed else None)
        scripts = {role.script: script_of(role, file) for role in scenario.roles if role.script}
        if scripts:
            columns.use_all()
        logins = logins_of(scenario)
        at_login = captured_at_login(logins)
        texts = TextCompiler(scenario, columns, at_login)
        requests = RequestCompiler(scenario, texts)
        login = [requests.request(request, request.name) for request in logins]
        target = spoken(scenario.target)
        connect = with_identity(_connect_to(target, scenario), target, file, texts)
        auth = _auth_of(scenario, texts)
        own = {role.name: of_role(connect, role, scenario, texts) for role in scenario.roles}
        compiler = RoleCompiler(scenario.target, texts, requests, at_login, scripts)
        lowered = Lowered(scenario)
        if lowered.conflicts:
            raise ScenarioError(conflict.problem(file) for conflict in lowered.conflicts)
        roles = [compiler.role(role) for role in lowered.roles]
    except BadValue as error:  # it was sound when it was checked
        raise ScenarioError(Problem(file, "roles", error.message, nearest=error.nearest)) from None
    rows, names = columns.rows(), columns.names if scripts else []
    return Spec(
        worker=0,
        workers=1,
        seed=messages.seed,
        connect=connect,
        role_connects={name: spec for name, spec in own.items() if spec is not None},
        auth=auth,
        login=login,
        login_again=len(login) > len(scenario.login),
        http_limit=max(1, scenario.http.concurrency),
        send=SendSpec(
            every_ns=round(messages.every * NS),
            arrivals=messages.arrivals,
            jitter=messages.jitter,
            ping_every_ns=round((scenario.target.ping_every or 0) * NS),
            ping_timeout_ns=round((scenario.target.ping_timeout or 0) * NS),
        ),
        conversation=_conversation(scenario, RolesSpec(roles, rows, messages.feed_per, names, scripts)),
        lease_s=lease.LEASE_S,
    )


def connect_of(scenario: Scenario) -> ConnectSpec:
    """Return where and how the clients of a scenario connect, but for what may differ from client to client."""
    return _connect_to(spoken(scenario.target), scenario)


def _connect_to(target: Target, scenario: Scenario) -> ConnectSpec:
    file, route = scenario.origin.file, route_of(scenario)
    return ConnectSpec(
        url=static_url(f"ws://localhost{split_unix(target.url)[1]}" if route.unix else target.url),
        origin=target.origin,
        follow_redirects=target.follow_redirects,
        compression=target.compression,
        max_size=target.max_size,
        ca_file=located(target.ca_file, file),
        cert_file="" if "{{" in target.cert_file else located(target.cert_file, file),
        key_file="" if "{{" in target.key_file else located(target.key_file, file),
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


def _auth_of(scenario: Scenario, texts: TextCompiler) -> AuthSpec:
    auth = scenario.auth
    return AuthSpec(
        kind=auth.kind,
        token=varying(texts, auth.token.get_secret_value()),
        user=varying(texts, auth.user),
        password=varying(texts, auth.password.get_secret_value()),
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
