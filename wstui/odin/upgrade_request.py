"""Reads the HTTP request that opens a connection, whole or in pieces, within limits. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from logging import Logger

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request
from websockets.server import ServerProtocol

from wstui.odin.admission import Rejection, choose_subprotocol

REQUEST_MAX = 16 * 1024
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Opening:
    """A request, the protocol object that read it, and what came after it in the same bytes."""

    protocol: ServerProtocol
    request: Request
    rest: bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bytes that are no request: what to count them as, and what to answer."""

    reason: str
    answer: bytes


def read_opening(
    received: bytearray, searched: int, compression: bool, max_size: int, logger: Logger
) -> Opening | Unreadable | None:
    """The opening in `received`, or None while it is incomplete.

    Args: searched: how many of the bytes were looked at before; compression: whether to offer permessage-deflate;
    max_size: greatest number of bytes of a message.
    """
    end = received.find(_END, max(0, searched - len(_END) + 1))
    if (end if end >= 0 else len(received)) > REQUEST_MAX:
        refusal = Rejection(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "request too large")
        return Unreadable(refusal.reason, refusal.response().serialize())
    if end < 0:
        return None
    protocol = ServerProtocol(
        extensions=[ServerPerMessageDeflateFactory()] if compression else None,
        select_subprotocol=lambda _protocol, offered: choose_subprotocol(offered),
        max_size=max_size,
        logger=logger,
    )
    end += len(_END)
    # Frames may follow in the same bytes; they are not the handshake's business.
    protocol.receive_data(bytes(received[:end]))
    events = protocol.events_received()
    if events and isinstance(events[0], Request):
        return Opening(protocol, events[0], bytes(received[end:]))
    refusal = Rejection(HTTPStatus.BAD_REQUEST, "malformed request")
    return Unreadable(refusal.reason, b"".join(protocol.data_to_send()) or refusal.response().serialize())
