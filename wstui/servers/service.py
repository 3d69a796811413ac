"""Services that start and stop with an `async with` block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Service(ABC):
    """Starts on entering its context and stops on leaving it."""

    @abstractmethod
    async def start(self) -> None:
        """Start it, and wait until it is ready."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop it."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()
