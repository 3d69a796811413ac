"""Certificates for the table's servers, made when the first is needed."""

from __future__ import annotations

import functools
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.execution.test_tls import LOOPBACK, Authority


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="wstui-truth-")


@functools.cache
def authority() -> Authority:
    return Authority(Path(_folder().name), "truth")


def serving(
    *, name: x509.GeneralName = LOOPBACK, ended: bool = False, client: bool = False, least: Any = None
) -> Callable[[], ssl.SSLContext]:
    """A TLS context of the server; made when it is needed."""

    def make() -> ssl.SSLContext:
        signed = authority().sign(f"server-{name.value}-{ended}".replace("*", ""), name, ended=ended)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(signed.cert_file, signed.key_file)
        if client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(authority().file)
        if least is not None:
            context.maximum_version = least
        return context

    return make


def trusting() -> dict[str, str]:
    return {"ca_file": authority().file}
