"""A small HTTP/1.1 server that logs what it is asked; a subclass answers."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from tests.servers.tcp_server import TcpServer


@dataclass(frozen=True)
class Asked:
    """One request; the names of its headers are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), strict_parsing=True))

    @property
    def cookies(self) -> dict[str, str]:
        pairs = (pair.partition("=") for pair in self.headers.get("cookie", "").split("; ") if pair)
        return {name: value for name, _, value in pairs}


Answer = tuple[int, dict[str, str] | list[tuple[str, str]], bytes]


def answer(document: Any = None, status: int = 200, *headers: tuple[str, str]) -> Answer:
    """An answer in JSON."""
    body = b"" if document is None else json.dumps(document).encode()
    return status, [("Content-Type", "application/json"), *headers], body


class Web(TcpServer):
    """`at_once` is the most requests that were under way together, `connections` how many there were."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self.statuses: Counter[int] = Counter()
        self.connections = 0
        self.at_once = 0
        self._under_way = 0

    async def reply(self, asked: Asked) -> Answer | None:
        """What a subclass answers; None ends the connection."""
        return answer({"ok": True})

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(asked.path == path for asked in self.asked)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        while await self._one(reader, writer, number):
            pass

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request, *lines = head.split("\r\n")
        method, target, _ = request.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path, _, query = target.partition("?")
        asked = Asked(method, path, dict(parse_qsl(query, keep_blank_values=True)), headers, body, number)
        self.asked.append(asked)
        self._under_way += 1
        self.at_once = max(self.at_once, self._under_way)
        try:
            made = await self.reply(asked)
        finally:
            self._under_way -= 1
        if made is None:
            return False
        status, fields, payload = made
        self.statuses[status] += 1
        items = fields.items() if isinstance(fields, dict) else fields
        text = "".join(f"{name}: {value}\r\n" for name, value in items)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(payload)}\r\n{text}\r\n".encode() + payload)
        await writer.drain()
        return True


class LoginPage(Web):
    """Lets everybody in at /login, with a token and what they have paid for; nothing else works."""

    async def reply(self, asked: Asked) -> Answer | None:
        return answer({"token": "t-secret-secret", "plan": "gold"}) if asked.path == "/login" else answer({}, 503)
