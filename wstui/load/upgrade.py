"""The upgrade of one connection: the request, and the answer up to the blank line after which frames begin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from websockets.client import ClientProtocol
from websockets.extensions.base import ClientExtensionFactory
from websockets.typing import Origin, Subprotocol
from websockets.uri import WebSocketURI

from wstui.load.frames import quiet
from wstui.load.outcome import Cause, Outcome
from wstui.measure.visible import visible

_HTTP = b"HTTP/1."
_HEAD_LIMIT = 64 * 1024


class Refusal(NamedTuple):
    """Why no connection came of it."""

    outcome: Outcome
    cause: Cause
    detail: str = ""


class Accepted(NamedTuple):
    """The connection is open; `rest` came behind the answer and is frames."""

    protocol: ClientProtocol
    rest: bytes


class Upgrade:
    """RFC 6455 4.1, without I/O."""

    __slots__ = ("_head", "_protocol")

    def __init__(
        self,
        uri: WebSocketURI,
        *,
        origin: Origin | None,
        extensions: Sequence[ClientExtensionFactory] | None,
        subprotocols: Sequence[Subprotocol] | None,
        max_size: int,
    ) -> None:
        self._head = b""
        self._protocol = ClientProtocol(
            uri, origin=origin, extensions=extensions, subprotocols=subprotocols, max_size=max_size, logger=quiet
        )

    def request(self, headers: Iterable[tuple[str, str]]) -> bytes:
        """The bytes that ask for it."""
        request = self._protocol.connect()
        for name, value in headers:
            request.headers[name] = value
        self._protocol.send_request(request)
        return b"".join(self._protocol.data_to_send())

    def read(self, data: bytes) -> Accepted | Refusal | None:
        """More bytes of the answer; None as long as its end is not there."""
        data = self._head + data
        if not data.startswith(_HTTP[: len(data)]):
            return Refusal(Outcome.FAILED, Cause("handshake", "the answer is not HTTP"), visible(data, 80))
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._head = data
            if len(data) > _HEAD_LIMIT:
                return Refusal(Outcome.FAILED, Cause("handshake", "response header larger than 64 KiB"))
            return None
        head, rest = data[: end + 4], data[end + 4 :]
        status = head.split(b"\r\n", 1)[0].split(b" ", 2)
        if len(status) < 2:
            return Refusal(Outcome.FAILED, Cause("handshake", "the answer has no status"), visible(head, 80))
        if status[1] != b"101":
            code, reason = visible(status[1], 8), visible(status[2], 60) if len(status) > 2 else ""
            cause = Cause(f"http {code}", f"HTTP {code} {reason}".strip())
            return Refusal(Outcome.REFUSED, cause, _refusal_detail(head, rest))
        self._protocol.receive_data(head)
        if self._protocol.handshake_exc is not None:
            text = visible(f"invalid upgrade: {self._protocol.handshake_exc}", 120)
            return Refusal(Outcome.FAILED, Cause("handshake", text))
        return Accepted(self._protocol, rest)


def _refusal_detail(head: bytes, body: bytes) -> str:
    """What a refusal says beside its status: Retry-After or Location, and the beginning of its body."""
    parts = []
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() in (b"retry-after", b"location"):
            parts.append(f"{name.decode('ascii', 'replace').lower()} {visible(value.strip(), 60)}")
    if body:
        parts.append(visible(body, 120))
    return " · ".join(parts)
