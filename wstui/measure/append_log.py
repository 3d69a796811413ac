"""Entries that one thread appends and others read: each reader asks for what is new since its position.

Positions count every entry ever appended, so they stay valid when old entries are folded into fewer ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, overload

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _State(Generic[T]):
    folded: tuple[T, ...]
    ends: tuple[int, ...]  # the position after the last entry that went into each folded one
    recent: list[T]
    first: int  # the position of the first recent entry


class AppendLog(Sequence[T]):
    """A sequence that grows at its end. With `fold`, entries older than the newest `keep` are folded `chunk` at a time.

    `fold` takes entries in order and returns groups of how many of them became one, and that one.
    """

    def __init__(
        self,
        entries: Iterable[T] = (),
        *,
        keep: int = 0,
        chunk: int = 600,
        fold: Callable[[Sequence[T]], Iterable[tuple[int, T]]] | None = None,
    ) -> None:
        self._fold = fold
        self._limit, self._chunk = keep + chunk, chunk
        # Readers in other threads take the state in one step: folding replaces it, appending only extends `recent`.
        self._state: _State[T] = _State((), (), list(entries), 0)

    def append(self, entry: T) -> None:
        """Add an entry at the end."""
        state = self._state
        state.recent.append(entry)
        if self._fold is not None and len(state.recent) >= self._limit:
            folded, ends, end = list(state.folded), list(state.ends), state.first
            for count, one in self._fold(state.recent[: self._chunk]):
                end += count
                folded.append(one)
                ends.append(end)
            self._state = _State(tuple(folded), tuple(ends), state.recent[self._chunk :], state.first + self._chunk)

    def since(self, position: int) -> tuple[list[T], int]:
        """Return the entries from `position` on, and the position after them."""
        state = self._state
        new = state.recent[max(0, position - state.first) :]
        old: list[T] = []
        if position < state.first:
            old = [one for one, end in zip(state.folded, state.ends, strict=True) if end > position]
        return old + new, max(position, state.first) + len(new)

    @property
    def end(self) -> int:
        """The position after the newest entry."""
        state = self._state
        return state.first + len(state.recent)

    @property
    def folds(self) -> int:
        """Return how many entries have been folded: it changes when older entries do."""
        return self._state.first

    def __len__(self) -> int:
        state = self._state
        return len(state.folded) + len(state.recent)

    def __iter__(self) -> Iterator[T]:
        return iter(self.since(0)[0])

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        state = self._state
        if isinstance(index, int) and -len(state.recent) <= index < 0:
            return state.recent[index]
        return [*state.folded, *state.recent][index]


def new_since(entries: Sequence[T], position: int) -> tuple[Sequence[T], int]:
    """Return the entries from `position` on, and the position after them; a plain sequence must only grow."""
    if isinstance(entries, AppendLog):
        return entries.since(position)
    return entries[position:], max(position, len(entries))
