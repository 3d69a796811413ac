"""Fixtures of the Odin target: both event loops, a real NATS server, a token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
import uvloop

from tests.odin.target import SECRET
from wstui.odin.broker import Broker
from wstui.odin.token import sign


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Each test that runs in a loop runs in both kinds of them."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def nats() -> Iterator[str]:
    """The URL of a NATS server that lasts for all tests."""
    broker = Broker()
    asyncio.run(broker.start())
    yield broker.url
    asyncio.run(broker.stop())


@pytest.fixture
def token() -> str:
    return sign("tester", SECRET)
