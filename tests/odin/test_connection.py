"""What a connection makes of random and mutated streams cut anywhere: messages, answers, its end."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from unittest.mock import Mock

from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from wstui.odin.connection import Connection, Context
from wstui.odin.server_settings import Limits, ServerSettings
from wstui.odin.stats import ConnectionPhase, Stats

MESSAGE_MAX = 300


class Reference:
    """What the protocol alone makes of a stream: messages, then bytes written, then whether it ended."""

    def __init__(self) -> None:
        self.protocol = ServerProtocol(state=OPEN, max_size=MESSAGE_MAX)
        self.messages: list[bytes] = []
        self.written = b""
        self._fragments = b""

    def feed(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if not isinstance(event, Frame) or (self.protocol.close_sent and self.protocol.close_rcvd is None):
                continue
            if event.opcode is Opcode.BINARY:
                with contextlib.suppress(InvalidState):
                    self.protocol.send_close(CloseCode.UNSUPPORTED_DATA, "text messages only")
            elif event.opcode in (Opcode.TEXT, Opcode.CONT):
                self._fragments += event.data
                if event.fin:
                    self.messages.append(self._fragments)
                    self._fragments = b""
        self.written += b"".join(self.protocol.data_to_send())


class Transport:
    """Collects what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.ended = False

    def write(self, data: bytes) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return False


def opened() -> tuple[Connection, Transport, list[bytes]]:
    """A connection that is open, without a socket."""
    messages: list[bytes] = []
    handler = Mock()
    handler.receive.side_effect = lambda _client, payload: messages.append(bytes(payload))
    context = Context(
        loop=Mock(time=lambda: 0.0),
        settings=ServerSettings(limits=Limits(message_bytes=MESSAGE_MAX)),
        stats=Stats(),
        hub=Mock(),
        admission=Mock(),
        handler=handler,
        refused_by_fault=lambda: False,
    )
    connection, transport = Connection(context), Transport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection._enter(ConnectionPhase.OPEN)
    connection._protocol = ServerProtocol(state=OPEN, max_size=MESSAGE_MAX)
    connection.write = transport.write
    return connection, transport, messages


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """One frame, mostly right."""
    opcode = draw(st.sampled_from([1, 1, 1, 1, 0, 0, 9, 10, 8, 2]))
    fin = draw(st.booleans())
    payload = draw(
        st.binary(max_size=20) | st.binary(max_size=140) | st.just(b"x" * 200) | st.just(b"y" * (MESSAGE_MAX + 1))
    )
    if opcode == 8:
        payload = draw(st.sampled_from([b"", b"\x03\xe8", b"\x03\xe8bye", b"\x03", b"\x00\x01"]))
    if opcode > 8:
        payload = payload[:125]
    length = len(payload)
    head = bytes((fin << 7 | opcode,))
    head += bytes((0x80 | length,)) if length < 126 else bytes((0xFE,)) + length.to_bytes(2, "big")
    mask = draw(st.sampled_from([bytes(4), b"abcd"]))
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Frames in a row, as they are or perhaps with a byte changed and cut into pieces at random."""
    whole = draw(st.lists(frames(), max_size=8))
    if draw(st.booleans()):
        return whole
    data = bytearray(b"".join(whole))
    for _ in range(draw(st.integers(0, 2)) if data else 0):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [bytes(data[a:b]) for a, b in pairwise([0, *cuts, len(data)]) if a < b]


BEGUN, TEXT, END = b"\x01\x81\0\0\0\0a", b"\x81\x81\0\0\0\0b", b"\x80\x81\0\0\0\0c"


@given(streams())
@example([BEGUN, TEXT])
@example([BEGUN + TEXT, END])
@example([BEGUN, END, TEXT, TEXT])
@example([TEXT[:3], TEXT[3:], TEXT])
@example([TEXT[:3], TEXT[3:] + TEXT[:1], TEXT[1:]])
def test_a_connection_and_the_protocol_alone_agree_on_every_stream(pieces: list[bytes]) -> None:
    connection, transport, messages = opened()
    # What comes before an error in the same piece counts, so messages are compared with a stream read by bytes; what
    # the protocol answers to a piece comes after all of it, so that is compared with a stream read by pieces.
    by_byte, by_piece = Reference(), Reference()
    for piece in pieces:
        connection.data_received(piece)
        by_piece.feed(piece)
        for at in range(len(piece)):
            by_byte.feed(piece[at : at + 1])
    assert messages == by_byte.messages
    assert transport.written == by_piece.written
    assert (connection.phase is not ConnectionPhase.OPEN) == (by_piece.protocol.state is not OPEN)
