"""Dask on our side: a scheduler in this process, a client, and no log output."""

from __future__ import annotations

import logging
import tempfile
import warnings

import dask
from distributed import Client, Scheduler, Security, Worker

from wstui.fleet.hosts.dask_comm import SCHEME

SETTINGS = {
    "distributed.admin.low-level-log-length": 20,  # do not keep messages
    "distributed.admin.tick.interval": "1s",  # not 50 times a second on each host, and here
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.disk": False,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
}


def be_quiet() -> None:
    """Silence Dask's logs on stderr, which may be a screen: hosts report what matters."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado", "bokeh"):
            logger = logging.getLogger(name)
            logger.handlers = [logging.NullHandler()]
            logger.propagate = False
            logger.setLevel(logging.CRITICAL)


class QuietScheduler(Scheduler):  # type: ignore[misc]
    """A scheduler without a status page."""

    def start_http_server(self, *_: object, **__: object) -> None:
        """Open no port."""


class QuietWorker(Worker):  # type: ignore[misc]
    """A Dask worker without a status page."""

    def start_http_server(self, *_: object, **__: object) -> None:
        """Open no port."""


async def open_scheduler(name: str) -> Scheduler:
    """Start a scheduler for this process and for pipes to hosts, as `name` there."""
    be_quiet()
    # Dask insists on a folder, but keeps nothing in it.
    with (
        tempfile.TemporaryDirectory(prefix="wstui-", ignore_cleanup_errors=True) as folder,
        dask.config.set({**SETTINGS, "temporary-directory": folder}),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        scheduler = QuietScheduler(protocol=["inproc", SCHEME], host=["", name], port=0, dashboard=False)
        await scheduler
    return scheduler


async def open_client(address: str, security: Security | None, *, direct: bool) -> Client:
    """Connect to a scheduler; `direct`: the client can reach the Dask workers itself. Raises OSError."""
    be_quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = Client(
            address,
            security=security,
            asynchronous=True,
            direct_to_workers=direct,
            set_as_default=False,
            timeout=10,
        )
        try:
            await client
        except BaseException:
            await client.close()
            raise
    return client
