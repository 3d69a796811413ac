"""A row of the table: a fault, and what is right."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.execution.running import Finished
    from tests.truth.case_server import Act, Answer, Target

STATUS = {
    "PASSED": 0,
    "FAILED": 1,
    "NO LOAD": 2,
    "LOST": 2,
    "INVALID": 2,
    "UNREACHABLE": 3,
    "LIMITED": 4,
    "DRAINED": 130,
    "ABORTED": 130,
}


@dataclass(frozen=True)
class Right:
    """What is right: the verdict, every failure as "kind outcome", and the finding that comes first."""

    verdict: str
    failures: frozenset[str] = frozenset()
    finding: str = ""


def passed() -> Right:
    return Right("PASSED")


def failed(*failures: str, finding: str) -> Right:
    return Right("FAILED", frozenset(failures), finding)


def unreachable(*failures: str) -> Right:
    return Right("UNREACHABLE", frozenset(failures), "unreachable")


def no_load(*failures: str) -> Right:
    return Right("NO LOAD", frozenset(failures), "no load")


@dataclass(frozen=True)
class Case:
    """A fault of a server, network or machine: how it behaves, what the run asks for, and what is right.

    `answer` is to the upgrade, `opened` once it is a WebSocket, `message` to each message. `says`: words that the
    reason, a failure or a finding must hold; `hides`: words that nothing may hold. `more` and `zero` are counters that
    must or must not have counted. `lossy`: the server hears less than was sent, because it ended the connection.
    `uncounted`: connections never reach the server, or more than once. `unbalanced`: what a killed process did last
    is unknown. `trusts`: the authority that signed the server's certificate.
    """

    name: str
    right: Right
    answer: Answer | None = None
    opened: Act | None = None
    message: Act | None = None
    tcp: Act | None = None
    says: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    zero: tuple[str, ...] = ()
    lossy: bool = False
    uncounted: bool = False
    settled: bool = True
    unbalanced: bool = False
    trusts: bool = False
    url: str = "ws://127.0.0.1:{port}/{path}"
    tls: Callable[[], Any] | None = None
    clients: int = 4
    hold: float = 1.0
    target: Mapping[str, Any] = field(default_factory=dict)
    messages: Mapping[str, Any] = field(default_factory=dict)
    scenario: Mapping[str, Any] = field(default_factory=dict)
    meanwhile: Callable[[Target, Any], Coroutine[Any, Any, None]] | None = None


@dataclass(frozen=True)
class Mistake:
    """A mistake of people: a command line with its files and environment, the exit status, and what is said."""

    name: str
    command: str
    status: int
    says: tuple[str, ...]
    toml: str = ""
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    hides: tuple[str, ...] = ()


@dataclass
class Row:
    """What came of a case; `wrong` says what was not right, and is empty when all was."""

    name: str
    group: str
    verdict: str = ""
    status: int = -1
    failures: str = ""
    finding: str = ""
    ours: str = ""
    servers: str = ""
    wrong: list[str] = field(default_factory=list)
    finished: Finished | None = None
