"""AsyncAPI 2 and 3 documents: what a client would send and receive, from operations, examples and schemas.

A document describes the server: what it receives (`publish` in version 2) is what a client sends. The rounds that are
made up of it differ in the values that identify a message, so that guesses find which reply belongs to which.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from wstui.recording.documents import MadeUpConnection, as_list, as_table
from wstui.recording.json_schema import Schemas, first_value
from wstui.recording.session import ImportFailed, RecordedSession

_ROUNDS = 3
_MOST_SENT = 100
_GAP_S = 1.0
_POINTER = re.compile(r"\$message\.payload#(/.*)")
Table = dict[str, Any]


def is_asyncapi(document: Table) -> bool:
    return "asyncapi" in document


def read_asyncapi(document: Table) -> RecordedSession:
    """Return a session with a connection for each address. Without a WebSocket server, its URL is the path alone."""
    version = str(document["asyncapi"])
    if not version.startswith(("2.", "3.")):
        raise ImportFailed(f"it is AsyncAPI {version[:20]}: 2.x and 3.x are read")
    reader = _OperationReader(document, 3 if version.startswith("3.") else 2)
    reader.read()
    return reader.session


class _OperationReader:
    """Collects the operations by address, then plays them."""

    def __init__(self, document: Table, version: int) -> None:
        self.document, self.version = document, version
        self.schemas = Schemas(document)
        self.session = RecordedSession("AsyncAPI document", made_up=True)
        self._sent: dict[str, list[tuple[Table, Table | None]]] = {}
        """By URL, messages that a client sends, each with its reply."""
        self._pushed: dict[str, list[Table]] = {}

    def read(self) -> None:
        for action, channel, address, operation in self._operations():
            url = self._url(channel, address)
            if url is None:
                continue
            messages = self._messages(operation, channel)
            pushed = self._pushed.setdefault(url, [])
            sent = self._sent.setdefault(url, [])
            if action in ("send", "subscribe"):
                pushed += messages
            else:
                sent += [(message, self._reply(operation, message)) for message in messages]
        if not self._sent:
            spoken = ", ".join(
                {str(as_table(s).get("protocol")) for s in as_table(self.document.get("servers")).values()}
            )
            why = f"its servers speak {spoken[:60]}, none ws or wss" if spoken else "it has no channel with operations"
            raise ImportFailed(f"{why}: there is nothing that a WebSocket client could do")
        for url, sent in self._sent.items():
            self._play(url, sent, self._pushed[url])
        identity = str(self.document.get("id", ""))
        if identity.startswith(("ws://", "wss://")):
            self.session.notes[
                f"an id that is an address, {identity[:100]}: if that is the server, give it as --url"
            ] += 1

    def _operations(self) -> Iterator[tuple[str, Table, str, Table]]:
        """Yield action, channel, address and operation of each."""
        if self.version == 3:
            for operation in map(self._table, as_table(self.document.get("operations")).values()):
                channel = self._table(operation.get("channel"))
                yield str(operation.get("action")), channel, str(channel.get("address") or ""), operation
            return
        for name, channel in as_table(self.document.get("channels")).items():
            channel = self._table(channel)
            for action in ("publish", "subscribe"):
                if action in channel:
                    yield action, channel, str(name), self._table(channel[action])

    def _table(self, node: Any) -> Table:
        return as_table(self.schemas.resolve(node))

    # -- where -------------------------------------------------------------------------------------------------------

    def _url(self, channel: Table, address: str) -> str | None:
        """Return the URL of a channel, its path alone without a WebSocket server, None for other protocols."""
        path = self._filled(address, channel.get("parameters"))
        if path and not path.startswith("/"):
            path = f"/{path}"
        binding = self._table(self._table(channel.get("bindings")).get("ws"))
        query = self._table(binding.get("query"))
        asked = {name: self.schemas.sample(as_table(query.get("properties")).get(name), name)
                 for name in as_list(query.get("required"))}  # fmt: skip
        if asked:
            path += ("&" if "?" in path else "?") + urlencode(asked)
        servers = self._servers(channel)
        for protocol, url in servers:
            if protocol in ("ws", "wss"):
                return url if path in ("", "/") else url.rstrip("/") + path
        if servers and not binding and not any(protocol in ("http", "https") for protocol, _ in servers):
            self.session.notes["channels of other protocols"] += 1
            return None
        return path or "/"

    def _servers(self, channel: Table) -> list[tuple[str, str]]:
        """Return protocol and URL of each server of a channel."""
        known = as_table(self.document.get("servers"))
        named = as_list(channel.get("servers")) or list(known.values())
        found = []
        for named_one in named:
            server = self._table(known.get(named_one) if isinstance(named_one, str) else named_one)
            protocol = str(server.get("protocol", "")).lower()
            url = str(server.get("url") or f"{server.get('host', '')}{server.get('pathname') or ''}")
            url = self._filled(url if "://" in url else f"{protocol}://{url}", server.get("variables"))
            found.append((protocol, url))
        return found

    def _filled(self, text: str, variables: Any) -> str:
        """Put values for {names}; one without a value stands for itself."""

        def value(name: re.Match[str]) -> str:
            variable = self._table(as_table(variables).get(name[1]))
            known = first_value({**self._table(variable.get("schema")), **variable})
            if known is None:
                self.session.notes[f"names in the address without a value, {name[1][:40]}: edit the URL"] += 1
            return name[1] if known is None else str(known)

        return re.sub(r"\{([^{}]+)\}", value, text)

    # -- what --------------------------------------------------------------------------------------------------------

    def _messages(self, operation: Table, channel: Table) -> list[Table]:
        """Return the messages of an operation; in version 3 without any, those of its channel."""
        if self.version == 3:
            named = operation.get("messages")
            given = as_list(named) if named is not None else list(as_table(channel.get("messages")).values())
        else:
            message = self._table(operation.get("message"))
            given = as_list(message.get("oneOf")) or [message]
        made = []
        for message in map(self._table, given):
            for trait in map(self._table, as_list(message.get("traits"))):
                message = {**trait, **message}
            made.append(message)
        return made

    def _reply(self, operation: Table, message: Table) -> Table | None:
        """Return the first reply that an operation names; those of a whole channel only if there is one."""
        reply = self._table(operation.get("reply"))
        if not reply:
            return None
        found = [one for one in self._messages(reply, self._table(reply.get("channel"))) if one != message]
        return found[0] if found and ("messages" in reply or len(found) == 1) else None

    def _play(self, url: str, sent: list[tuple[Table, Table | None]], pushed: list[Table]) -> None:
        """Send all in a few rounds, then let the pushes come: so no push is taken for a reply."""
        if len(sent) > _MOST_SENT:
            self.session.notes[f"messages after the first {_MOST_SENT}"] += len(sent) - _MOST_SENT
        script = MadeUpConnection.to(self.session, url)
        for number in range(1, _ROUNDS + 1):
            for index, (message, reply) in enumerate(sent[:_MOST_SENT]):
                script.wait(_GAP_S)
                mark = number * 1000 + index
                if (text := self._text(message, script.at, number, message, mark)) is None:
                    continue
                script.send(text)
                if reply is not None and (text := self._text(reply, script.at, number, message, mark)) is not None:
                    script.reply(text)
        for message in pushed[:_MOST_SENT]:
            script.wait(_GAP_S)
            if (text := self._text(message, script.at, 1, message, 1)) is not None:
                script.reply(text)

    def _text(self, message: Table, at: float, number: int, asked: Table, mark: int) -> str | None:
        """Return a message as it goes over the wire; `mark` is what its correlation id holds, as in `asked`."""
        examples = [one["payload"] for one in map(self._table, as_list(message.get("examples"))) if "payload" in one]
        name = str(message.get("name") or message.get("title") or "message")[:60]
        if examples:
            made = json.loads(json.dumps(examples[0], default=str))
        else:
            payload = self._table(message.get("payload"))
            form = str(payload.get("schemaFormat") or message.get("schemaFormat") or "asyncapi")
            if not any(word in form for word in ("asyncapi", "json", "openapi")):
                self.session.notes[f"messages with a schema of {form[:60]} and without an example"] += 1
                return None
            if "schemaFormat" in payload:
                payload = self._table(payload.get("schema"))
            made = self.schemas.sample(payload, name, at, number)
            if number == 1:
                self.session.notes["messages without an example, made up from their schema: look at their values"] += 1
        pointer = self._pointer(message)
        _put(made, pointer or self._pointer(asked), mark, add=bool(pointer))
        kind = message.get("contentType") or self.document.get("defaultContentType")
        return made if isinstance(made, str) and "json" not in str(kind) else json.dumps(made, ensure_ascii=False)

    def _pointer(self, message: Table) -> list[str]:
        """Return the path of a message's correlation id, empty without one in its payload."""
        found = _POINTER.fullmatch(str(self._table(message.get("correlationId")).get("location", "")))
        return [part.replace("~1", "/").replace("~0", "~") for part in found[1].split("/")[1:]] if found else []


def _put(document: Any, path: list[str], mark: int, *, add: bool) -> None:
    """Put the mark at a path; only `add` makes a new key."""
    if not path:
        return
    for part in path[:-1]:
        document = as_table(document).get(part)
    if isinstance(document, dict) and (add or path[-1] in document):
        document[path[-1]] = f"id-{mark}" if isinstance(document.get(path[-1]), str) else mark
