"""Whether the certificates and keys that a scenario names are there, and are what they should be."""

from __future__ import annotations

import os
from collections.abc import Iterator

from wstui.scenario.errors import Key, quote
from wstui.scenario.file_refs import located
from wstui.scenario.model import Scenario
from wstui.scenario.problem import Conflict

_NO_PASSWORD = "no password"


def tls_findings(scenario: Scenario) -> Iterator[Conflict]:
    """What is wrong with ca_file, cert_file and key_file."""
    target, file = scenario.target, scenario.origin.file
    paths = {name: located(getattr(target, name), file) for name in ("ca_file", "cert_file", "key_file")}
    missing = [name for name, path in paths.items() if path and not os.path.isfile(path)]  # noqa: PTH113 - NUL is False
    for name in missing:
        place = "" if os.path.isabs(paths[name]) else f", seen from {os.getcwd()}"  # noqa: PTH109, PTH117
        yield _finding(name, paths[name], f"is not a file{place}")
    if target.key_file and not target.cert_file:
        yield _finding("key_file", target.key_file, "needs cert_file beside it")
    if missing or not target.url.lower().startswith("wss:"):
        return
    yield from _authority_findings(paths["ca_file"])
    if paths["cert_file"]:
        yield from _identity_findings(paths["cert_file"], paths["key_file"])


def _authority_findings(path: str) -> Iterator[Conflict]:
    if not path:
        return
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError):
        yield _finding("ca_file", path, 'holds no certificate: it takes PEM ("-----BEGIN CERTIFICATE-----")')


def _identity_findings(certificate: str, key: str) -> Iterator[Conflict]:
    import ssl  # takes long, and few scenarios name a file

    asked = False

    def password() -> str:
        # Without this OpenSSL would ask on the terminal.
        nonlocal asked
        asked = True
        return _NO_PASSWORD

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key or None, password)
    except (OSError, ssl.SSLError) as error:
        name, path = ("key_file", key) if key else ("cert_file", certificate)
        if asked:
            yield _finding(name, path, "is locked with a password: it takes a key without one")
        elif getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            yield _finding(name, path, "is not the key of cert_file")
        elif key:
            yield _finding("cert_file", certificate, "and key_file cannot be used: they take PEM")
        else:
            message = "cannot be used: it takes PEM with a certificate and its key, or the key in key_file"
            yield _finding("cert_file", certificate, message)


def _finding(name: str, path: str, message: str) -> Conflict:
    key: Key = ("target", name)
    return Conflict(key, message, quote(path))
