"""The workers of these tests are forks: to start a process takes longer than what most of them do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.forked_workers import forked


@pytest.fixture(autouse=True)
def _forked_workers() -> Iterator[None]:
    with forked():
        yield
