"""From the connections of one endpoint to a scenario: target, roles, load, with every guess beside its line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from wstui.recording.inference.inferred_role import RoleBuilder
from wstui.recording.inference.inferred_scenario import Guess, InferredScenario
from wstui.recording.inference.inferred_target import put_protocol, target_of
from wstui.recording.inference.login_tables import attach, cookies_given, find_logins, login_tables
from wstui.recording.inference.message import read_messages
from wstui.recording.inference.protocol_messages import PLAIN, listen
from wstui.recording.inference.pushes import broadcasts, deliveries, sequences
from wstui.recording.inference.traffic import SortedTraffic, sort_traffic
from wstui.recording.inference.values import Values
from wstui.recording.session import ImportFailed, RecordedConnection, RecordedMessage, RecordedSession

MOST_CLIENTS = 200


def infer(
    session: RecordedSession, connections: Sequence[RecordedConnection], name: str, *, protocol: str = ""
) -> InferredScenario:
    """Return the scenario that these connections of one endpoint suggest.

    `protocol` is what they speak, "" to recognise it; "json" and "raw" leave the frames as they are.
    Raises ImportFailed for frames that are not of the protocol asked for.
    """
    plain = protocol in PLAIN
    draft = InferredScenario()
    connections = [c for c in connections if c.frames or c.status == 101][:MOST_CLIENTS] or list(connections[:1])
    if not plain:
        connections = with_polled(session, connections)
    speech = None if plain else listen(connections, protocol)
    if speech is None and protocol and not plain:
        raise ImportFailed(f"its frames are not those of {protocol}: leave --protocol out, or take json or raw")
    if speech is not None:
        connections = [replace(one, url=speech.dialect.bare(one.url)) for one in connections]
    clients = speech.clients if speech is not None else read_messages(connections, as_json=protocol != "raw")
    options = speech.options if speech is not None else []
    sayings = [[*(o for o in options if o.client == n), *messages] for n, messages in enumerate(clients)]
    logins = find_logins(session, connections, sayings)
    heard = [
        [message for one in exchanges for message in (one.sent, one.answer)] + messages
        for exchanges, messages in zip(logins, sayings, strict=True)
    ]
    traffic = sort_traffic(clients, has_opening=speech is not None and speech.protocol != "lines")
    values = Values(draft, heard)
    counts = f"{len(connections)} connection{'s' * (len(connections) > 1)}"
    article = "an" if session.source.startswith(("A", "I")) else "a"
    draft.notes = [f"Guessed from {counts} of {article} {session.source}. Each guess says what it was made from."]
    if session.made_up:
        draft.notes.append("It was not recorded: replies, pauses and rates that the file leaves out are yours to set.")
    requests = login_tables(draft, logins, values)
    target = target_of(draft, connections, values, cookies_given(logins))
    if speech is not None:
        put_protocol(draft, target, speech, values)
    elif protocol == "raw":
        target["protocol"] = protocol
        draft.guesses["target", "protocol"] = Guess("as asked for", "sure")
    login = {"login": [table for _, table in requests]} if requests else {}
    draft.tables = {"name": name, "target": target, **login, "stages": _stages(), "messages": {}, "roles": []}
    groups = _groups(traffic)
    everys: list[tuple[str, Guess | None]] = []
    for number, members in enumerate(groups):
        role = RoleBuilder(traffic, members, Values(draft, heard, values.shared), _role_name(number, len(groups)))
        role.build()
        if len(groups) > 1:
            role.table = {"name": role.table.pop("name"), "weight": len(members), **role.table}
            why = f"{len(members)} of {len(connections)} recorded clients did this"
            role.guesses["weight",] = Guess(why, "likely")
        _measure(traffic, role)
        for key, guess in role.guesses.items():
            draft.guesses["roles", number, *key] = guess
        draft.tables["roles"].append(_ordered(role.table))
        everys += [role.every] if role.every else []
    attach(requests, values)
    _messages(draft, traffic, everys)
    if session.made_up:
        for key, guess in draft.guesses.items():
            if key[-1] in ("every", "think", "weight"):
                guess.sure = "unsure"
    return draft


def _stages() -> list[dict[str, Any]]:
    return [{"name": "ramp", "over": "10s", "clients": 10}, {"name": "hold", "over": "30s", "clients": 10}]


def _role_name(number: int, total: int) -> str:
    return "client" if total == 1 else f"client-{number + 1}"


def _ordered(table: dict[str, Any]) -> dict[str, Any]:
    order = ("name", "weight", "open", "loop", "leave", "heartbeats", "answer", "delivery", "sequence")
    return {name: table[name] for name in order if name in table}


def _groups(traffic: SortedTraffic) -> list[list[int]]:
    """Clients by what they send: those of one role send the same kinds, or some of them."""
    kinds = [frozenset(message.kind for message in traffic.steps(n)) for n in range(len(traffic.clients))]
    groups: list[tuple[frozenset[str], list[int]]] = []
    for client in sorted(range(len(kinds)), key=lambda n: -len(kinds[n])):
        mine = kinds[client]
        home = next((g for g in groups if mine == g[0] or (mine and mine <= g[0] and 2 * len(mine) >= len(g[0]))), None)
        if home is None:
            groups.append((mine, [client]))
        else:
            home[1].append(client)
    talking = [sorted(members) for mine, members in groups if mine]
    return talking + [sorted(members) for mine, members in groups if not mine] if groups else [[0]]


def _measure(traffic: SortedTraffic, role: RoleBuilder) -> None:
    mine = set(role.members)
    own = SortedTraffic([client if n in mine else [] for n, client in enumerate(traffic.clients)])
    own.answers, own.replies, own.reply_of = traffic.answers, traffic.replies, traffic.reply_of
    for kind, messages in traffic.received.items():
        if kept := [message for message in messages if message.client in mine]:
            own.received[kind] = kept
    for name, rules in (("delivery", list(deliveries(own))), ("sequence", list(sequences(own)))):
        taken: Counter[str] = Counter()
        for index, (rule, guess) in enumerate(rules):
            if name == "delivery":
                taken[rule["name"]] += 1
                rule["name"] += "-at" if taken[rule["name"]] == 1 else f"-at-{taken[rule['name']]}"
            role.table.setdefault(name, []).append(rule)
            role.guesses[name, index] = guess


def _messages(draft: InferredScenario, traffic: SortedTraffic, everys: Sequence[tuple[str, Guess | None]]) -> None:
    table: dict[str, Any] = draft.tables["messages"]
    if everys:
        every, guess = everys[0]
        table["every"] = every
        if guess is not None:
            draft.guesses["messages", "every"] = guess
    table["timeout"] = "5s"
    if (shared := broadcasts(traffic)) is not None:
        table["fanout"] = "on"
        draft.guesses["messages", "fanout"] = shared


_SEPARATOR = "\x1e"


def with_polled(session: RecordedSession, connections: Sequence[RecordedConnection]) -> list[RecordedConnection]:
    """Return the connections, each beginning with what its Engine.IO session said by HTTP."""
    return [_whole(session, connection) for connection in connections]


def _whole(session: RecordedSession, connection: RecordedConnection) -> RecordedConnection:
    sid = _value(connection.url, "sid")
    if not sid or "transport=websocket" not in connection.url:
        return connection
    frames: list[RecordedMessage] = []
    for request in session.requests:
        opens = not _value(request.url, "sid") and f'"{sid}"' in request.answer_body
        if "transport=polling" in request.url and (opens or _value(request.url, "sid") == sid):
            for sent, body in ((True, request.body), (False, request.answer_body)):
                packets = body.split(_SEPARATOR) if body and body != "ok" else []
                frames += [RecordedMessage(request.at, sent, packet) for packet in packets]
    return replace(connection, frames=[*frames, *connection.frames])


def _value(url: str, name: str) -> str:
    return parse_qs(urlsplit(url).query).get(name, [""])[0]
