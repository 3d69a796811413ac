"""Dask on our side: a scheduler in this process, a client, and no log output."""

from __future__ import annotations

import logging
import tempfile
import warnings

import dask
from distributed import Client, Scheduler, Security, Worker

_SETTINGS = {
    "distributed.admin.low-level-log-length": 20,  # do not keep messages
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.http.routes": [],
}
WORKER_SETTINGS = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]",
    "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "20",
    "DASK_LOGGING__DISTRIBUTED": "error",
}


def be_quiet() -> None:
    """Silence Dask's logs on stderr, which may be a screen: hosts report what matters."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado", "bokeh"):
            logger = logging.getLogger(name)
            logger.handlers = [logging.NullHandler()]
            logger.propagate = False
            logger.setLevel(logging.CRITICAL)


async def open_scheduler(security: Security) -> Scheduler:
    """Start a scheduler on loopback that requires the keys in `security`. Raises OSError."""
    be_quiet()
    # Dask insists on a folder, but keeps nothing in it.
    with (
        tempfile.TemporaryDirectory(prefix="wstui-", ignore_cleanup_errors=True) as folder,
        dask.config.set({**_SETTINGS, "temporary-directory": folder}),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        scheduler = Scheduler(
            host="127.0.0.1",
            port=0,
            protocol="tls",
            security=security,
            dashboard=False,
            dashboard_address="127.0.0.1:0",
        )
        await scheduler
    close_http(scheduler)
    return scheduler


def close_http(node: Scheduler | Worker) -> None:
    """Close the status port, which every user of the host could read."""
    node.http_server.stop()


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


def worker_environment(security: Security) -> dict[str, str]:
    """Return the environment with a Dask worker's keys: every user can see a command line."""
    return {
        **WORKER_SETTINGS,
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": security.tls_ca_file,
        "DASK_DISTRIBUTED__COMM__TLS__WORKER__CERT": security.tls_worker_cert,
        "DASK_DISTRIBUTED__COMM__TLS__WORKER__KEY": security.tls_worker_key,
    }
