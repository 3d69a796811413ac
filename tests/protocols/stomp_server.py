"""A small broker of STOMP 1.2 whose frames stomp.py reads: for crowds, where RabbitMQ takes too long to start."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest

from tests.servers.server import Connection, Server

utils = pytest.importorskip("stomp.utils", reason="stomp.py is not installed")

USER = {"login": '"guest"', "passcode": '"guest"'}


class Stomp(Server):
    """Lets in guest, sends receipts and heartbeats, hands messages to who has subscribed; /nowhere does not exist."""

    welcome = False
    subprotocols = (b"v12.stomp",)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.log: Counter[str] = Counter()
        self.subscribed: dict[str, list[tuple[Connection, str]]] = {}

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        for data in payload.split(b"\0"):
            if frame := utils.parse_frame(data):
                self.log[frame.cmd] += 1
                self.take(client, frame.cmd, frame.headers, frame.body)

    def take(self, client: Connection, command: str, headers: dict[str, str], body: bytes) -> None:
        place = headers.get("destination", "")
        if command == "CONNECT":
            if headers.get("passcode") != "guest":
                self.fail(client, "Bad CONNECT")
                return
            wanted = int(headers["heart-beat"].partition(",")[2])
            self.tell(client, "CONNECTED", {"version": "1.2", "heart-beat": f"{wanted},{wanted}"})
            if 0 < wanted < 1000:
                self.beat(client, wanted / 1000)
        elif place.startswith("/nowhere"):
            self.fail(client, "Unknown destination")
        else:
            if command == "SUBSCRIBE":
                self.subscribed.setdefault(place, []).append((client, headers["id"]))
            for one, name in self.subscribed.get(place, ()) if command == "SEND" else ():
                told = {"subscription": name, "message-id": str(self.log["SEND"]), "destination": place}
                self.tell(one, "MESSAGE", told, body)
            if "receipt" in headers:
                self.tell(client, "RECEIPT", {"receipt-id": headers["receipt"]})

    def fail(self, client: Connection, message: str) -> None:
        self.tell(client, "ERROR", {"message": message})
        client.close(1002)

    def tell(self, client: Connection, command: str, headers: dict[str, str], body: bytes = b"") -> None:
        escaped = {name: re.sub(":", r"\\c", value) for name, value in headers.items()}
        client.send(b"".join(utils.convert_frame(utils.Frame(command, escaped, body.decode()))))

    def beat(self, client: Connection, every_s: float) -> None:
        client.send(b"\n")
        asyncio.get_running_loop().call_later(every_s, self.beat, client, every_s)
