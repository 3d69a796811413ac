"""All groups of the table."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.truth import connection, ending, handshake, load, messages, network
from tests.truth.case import Row
from tests.truth.runner import rows

GROUPS = {
    "handshake": handshake.CASES,
    "connection": connection.CASES,
    "messages": messages.CASES,
    "ending": ending.CASES,
    "load": load.CASES,
    "network": network.CASES,
}


async def of_group(group: str, word: str = "") -> AsyncIterator[Row]:
    """The rows of a group that have a word in their name."""
    chosen = [case for case in GROUPS[group] if word in case.name.lower()]
    async for row in rows([(group, case) for case in chosen]):
        yield row
