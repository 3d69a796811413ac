"""[target]: what the upgrade requests of the clients have in common, and what each has of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from wstui.recording.inference.inferred_scenario import Guess, InferredScenario, escaped
from wstui.recording.inference.inferred_step import payload
from wstui.recording.inference.inferred_value import InferredValue
from wstui.recording.inference.message import Path, Scalar
from wstui.recording.inference.protocol_messages import ProtocolMessages
from wstui.recording.inference.request import cookies_of, header_text, plain, sent_by, told_headers, url_text
from wstui.recording.inference.values import Values, reference
from wstui.recording.session import RecordedConnection, value_of
from wstui.scenario.conversation.dialect import Verbatim
from wstui.scenario.secrets import secrets_in_url

_ENV = re.compile(r"\{\{env (\w+)\}\}")


def target_of(
    draft: InferredScenario, connections: Sequence[RecordedConnection], values: Values, given: set[tuple[str, str]]
) -> dict[str, Any]:
    """Return the table; `given` are the cookies that clients get by their login."""
    first = max(connections, key=lambda connection: len(connection.frames))
    upgrades = [_upgrade(number, connection) for number, connection in enumerate(connections)]
    upgrade = upgrades[connections.index(first)]
    found: dict[Path, InferredValue] = {}
    for path in upgrade.fields:
        value = values.of(upgrades, path, setup=True)
        if value is not None and not ("random" in value.text and path[0] in ("path", "query")):
            found[path] = value
    table: dict[str, Any] = {"url": _url(draft, first.url, found)}
    offered = [escaped(text) for text in _offered(first)]
    if offered:
        spoken = [
            plain(found[place]) if (place := ("offered", str(n))) in found else text for n, text in enumerate(offered)
        ]
        table["subprotocols"] = spoken
        draft.guesses["target", "subprotocols"] = Guess("offered by the client", "sure")
    if origin := value_of(first.request, "origin"):
        table["origin"] = escaped(origin)
        draft.guesses["target", "origin"] = Guess("sent by the client; some servers check it", "sure")
    headers = {name: header_text(name, value, found) for name, value in told_headers(first.request)}
    cookies: dict[str, str] = {}
    for name, cookie in cookies_of(first.request).items():
        if (name, cookie) not in given and cookie:
            cookies[name] = plain(values.secret(name, _cookie(connections, name)))
    for key, made in (("headers", headers), ("cookies", cookies)):
        if made:
            table[key] = made
        for name in made:
            draft.guesses["target", key, name] = Guess(f"{name} was sent by the client", "likely")
    if "permessage-deflate" in value_of(first.answer, "sec-websocket-extensions"):
        table["compression"] = True
        draft.guesses["target", "compression"] = Guess("the server agreed to compress", "sure")
    return table


def put_protocol(draft: InferredScenario, target: dict[str, Any], speech: ProtocolMessages, values: Values) -> None:
    """Say in the table what the target speaks, with the options of its opening."""
    found = speech.guess
    target["protocol"] = found.protocol
    draft.guesses["target", "protocol"] = Guess(
        f"recognised by {found.why}" if found.why else "as asked for", "sure" if found.certain else "likely"
    )
    if speech.offers(target.get("subprotocols", [])):
        target.pop("subprotocols", None)
        draft.guesses.pop(("target", "subprotocols"), None)
    options: dict[str, Any] = dict(found.options)
    if speech.options:
        sent, guesses, _ = payload(speech.options, values, (), setup=True)
        options |= sent
        for value in speech.options[0].document.values():
            if isinstance(value, Verbatim) and (name := _ENV.fullmatch(value)):
                draft.needs.append(name[1])
                draft.notes.append(f"Set {name[1]} before a run: it signs what clients send, and is never sent itself.")
        draft.guesses |= {("target", "options", *path): guess for path, guess in guesses.items()}
    if options:
        target["options"] = options


def _upgrade(client: int, connection: RecordedConnection) -> Any:
    return sent_by(client, connection.at, connection.url, connection.request, offered=_offered(connection))


def _offered(connection: RecordedConnection) -> list[str]:
    offered = value_of(connection.request, "sec-websocket-protocol")
    return [text for part in offered.split(",") if (text := part.strip())]


def _cookie(connections: Sequence[RecordedConnection], name: str) -> dict[int, list[Scalar]]:
    found = {number: cookies_of(connection.request).get(name) for number, connection in enumerate(connections)}
    return {number: [value] for number, value in found.items() if value}


def _url(draft: InferredScenario, url: str, found: dict[Path, InferredValue]) -> str:
    """The URL with placeholders, and references for its secrets."""
    text = url_text(url, found)
    whys = [value.guess.why for path, value in found.items() if path[0] in ("path", "query")]
    for secret in secrets_in_url(url):
        name = next((name for name, known in draft.secrets.items() if known == unquote(secret)), "")
        if name:
            draft.secrets[name] = secret  # a reference is put into the URL as it is
        elif secret in text:
            name = reference(draft, "token", secret)
            text = text.replace(escaped(secret), f"${{{name}}}")
            whys.append(f"it holds a secret: set {name} before a run")
    if whys:
        draft.guesses["target", "url"] = Guess("; ".join(dict.fromkeys(whys)), "sure")
    return text
