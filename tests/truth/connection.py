"""Servers that end connections which are in use."""

from __future__ import annotations

from tests.truth.case import Case, failed
from tests.truth.case_server import after, closes, cut, reset, some

LOST = "timeout unanswered"
"""The message that was not answered before the end."""


def dropped(code: int, reason: str = "", **more: object) -> Case:
    return Case(
        f"close {code} in the middle",
        failed(f"close {code} dropped", LOST, finding="drops"),
        message=after(2, closes(code, reason)),
        says=("connections.dropped was 4",),
        lossy=True,
        **more,  # type: ignore[arg-type]
    )


CASES = [
    dropped(1000),
    dropped(1001, "going away"),
    dropped(1008, "policy"),
    dropped(1011, "internal error"),
    dropped(1012, "service restart"),
    dropped(1013, "try again later"),
    dropped(4001, "session expired"),
    Case(
        "every client another reason",
        failed("close 4001 dropped", LOST, finding="drops"),
        message=after(2, closes(4001, "session expired:", each=True)),
        lossy=True,
    ),
    Case(
        "TCP reset in the middle", failed("reset dropped", LOST, finding="drops"), message=after(2, reset), lossy=True
    ),
    Case(
        "TCP ends without a close frame",
        failed("reset dropped", LOST, finding="drops"),
        message=after(2, cut),
        lossy=True,
    ),
    Case(
        "every other client is dropped",
        failed("close 1011 dropped", LOST, finding="drops"),
        message=after(2, some(closes(1011, "internal error"))),
        says=("connections.dropped was 2",),
        lossy=True,
    ),
]
