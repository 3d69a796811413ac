"""What the tests of codecs share: one process of node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocols.node_codecs import NodeCodecs


@pytest.fixture(scope="session")
def node() -> Iterator[NodeCodecs]:
    """The codecs of npm."""
    with NodeCodecs() as codecs:
        yield codecs
