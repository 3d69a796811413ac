"""All groups of the table."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.truth import connection, ending, handshake, load, messages, mistake_runner, network, people, routes, secrets
from tests.truth.case import Case, Mistake, Row
from tests.truth.runner import rows

GROUPS: dict[str, list[Case] | list[Mistake]] = {
    "handshake": handshake.CASES,
    "connection": connection.CASES,
    "messages": messages.CASES,
    "ending": ending.CASES,
    "load": load.CASES,
    "network": network.CASES,
    "routes": routes.CASES,
    "secrets": secrets.CASES,
    "people": people.CASES,
}


async def of_group(group: str, word: str = "") -> AsyncIterator[Row]:
    """The rows of a group that have a word in their name."""
    chosen = [case for case in GROUPS[group] if word in case.name.lower()]
    async for row in rows([(group, case) for case in chosen if isinstance(case, Case)]):
        yield row


def of_people(group: str, word: str = "") -> list[Row]:
    """The same of what people get wrong: that runs loops of its own."""
    chosen = [case for case in GROUPS[group] if isinstance(case, Mistake) and word in case.name.lower()]
    return list(mistake_runner.carried_out(group, chosen))
