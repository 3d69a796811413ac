"""Reads the messages out of the bytes that pass between a client and its server, and changes none of them."""

from __future__ import annotations

from collections.abc import Iterator

from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

LARGEST = 16 << 20
"""Of one message: a larger one passes, and ends the recording of its direction."""
_MESSAGE = (Opcode.TEXT, Opcode.BINARY)


class Tap:
    """The messages of one direction. `broken` says why no more can be read."""

    def __init__(self, *, sent: bool, extensions: str) -> None:
        """`extensions` is the header of the server's answer."""
        self.sent = sent
        self.broken = ""
        self._parts: list[bytes] = []
        self._opcode = Opcode.TEXT
        self._size = 0
        if sent:
            self._protocol: ServerProtocol | ClientProtocol = ServerProtocol(state=OPEN, max_size=LARGEST)
        else:
            self._protocol = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=LARGEST)
        self._protocol.extensions = [] if (deflate := _deflate(extensions, sent=sent)) is None else [deflate]

    def read(self, data: bytes) -> Iterator[str | bytes | Close]:
        """Yield the messages that end in these bytes, and the close frame."""
        if self.broken:
            return
        self._protocol.receive_data(data)
        self._protocol.data_to_send()  # what it would answer is left to those who talk
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                yield from self._frame(event)
        if self._protocol.parser_exc is not None and not self._closed:
            self.broken = str(self._protocol.parser_exc)[:200]

    _closed = False

    def _frame(self, frame: Frame) -> Iterator[str | bytes | Close]:
        if frame.opcode is Opcode.CLOSE:
            self._closed = True
            yield Close.parse(bytes(frame.data))
            return
        if frame.opcode not in (*_MESSAGE, Opcode.CONT):
            return
        if frame.opcode in _MESSAGE:
            self._parts, self._opcode, self._size = [], frame.opcode, 0
        self._size += len(frame.data)
        if self._size > LARGEST:
            self.broken = f"a message of more than {LARGEST >> 20} MiB"
            return
        self._parts.append(bytes(frame.data))
        if frame.fin:
            data = b"".join(self._parts)
            yield data.decode("utf-8", "replace") if self._opcode is Opcode.TEXT else data
            self._parts = []


def _deflate(extensions: str, *, sent: bool) -> PerMessageDeflate | None:
    """Return what decompresses a direction, as the server's answer says."""
    offered = next((part for part in extensions.split(",") if part.strip().startswith("permessage-deflate")), "")
    if not offered:
        return None
    sides: dict[str, tuple[bool, int]] = {}
    for side in ("client", "server"):
        alone, bits = False, 15
        for parameter in offered.split(";")[1:]:
            name, _, value = parameter.strip().partition("=")
            alone |= name == f"{side}_no_context_takeover"
            if name == f"{side}_max_window_bits" and value.strip('"').isdigit():
                bits = min(15, max(8, int(value.strip('"'))))
        sides[side] = alone, bits
    alone, bits = sides["client" if sent else "server"]
    return PerMessageDeflate(alone, False, bits, 15)
