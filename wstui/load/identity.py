"""Identities of a worker's clients: their row of the feed, what their login has captured, and their target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wstui.load.cookies import Cookies
from wstui.load.credentials import Credentials
from wstui.load.protocol import Spec


class Identity:
    """One client before it connects, and what placeholders of its URL, headers and login are rendered from."""

    __slots__ = ("ahead_ns", "cookies", "epoch_offset_ns", "logged_in", "number", "row", "sent_ns", "seq", "values")

    def __init__(self, number: int, row: Sequence[str] = (), variables: int = 0, epoch_offset_ns: int = 0) -> None:
        self.number = number
        self.row = row
        self.values: list[Any] = [None] * variables
        self.cookies: Cookies | None = None  # once a server has set one
        self.logged_in = False
        self.epoch_offset_ns = epoch_offset_ns
        self.ahead_ns = 0
        self.seq = 0
        self.sent_ns = 0

    def of_message(self, path: Sequence[str]) -> Any:
        """Return None: no message has come."""


class Identities:
    """The identities of all clients; a client that reconnects keeps its own. `role_of` names the role of a client."""

    def __init__(self, spec: Spec, role_of: Callable[[int], str] | None, epoch_ns: int) -> None:
        roles = spec.conversation.roles
        self._rows = roles.rows
        self._in_turn = roles.each != "client"
        self._dealt = 0
        self._epoch_ns = epoch_ns
        self.ahead_ns = 0
        captured = {capture.variable for request in spec.login for capture in request.capture}
        self._variables = max(captured, default=-1) + 1
        self._keeps = bool(spec.login) or self._in_turn
        self._kept: dict[int, Identity] = {}
        self._role_of = role_of
        self._apart = {role.name for role in roles.roles if not role.connects}
        self._plain = Credentials(spec.connect, spec.auth, spec.seed)
        self._of_roles = {
            name: Credentials(connect, spec.auth, spec.seed) for name, connect in spec.role_connects.items()
        }

    def of(self, number: int) -> Identity:
        found = self._kept.get(number)
        if found is None:
            found = Identity(number, self.row(number), self._variables, self._epoch_ns)
            found.ahead_ns = self.ahead_ns
            if self._keeps:
                self._kept[number] = found
        return found

    def forget(self, number: int) -> None:
        """The client does not come back, or has to log in again."""
        self._kept.pop(number, None)

    def credentials_of(self, number: int) -> Credentials:
        """Return the target and the credentials of a client."""
        if not self._of_roles or self._role_of is None:
            return self._plain
        return self._of_roles.get(self._role_of(number), self._plain)

    def connects(self, number: int) -> bool:
        """Return whether a client opens a connection; the others only make HTTP requests."""
        return not self._apart or self._role_of is None or self._role_of(number) not in self._apart

    @property
    def all_credentials(self) -> list[Credentials]:
        """Those of the target, and of roles with a target of their own."""
        return [self._plain, *self._of_roles.values()]

    def row(self, number: int) -> Sequence[str]:
        """Return the row of a client, or the next one if they are dealt in turn."""
        rows = self._rows
        if not rows:
            return ()
        if not self._in_turn:
            return rows[number % len(rows)]
        self._dealt += 1
        return rows[(self._dealt - 1) % len(rows)]
