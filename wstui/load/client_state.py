"""Where a client stands."""

from __future__ import annotations

from enum import IntEnum


class ClientState(IntEnum):
    """Where a client stands; each step is behind the one before it."""

    CONNECTING = 0  # TCP, TLS
    HANDSHAKE = 1  # request sent
    WAITING = 2  # open, not yet ready
    READY = 3
    RETIRING = 4  # no more sends; closes when the last reply is there
    CLOSING = 5  # close frame sent or answered
    ENDED = 6


# To look a member up by its name costs as much as to record a latency: what runs for every message uses these.
CONNECTING = ClientState.CONNECTING
HANDSHAKE = ClientState.HANDSHAKE
WAITING = ClientState.WAITING
READY = ClientState.READY
RETIRING = ClientState.RETIRING
CLOSING = ClientState.CLOSING
ENDED = ClientState.ENDED
