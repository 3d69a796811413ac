"""The fast path against websockets' own parser: for any stream, cut anywhere, both see and say the same."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from wstui.load.frames import BINARY, PING, TEXT, FrameProtocol, FrameReceiver, encode, quiet
from wstui.scenario.url import parse_address

URI = parse_uri("ws://127.0.0.1:1/")
ADDRESS = parse_address("ws://127.0.0.1:1/")
MAX_SIZE = 300


@dataclass
class ClientView:
    """What came out of a stream."""

    messages: list[tuple[int, bytes]] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    written: list[tuple[int, bytes]] = field(default_factory=list)
    open: bool = True
    received_close: tuple[int, str] | None = None
    error: str = ""


class NotingReceiver(FrameReceiver):
    """The receiver under test, which notes what it is told."""

    def __init__(self, max_size: int = MAX_SIZE) -> None:
        super().__init__(ADDRESS, max_size)
        self.seen = ClientView()
        self.closings = 0
        self.wire = b""

    def message(self, first: int, payload: bytes) -> None:
        assert type(payload) is bytes
        self.seen.messages.append((first, payload))

    def pong(self, payload: bytes) -> None:
        self.seen.pongs.append(payload)

    def closing(self) -> None:
        self.closings += 1

    def write(self, data: bytes) -> None:
        self.wire += data

    def receive(self, data: bytes) -> None:
        """As the client does it."""
        if self.protocol is not None and self.protocol.state is not OPEN:
            self.feed_closing(data)
        else:
            self.feed(data)

    def outcome(self) -> ClientView:
        self.seen.written = unmasked(self.wire)
        note_ending(self.seen, self.protocol)
        return self.seen


def note_ending(seen: ClientView, protocol: ClientProtocol | None) -> None:
    if protocol is None:
        return
    seen.open = protocol.state is OPEN
    if protocol.close_rcvd is not None:
        seen.received_close = (int(protocol.close_rcvd.code), protocol.close_rcvd.reason)
    if protocol.parser_exc is not None:
        seen.error = f"{type(protocol.parser_exc).__name__}: {protocol.parser_exc}"


def unmasked(wire: bytes) -> list[tuple[int, bytes]]:
    """What a client wrote, masks taken off."""
    frames = []
    while wire:
        first, length = wire[0], wire[1] & 0x7F
        assert wire[1] & 0x80 and length < 126
        mask, body, wire = wire[2:6], wire[6 : 6 + length], wire[6 + length :]
        frames.append((first, bytes(b ^ mask[i % 4] for i, b in enumerate(body))))
    return frames


def judged_by_websockets(chunks: list[bytes], protocol: ClientProtocol) -> ClientView:
    seen = ClientView()
    fragments: list[Frame] = []
    for chunk in chunks:
        protocol.receive_data(chunk)
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                fragments.append(event)
                if event.fin:
                    first = 0x80 | fragments[0].opcode
                    seen.messages.append((first, b"".join(bytes(f.data) for f in fragments)))
                    fragments = []
            elif event.opcode is Opcode.PONG:
                seen.pongs.append(bytes(event.data))
    seen.written = unmasked(b"".join(protocol.data_to_send()))
    note_ending(seen, protocol)
    return seen


def frame(first: int, payload: bytes, *, width: int = 0, masked: bool = False, claimed: int | None = None) -> bytes:
    """A frame of a server; `width` 2 or 8 spends that many bytes on the length though fewer would do."""
    length = len(payload) if claimed is None else claimed
    bit = 0x80 if masked else 0
    if width < 8 and length > 0xFFFF:
        width = 8
    elif width < 2 and length > 125:
        width = 2
    if width == 8:
        head = struct.pack("!BBQ", first, 127 | bit, length)
    elif width == 2:
        head = struct.pack("!BBH", first, 126 | bit, length)
    else:
        head = struct.pack("!BB", first, length | bit)
    return head + (b"\0\0\0\0" if masked else b"") + payload


PAYLOAD = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"", b'{"type":"pong","originalTimestamp":1700000000000}', "dé".encode(), b"\xff\xfe"]),
    st.integers(100, 340).map(lambda n: b"x" * n),  # around 125 and MAX_SIZE
)
PLAIN = st.sampled_from([TEXT, BINARY])
GOOD = st.one_of(
    st.builds(frame, PLAIN, PAYLOAD, width=st.sampled_from([0, 0, 2, 8])),
    st.builds(frame, st.sampled_from([0x89, 0x8A]), st.binary(max_size=125)),
)
FRAGMENTED = st.builds(
    lambda first, parts, between: b"".join(
        frame((first & 0x0F if i == 0 else 0) | (0x80 if i == len(parts) - 1 else 0), part)
        + (between if i < len(parts) - 1 else b"")
        for i, part in enumerate(parts)
    ),
    PLAIN,
    st.lists(PAYLOAD, min_size=2, max_size=5),
    st.one_of(st.just(b""), st.builds(frame, st.sampled_from([0x89, 0x8A]), st.binary(max_size=20))),
)
CLOSE = st.one_of(
    st.sampled_from([b"", b"\x03", b"\x03\xe8", b"\x03\xf0not yet", b"\x03\xed", b"\x03\xe8\xff\xff"]),
    st.builds(
        lambda code, why: struct.pack("!H", code) + why.encode()[:123], st.integers(0, 5001), st.text(max_size=30)
    ),
).map(lambda payload: frame(0x88, payload))
ODD = st.one_of(
    st.builds(frame, st.integers(0, 255), PAYLOAD, width=st.sampled_from([0, 2, 8]), masked=st.booleans()),
    st.builds(frame, PLAIN, st.just(b"short"), claimed=st.integers(0, 1 << 63)),
    st.builds(frame, st.integers(0, 255), st.just(b""), claimed=st.integers(0, 70_000)),
)
STREAM = st.lists(st.one_of(GOOD, GOOD, GOOD, FRAGMENTED, CLOSE, ODD), max_size=8).map(b"".join)
WELL_FORMED = st.lists(st.one_of(GOOD, FRAGMENTED), max_size=8).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    stream = bytearray(draw(WELL_FORMED))
    for _ in range(draw(st.integers(0, 3))):
        if stream:
            at = draw(st.integers(0, len(stream) - 1))
            stream[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(stream)


@st.composite
def cut(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> list[bytes]:
    stream = draw(streams)
    stream = stream[: draw(st.integers(0, len(stream)) | st.just(len(stream)))]
    places = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    if len(stream) < 100 and draw(st.booleans()):
        places = list(range(1, len(stream)))
    ends = [0, *places, len(stream)]
    return [stream[a:b] for a, b in pairwise(ends) if a < b]


def compare(chunks: list[bytes]) -> None:
    receiver = NotingReceiver()
    for chunk in chunks:
        receiver.receive(chunk)
    reference = FrameProtocol(URI, state=OPEN, max_size=MAX_SIZE, logger=quiet)
    seen = receiver.outcome()
    assert seen == judged_by_websockets(chunks, reference)
    assert seen.open == (receiver.closings == 0), "its owner is told of the end, and of nothing else"


@given(cut(STREAM))
@example([frame(0x83, b"", claimed=1000)])
@example([frame(0x01, b"x" * 200) + frame(0x00, b"x", claimed=200)])
@example([frame(0x01, b"x") + frame(0x81, b"y")])
@example([frame(0x80, b"x")])
@example([frame(0x01, b"x") + frame(0x88, b"\x03\xe8")])
@example([b"\x8a\x7e"])
@example([frame(0x8A, b"x" * 126, width=2)])
def test_any_stream_means_the_same_as_to_websockets(chunks: list[bytes]) -> None:
    compare(chunks)


@pytest.mark.parametrize("extensions", [[], [PerMessageDeflate(False, False, 15, 15)]])
def test_a_close_between_the_fragments_of_a_message_is_answered(extensions: list[PerMessageDeflate]) -> None:
    receiver = NotingReceiver()
    handshake = FrameProtocol(URI, state=OPEN, max_size=MAX_SIZE, logger=quiet)
    handshake.extensions = extensions  # type: ignore[assignment]
    receiver.adopt(handshake)
    receiver.receive(frame(0x01, b"x") + frame(0x88, b"\x03\xe8") + frame(0x80, b"y"))
    seen = receiver.outcome()
    assert (seen.received_close, seen.error, seen.messages) == ((1000, ""), "", [])
    assert seen.written == [(0x88, b"\x03\xe8")]


@given(cut(mutated()))
def test_a_stream_with_flipped_bits_means_the_same_as_to_websockets(chunks: list[bytes]) -> None:
    compare(chunks)


def deflate() -> PerMessageDeflate:
    return PerMessageDeflate(False, False, 15, 15)


@st.composite
def compressed(draw: st.DrawFn) -> bytes:
    """Messages of a server that compresses some of them, perhaps with a bit flipped."""
    extension = deflate()
    stream = b""
    for _ in range(draw(st.integers(1, 6))):
        first, payload = draw(PLAIN), draw(PAYLOAD)
        if draw(st.booleans()):
            stream += Frame(Opcode(first & 0x0F), payload).serialize(mask=False, extensions=[extension])
        else:
            stream += draw(st.one_of(GOOD, FRAGMENTED, st.just(frame(first, payload))))
    data = bytearray(stream)
    if draw(st.integers(0, 3)) == 0:
        data[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


@given(cut(compressed()))
def test_a_compressed_stream_means_the_same_as_to_websockets(chunks: list[bytes]) -> None:
    receiver = NotingReceiver()
    handshake = FrameProtocol(URI, state=OPEN, max_size=MAX_SIZE, logger=quiet)
    handshake.extensions = [deflate()]
    receiver.adopt(handshake)
    for chunk in chunks:
        receiver.receive(chunk)
    reference = FrameProtocol(URI, state=OPEN, max_size=MAX_SIZE, logger=quiet)
    reference.extensions = [deflate()]
    assert receiver.outcome() == judged_by_websockets(chunks, reference)


@given(cut(WELL_FORMED), cut(WELL_FORMED))
def test_a_close_of_ours_in_the_middle_of_a_stream_loses_nothing(before: list[bytes], after: list[bytes]) -> None:
    receiver = NotingReceiver()
    reference = FrameProtocol(URI, state=OPEN, max_size=MAX_SIZE, logger=quiet)
    expected = judged_by_websockets(before, reference)
    for chunk in before:
        receiver.receive(chunk)
    if not expected.open:
        return
    protocol = receiver.ensure_protocol()
    for end in (protocol, reference):
        end.send_close(1000)
    receiver.write(b"".join(protocol.data_to_send()))
    reference.data_to_send()
    count = len(receiver.seen.messages)
    for chunk in after:
        receiver.receive(chunk)
    seen = receiver.outcome()
    rest = judged_by_websockets(after, reference)
    # A message may have begun before: websockets then names its last part only.
    assert len(seen.messages) - count == len(rest.messages)
    assert (seen.open, seen.received_close, seen.error) == (rest.open, rest.received_close, rest.error)


@pytest.mark.parametrize("first", [TEXT, BINARY, 0x01, 0x83, 0x9A])
@pytest.mark.parametrize("claimed", [MAX_SIZE, MAX_SIZE + 1, 1 << 40, (1 << 64) - 1])
def test_a_frame_that_never_ends_does_not_fill_the_memory(first: int, claimed: int) -> None:
    receiver = NotingReceiver()
    receiver.receive(frame(first, b"", width=8, claimed=claimed))
    for _ in range(100):
        receiver.receive(b"x" * 1000)
        assert held(receiver) <= MAX_SIZE + 1014


@pytest.mark.parametrize("part", [b"", b"x", b"x" * 100])
def test_a_message_of_endless_fragments_does_not_fill_the_memory(part: bytes) -> None:
    receiver = NotingReceiver()
    receiver.receive(frame(0x01, part))
    for _ in range(1000):
        receiver.receive(frame(0x00, part))
        assert held(receiver) <= 3 * MAX_SIZE + 14


def test_the_parts_of_a_long_frame_are_appended_to_one_buffer() -> None:
    size, part = 1 << 20, 65536
    receiver = NotingReceiver(size)
    data = frame(BINARY, bytes(range(256)) * (size // 256), width=8)
    receiver.receive(data[:part])
    receiver.receive(data[part : 2 * part])
    buffer = receiver.tail
    for pos in range(2 * part, size, part):
        receiver.receive(data[pos : pos + part])
        assert receiver.tail is buffer, "a join at every read takes the square of the size"
    receiver.receive(data[size:])
    assert receiver.seen.messages == [(BINARY, bytes(range(256)) * (size // 256))] and receiver.tail == b""


def held(receiver: NotingReceiver) -> int:
    """Bytes that a receiver keeps."""
    buffered = len(receiver.protocol.reader.buffer) if receiver.protocol else 0
    return len(receiver.tail) + buffered + len(receiver._fragments or b"")


def test_a_protocol_object_is_kept_only_while_it_is_needed() -> None:
    receiver = NotingReceiver()
    receiver.receive(frame(0x89, b"are you there"))
    kept = [receiver.protocol is not None]
    receiver.receive(frame(0x01, b"a"))
    kept.append(receiver.protocol is not None)
    receiver.receive(frame(0x80, b"b"))
    kept.append(receiver.protocol is not None)
    assert kept == [False, True, False], "3 KiB a client"
    assert receiver.seen.messages == [(TEXT, b"ab")]


@given(
    st.sampled_from([TEXT, BINARY, PING]),
    st.one_of(
        st.binary(max_size=130), st.sampled_from([125, 126, 127, 65535, 65536, 70_000]).map(lambda n: b"\xc3" * n)
    ),
    st.integers(0, 1 << 40),
)
def test_what_is_encoded_is_what_a_server_reads(first: int, payload: bytes, seed: int) -> None:
    if first == PING:
        payload = payload[:125]
    server = ServerProtocol(state=OPEN, max_size=None)
    server.receive_data(encode(first, payload, seed))
    (event,) = server.events_received()
    assert isinstance(event, Frame)
    assert (0x80 | event.opcode, event.fin, bytes(event.data)) == (first, True, payload)
    assert server.parser_exc is None


def test_masks_differ_from_frame_to_frame() -> None:
    assert len({encode(TEXT, b"same", seed) for seed in range(256)}) > 200


class Leaver(NotingReceiver):
    """Closes at its first message, as a client does that has heard enough."""

    def message(self, first: int, payload: bytes) -> None:
        super().message(first, payload)
        if len(self.seen.messages) == 1:
            protocol = self.ensure_protocol()
            protocol.send_close(1000)
            self.write(b"".join(protocol.data_to_send()))


@pytest.mark.parametrize("kind", [NotingReceiver, Leaver])
@pytest.mark.parametrize("sizes", [(3, 4), (10, 10), (3, 11), (11, 3), (3, 4, 5), (125, 125), (126, 2)])
def test_messages_that_share_a_read_are_what_they_are_one_by_one(
    kind: type[NotingReceiver], sizes: tuple[int, ...]
) -> None:
    frames = [frame(TEXT, b"x" * size) for size in sizes]
    for most in (10, MAX_SIZE):
        together, apart = kind(most), kind(most)
        together.receive(b"".join(frames))
        for one in frames:
            apart.receive(one)
        assert together.outcome() == apart.outcome()
