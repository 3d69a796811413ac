"""A run that goes on in another process, behind its control socket: watched and steered as one in this process."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from importlib.metadata import version

from wstui.control.control_messages import Answered, Failed, Hello, Request, ToServer, Watch, line
from wstui.control.link import GREETING_S, LONGEST, ConnectionLost, Link, checked_hello, connect
from wstui.control.status_lines import StatusReader
from wstui.control.stream import StatusChanged, StreamEnd, ToClient, decode_to_client
from wstui.execution.run.command_queue import set_answer
from wstui.execution.run.commands import ENDED, CommandAnswer, RunCommand, WatchClient, answered
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.status import Status
from wstui.scenario.model import Scenario

READ_ONLY = "this terminal only watches (--read-only)"


class RemoteRun:
    """What `SuiteRun` is for a run in this process; `close` ends the connection and nothing else."""

    is_remote = True
    cooldown_s = 0.0

    def __init__(self, link: Link, name: str, *, read_only: bool = False) -> None:
        """`name` is written on the timeline with each command. Raises ConnectionLost."""
        self.read_only = read_only
        self.lost = ""
        """Why the connection has ended, "" while it stands."""
        self._link = link
        self._numbers = itertools.count(1)
        self._pending: dict[int, Future[CommandAnswer]] = {}
        self._lock = threading.Lock()
        self._news = threading.Condition()
        self._end: StreamEnd | None = None
        self._closed = False
        self._status = StatusReader()
        late = threading.Timer(GREETING_S, link.close)
        late.start()
        try:
            self.hello = checked_hello(self._read())
            with contextlib.suppress(OSError):  # a server that refuses has closed, and its reason is still to be read
                self._write(Hello(wstui=version("wstui"), name=name))
                self._write(Watch())
            while self._status.status is None:
                self._take(self._read())
        except (ConnectionLost, OSError, ValueError) as error:
            raise ConnectionLost(link.close() or str(error)) from None
        finally:
            late.cancel()
        self.name = self.hello.name
        self.scenarios: Sequence[Scenario] = (self.status.scenario,)
        threading.Thread(target=self._follow, name="wstui-attached", daemon=True).start()

    def _read(self) -> ToClient:
        """Return the next message. Raises ConnectionLost at the end, OSError, ValueError."""
        received = self._link.reader.readline(LONGEST)
        if not received:
            raise ConnectionLost("the process that runs it has gone")
        message: ToClient = decode_to_client(received)
        return message

    # -- as a run of this process ------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """The latest picture."""
        status = self._status.status
        assert status is not None  # the first one is awaited
        return status

    def send(self, command: RunCommand, *, by: str = "") -> Future[CommandAnswer]:
        """Send a command; who sends it is known at the other end."""
        if self.read_only and not isinstance(command, WatchClient):
            return answered(CommandAnswer(False, READ_ONLY))
        future: Future[CommandAnswer] = Future()
        number = next(self._numbers)
        self._pending[number] = future
        try:
            self._write(Request(number, command))
        except (OSError, ValueError):
            self._pending.pop(number, None)
            set_answer(future, CommandAnswer(False, self.lost or "the connection is lost"))
        if self.lost or self._end:
            set_answer(future, CommandAnswer(False, self.lost or ENDED))
        return future

    def execute(self) -> Result | SuiteResult:
        """Wait for the end. Raises ConnectionLost when it can't be seen any more."""
        with self._news:
            self._news.wait_for(lambda: self._end is not None or self.lost or self._closed)
        result = None if self._end is None else self._end.suite or self._end.result
        if result is None:
            raise ConnectionLost(self.lost or ("detached" if self._closed else "the run was cut short"))
        return result

    def await_status(self, wanted: Callable[[Status], bool], timeout_s: float | None = None) -> bool:
        """Wait until a picture is as wanted; False when the time, the run or the connection has ended before."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        with self._news:
            while not wanted(self.status):
                left = None if until is None else until - time.monotonic()
                if self.ended or (left is not None and left <= 0):
                    return False
                self._news.wait(left)
        return True

    @property
    def ended(self) -> bool:
        """Return whether the run, or the connection, has ended."""
        return self._end is not None or bool(self.lost)

    def close(self) -> None:
        self._closed = True
        self._link.close()

    # -- what comes in -----------------------------------------------------------------------------------------

    def _write(self, message: ToServer) -> None:
        with self._lock:
            self._link.writer.write(line(message))
            self._link.writer.flush()

    def _follow(self) -> None:
        why = ""
        try:
            while self._end is None:
                self._take(self._read())
        except ConnectionLost as error:
            why = f"the connection to run {self.hello.run} is lost: {error}"
        except (OSError, ValueError) as error:  # a line that is not understood, or what was closed here
            why = f"the connection to run {self.hello.run} is lost: {error}"
        said = self._link.close()
        with self._news:
            self.lost = "" if self._end is not None else " ".join(filter(None, (why, said)))
            self._news.notify_all()
        while self._pending:
            set_answer(self._pending.popitem()[1], CommandAnswer(False, self.lost or ENDED))

    def _take(self, message: ToClient) -> None:
        match message:
            case StatusChanged():
                self._status.take(message)
            case Answered(number, done, text):
                if (future := self._pending.pop(number, None)) is not None:
                    set_answer(future, CommandAnswer(done, text))
            case Failed(text):
                raise ConnectionLost(text)
            case StreamEnd():
                self._end = message
        with self._news:
            self._news.notify_all()


def attach(reference: str, name: str, *, read_only: bool = False) -> RemoteRun:
    """Attach to RUN or HOST:RUN. Raises NoSuchRun, ConnectionLost."""
    return RemoteRun(connect(reference), name, read_only=read_only)
