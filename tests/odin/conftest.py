"""Fixtures of the Odin target: both event loops, a real NATS server, a token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
import uvloop

from tests.odin.target import SECRET
from wstui.odin.nats_server import NatsServer
from wstui.odin.token import sign

ONE_LOOP_IS_ENOUGH = {
    "test_admission",
    "test_endpoints",
    "test_faults",
    "test_hostile",
    "test_processes",
    "test_publisher",
}


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What touches a connection's life runs in both kinds of event loops."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    if item.path.stem not in ONE_LOOP_IS_ENOUGH:
        loops["asyncio"] = asyncio.new_event_loop
    return loops


@pytest.fixture(scope="session")
def nats() -> Iterator[str]:
    """The URL of a NATS server that lasts for all tests."""
    broker = NatsServer()
    asyncio.run(broker.start())
    yield broker.url
    asyncio.run(broker.stop())


@pytest.fixture
def token() -> str:
    return sign("tester", SECRET)
