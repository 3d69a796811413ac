"""Why an open connection ended: the close frame of the other side, broken frames, or a welcome that did not come."""

from __future__ import annotations

from collections.abc import Mapping

from websockets.exceptions import PayloadTooBig
from websockets.frames import Close, CloseCode

from wstui.load.connect_outcome import Cause, cause_of
from wstui.measure.sanitize import sanitize
from wstui.scenario.units import format_size


def closed_by(received: Close, meanings: Mapping[int, str]) -> Cause:
    """Return the cause that a close frame gives; `meanings` are what the protocol says of its codes."""
    code = int(received.code)
    reason = sanitize(received.reason, 1230)  # 123 bytes at most, each of which may become an escape
    meaning = meanings.get(code, "")
    both = f"{reason} ({meaning})" if meaning not in ("", reason) else reason
    return Cause(f"close {code}", both if reason else meaning or _name_of(code))


def broken_by(error: Exception, max_size: int) -> Cause:
    """Return why we had to end the connection: our own limit of `max_size` bytes, or what the server sent."""
    if isinstance(error, PayloadTooBig):
        return Cause(
            "too large", f"messages larger than target.max_size ({format_size(max_size)}) came: raise it", True
        )
    if isinstance(error, UnicodeDecodeError):
        return Cause("invalid text", "the reason of a close frame is not UTF-8")
    return Cause("protocol", sanitize(str(error), 120))


def no_welcome(within: str, welcome: str, first_message: bytes) -> tuple[Cause, str]:
    """Return the cause and its detail: no message of type `welcome` came, but perhaps another one first."""
    message = f"no welcome {within}"
    if not first_message:
        return Cause("connect timeout", message), ""
    message += f": no message had {sanitize(welcome, 60)!r} as its type"
    return Cause("connect timeout", message), f"the first was {sanitize(first_message, 120)}"


def lost_early(error: Exception | None, *, upgrading: bool) -> Cause:
    """Return why a connection was lost before its client was ready, perhaps while the upgrade was asked for."""
    if error is not None:
        return cause_of(error)
    if upgrading:
        return Cause("handshake", "connection closed before the answer to the upgrade")
    return Cause("reset", "connection closed before ready, without a close frame")


def _name_of(code: int) -> str:
    try:
        return CloseCode(code).name.lower().replace("_", " ")
    except ValueError:
        return "without a reason"
