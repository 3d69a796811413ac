"""The whole target as real processes, for `wstui demo` and tests: NATS, the server, its publisher."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from wstui.odin.nats_server import NatsServer
from wstui.odin.token import sign
from wstui.servers.child_process import ChildProcess, Service, python_child

START_TIMEOUT_S = 60.0
SERVER_GRACE_S = 7.0
STOP_GRACE_S = 2.0


class DemoTarget(Service):
    """NATS, server and publisher on free loopback ports: `async with DemoTarget() as target: … target.ws_url`.

    The secret is made for this target and passed by the environment. The processes end with this object, with this
    process even by kill -9, and with the thread that entered the context.
    """

    def __init__(
        self,
        progress: Callable[[str], None] | None = None,
        server_options: tuple[str, ...] = (),
        publisher_options: tuple[str, ...] = (),
    ) -> None:
        """`progress` is called with a line at each step; the options are those of the commands."""
        self.ws_url = ""
        self.nats_url = ""
        self.token = ""
        self.secret = ""  # signs its tokens
        self.processes: dict[str, ChildProcess] = {}
        self._progress = progress or (lambda _line: None)
        self._server_options = server_options
        self._publisher_options = publisher_options
        self._nats = NatsServer()

    @property
    def pids(self) -> dict[str, int]:
        """Return the process ids by name."""
        return {name: process.pid for name, process in self.processes.items() if process.pid is not None}

    async def start(self) -> None:
        """Start everything and wait until it is ready. Raises: ProcessFailed, after ending what had started."""
        self.secret = secrets.token_urlsafe(32)
        try:
            self._progress("starting NATS…")
            await self._nats.start()
            assert self._nats.process is not None
            self.processes["nats"] = self._nats.process
            self.nats_url = self._nats.url

            self._progress("starting the Odin server…")
            server = self.processes["server"] = python_child(
                "the Odin server",
                # Host and port come last, so that a scenario's options can't move it.
                *("-c", _command("server"), *self._server_options, "--host", "127.0.0.1", "--port", "0"),
                ready=r"^ready (ws://\S+)",
                environment={"NATS_URL": self.nats_url, "JWT_SECRET": self.secret},
            )
            self.ws_url = (await server.start(START_TIMEOUT_S))[1]

            self._progress("starting its publisher…")
            publisher = self.processes["publisher"] = python_child(
                "the publisher",
                *("-c", _command("publisher"), *self._publisher_options),
                ready=r"^ready nats://",
                environment={"NATS_URL": self.nats_url},
            )
            await publisher.start(START_TIMEOUT_S)
        except BaseException:
            await self.stop()
            raise
        self.token = sign("demo", self.secret)
        self._progress(f"ready at {self.ws_url}")

    async def stop(self) -> None:
        """End everything, the publisher first."""
        for name in ("publisher", "server"):
            if name in self.processes:
                await self.processes[name].stop(SERVER_GRACE_S if name == "server" else STOP_GRACE_S)
        await self._nats.stop()


def _command(name: str) -> str:
    return f"from wstui.cli.odin import {name}; {name}()"
