"""The upgrade of one connection: the request, and the answer up to the blank line before the frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidHeaderValue
from websockets.extensions.base import ClientExtensionFactory
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.typing import Origin, Subprotocol

from wstui.load.connect_outcome import UnsendableError
from wstui.load.frames import FrameProtocol, quiet
from wstui.load.refusal import Header, Refusal, failed, is_whole, refusal_of
from wstui.measure.sanitize import sanitize
from wstui.scenario.http_text import is_http_token
from wstui.scenario.url import Address

_HTTP = b"HTTP/1."
_TLS_ALERT = b"\x15\x03"
_END = b"\r\n\r\n"
_HEAD_LIMIT = 64 * 1024
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")


class Accepted(NamedTuple):
    """The connection is open; `rest` are frames that followed the answer, `head` its headers."""

    protocol: ClientProtocol
    rest: bytes
    head: Sequence[Header] = ()


class Upgrade:
    """RFC 6455 4.1, without I/O. `hidden`: the subprotocol that is a token, which no message may contain."""

    __slots__ = (
        "_extensions",
        "_head",
        "_headers",
        "_hidden",
        "_offered",
        "_origin",
        "_protocol",
        "_skipped",
        "_uri",
        "refusal",
    )

    def __init__(
        self,
        uri: Address,
        *,
        headers: Sequence[tuple[str, str]],
        origin: Origin | None,
        extensions: tuple[ClientExtensionFactory, ...] | None,
        subprotocols: Sequence[Subprotocol],
        hidden: str = "",
        max_size: int,
    ) -> None:
        self.refusal: Refusal | None = None  # so far: more of its body may follow
        self._uri = uri
        self._headers = headers
        self._origin = origin
        self._extensions = extensions
        self._offered = subprotocols
        self._hidden = hidden
        self._head = b""
        self._skipped = 0  # bytes of informational answers
        self._protocol = FrameProtocol(
            cast(Any, uri),
            origin=origin,
            extensions=extensions,
            subprotocols=subprotocols or None,
            state=OPEN,  # the answer is read here; frames go through this object
            max_size=max_size,
            logger=quiet,
        )

    def request(self) -> bytes:
        """Return the request. Raises UnsendableError."""
        before, key, after = _request(
            self._uri, tuple(self._headers), tuple(self._offered), self._origin, self._extensions
        )
        return f"{before}{key and self._protocol.key}{after}".encode("latin-1")

    def read(self, data: bytes) -> Accepted | Refusal | None:
        """Take more bytes of the answer. Return None until it is complete."""
        data = self._head + data
        while True:
            if not data.startswith(_HTTP[: len(data)]):
                if data.startswith(_TLS_ALERT):
                    return failed("the answer is TLS: set target.url to wss://")
                return failed("the answer is not HTTP", sanitize(data, 80))
            end = data.find(_END)
            if self._skipped + (len(data) if end < 0 else end) > _HEAD_LIMIT:
                return self._too_large(data)
            if end < 0:
                self._head = data
                return None
            line, _, block = data[:end].partition(b"\r\n")
            version, _, rest = line.partition(b" ")
            code = rest.partition(b" ")[0]
            if not (len(code) == 3 and code.isdigit()):
                return failed("the answer has no status", sanitize(line, 80))
            if not code.startswith(b"1") or code == b"101":
                break
            data = data[end + len(_END) :]  # informational: the answer itself follows (RFC 9110 15.2)
            self._skipped += end + len(_END)
        fields = [match.groups() if (match := _LINE.fullmatch(each)) else (b"", each) for each in block.split(b"\r\n")]
        headers: list[Header] = [(name.lower(), value.rstrip(b" \t")) for name, value in fields if name or value]
        body = data[end + len(_END) :]
        if code != b"101":
            self._head = data
            self.refusal = refusal_of(self._uri, line, headers, body)
            return self.refusal if is_whole(headers, body) else None
        if version != b"HTTP/1.1":
            return failed(f"the answer is {sanitize(version, 20)}, and an upgrade takes HTTP/1.1")
        return self._switched(headers) or Accepted(self._protocol, body, headers)

    def _switched(self, fields: list[Header]) -> Refusal | None:
        """Return why a 101 does not answer this request; None if the connection is open."""
        headers = Headers()
        for name, value in fields:
            if not name:
                return failed("invalid upgrade: the answer has a line that is not a header", sanitize(value, 80))
            headers.set_insecure(name.decode(), value.decode("latin-1"))
        offered = [name for name in self._offered if name != self._hidden]
        granted = headers.get_all("Sec-WebSocket-Protocol")
        if self._offered and not granted:
            which = ", ".join(offered) or "the token"
            return failed(f"invalid upgrade: no subprotocol was granted, of those asked for ({which})")
        if granted and not set(granted) <= set(self._offered):
            return failed(
                f"invalid upgrade: a subprotocol was granted that was not asked for ({sanitize(granted[0], 80)})"
            )
        try:
            self._protocol.process_response(Response(101, "", headers))
        except InvalidHeaderValue as error:
            # Its value differs for each client and tells nothing.
            return failed(f"invalid upgrade: {sanitize(error.name, 60)} of the answer is wrong")
        except InvalidHandshake as error:
            return failed(sanitize(f"invalid upgrade: {error}", 120))
        return None

    def _too_large(self, data: bytes) -> Refusal:
        if self._skipped > len(data):
            return failed("response header larger than 64 KiB: informational answers (1xx) without end")
        longest = max(data[: data.find(_END)].split(b"\r\n"), key=len)
        name = sanitize(longest.partition(b":")[0], 40)
        return failed(
            f"response header larger than 64 KiB; its longest line is {name}", f"{len(longest)} bytes of {name} so far"
        )


@lru_cache(maxsize=1)
def _request(
    uri: Address,
    headers: tuple[tuple[str, str], ...],
    offered: tuple[Subprotocol, ...],
    origin: Origin | None,
    extensions: tuple[ClientExtensionFactory, ...] | None,
) -> tuple[str, str, str]:
    """Return a request: before its key, the key, and after it; the scenario's headers replace ours.

    Most clients of a scenario differ only in the key, and building a request takes a seventh of a connect.
    """
    if not all(map(is_http_token, offered)):
        raise UnsendableError("a subprotocol has a character that HTTP can't carry there")
    protocol = ClientProtocol(cast(Any, uri), origin=origin, extensions=extensions, subprotocols=offered or None)
    request = protocol.connect()
    own = {name.lower(): (name, value) for name, value in headers}
    lines = [own.pop(name.lower(), (name, value)) for name, value in request.headers.raw_items()]
    lines += own.values()
    if wrong := next((name for name, value in lines if not _VALUE.fullmatch(value)), ""):
        raise UnsendableError(f"the header {wrong} has a character that HTTP can't carry")
    text = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"GET {request.path} HTTP/1.1\r\n{text}\r\n".partition(protocol.key)
