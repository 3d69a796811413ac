"""Which fields of a scenario hold secrets, and what is shown and saved instead."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast, get_args, get_origin
from urllib.parse import unquote, unquote_plus

from wstui.scenario.conversation.http import METHODS
from wstui.scenario.env_refs import empty_in, escape, filled, replaced, walk, written_out
from wstui.scenario.errors import BadValue, Key
from wstui.scenario.identity_checks import requested_urls, requests_of, written_texts
from wstui.scenario.message_files import secrets_in_feed
from wstui.scenario.model import Scenario
from wstui.scenario.placeholder import signing_variables, variables, without_placeholders
from wstui.scenario.proxy import parse_proxy, proxy_variable
from wstui.scenario.role_inputs import secret_values, secrets_in_roles
from wstui.scenario.secrets import (
    MASK,
    Masker,
    is_credential_free,
    is_secret_header,
    masker,
    replace_secrets,
    secrets_in_header,
    secrets_in_url,
)

VARIABLES = {"token": "AUTH_TOKEN", "secret": "JWT_SECRET", "password": "AUTH_PASSWORD"}
"""The variables of the secrets of [auth], unless a preset refers to another one."""
_VARIABLES: dict[Key, str] = {("auth", name): variable for name, variable in VARIABLES.items()}
PROXY: Key = ("target", "proxy")
URLS: tuple[Key, ...] = (("target", "url"), ("target", "health"), PROXY)
"""Fields whose value may hold a secret as a part."""


def is_secret(key: Key) -> bool:
    """Return whether the value at this place is a secret as a whole."""
    if len(key) > 2 and key[-2] == "headers":
        return is_secret_header(str(key[-1]))
    if (key[0] == "login" or "http" in key) and ("json" in key or "form" in key):
        return is_secret_header(str(key[-1]))
    return key in _VARIABLES or key[:2] == ("target", "cookies")


def holds_url(key: Key) -> bool:
    """Return whether the value at this place is a URL, of which a part may be a secret."""
    return key in URLS or (key[0] in ("roles", "login") and key[-1] in ("url", *METHODS))


def keeps_secrets(key: Key, raw: str) -> bool:
    """Return whether a file may contain this text here: secrets are only referenced, in defaults too."""
    try:
        said = written_out(raw)
    except BadValue:
        said = raw
    if holds_url(key):
        return not secrets_in_url(said if "://" in said or key != PROXY else f"http://{said}")
    if key in _VARIABLES or key[:2] == ("target", "cookies"):
        return not without_placeholders(said)
    return not is_secret(key) or is_credential_free(said)


def empty_secrets(key: Key, raw: str, environ: Mapping[str, str]) -> list[str]:
    """Return the variables that a secret needs here and that are empty. A token's own check knows more."""
    names = [] if key in (("auth", "token"), ("auth", "secret")) else empty_in(raw, environ)
    if is_secret(key) or (holds_url(key) and len(secrets_in_url(filled(raw))) > len(secrets_in_url(written_out(raw)))):
        return names
    return [name for name in names if is_secret_header(name)]


def saved(key: Key, text: str, token: str = "") -> str:
    """Return what a file says for a text: references for secrets, else the text itself.

    `token` is what AUTH_TOKEN stands for already, "" where it is free: another one in a URL has a name of its own.
    """
    if key == PROXY:
        return replace_secrets(escape(text), "${PROXY_PASSWORD:-}", "${PROXY_PASSWORD:-}")
    if holds_url(key):
        other = token and any(secret != token for secret in secrets_in_url(text.rpartition("@")[2]))
        return replace_secrets(escape(text), f"${{{'WS_TOKEN' if other else 'AUTH_TOKEN'}:-}}", "${WS_PASSWORD:-}")
    if not is_secret(key) or is_credential_free(text):
        return escape(text)
    variable = _VARIABLES.get(key) or re.sub(r"\W", "_", str(key[-1])).upper()
    return f"${{{variable}:-}}"


def secrets_of(scenario: Scenario) -> list[str]:
    """Return every secret that a scenario holds, for `masking.mask_text`."""
    target, auth = scenario.target, scenario.auth
    own = [secret.get_secret_value() for secret in (auth.token, auth.secret, auth.password)]
    found = [
        *(text for text in own if without_placeholders(text)),
        *scenario.origin.secrets,
        *_secrets_in_requests(scenario),
    ]
    urls = [target.url, target.health, *(role.url for role in scenario.roles), *requested_urls(scenario)]
    for secret in (secret for url in urls for secret in secrets_in_url(url)):
        found += [secret, unquote(secret), unquote_plus(secret)]
    found += proxy_secrets(target.proxy)
    found += secrets_in_feed(scenario.messages.feed, scenario.origin.file)
    found += secrets_in_roles(scenario.roles, scenario.origin.file)
    headers = [*target.headers.items(), *(item for role in scenario.roles for item in role.headers.items())]
    headers += [("cookie", f"{name}={value}") for name, value in target.cookies.items()]
    headers += [item for _, request in requests_of(scenario) for item in request.headers.items()]
    for name, value in headers:
        if is_secret_header(name) and not is_credential_free(value):
            found += [value, *secrets_in_header(value)]
    return [secret for secret in dict.fromkeys(found) if secret]


def _secrets_in_requests(scenario: Scenario) -> Iterator[str]:
    texts = written_texts(scenario)
    names = [name for name in variables(texts) if is_secret_header(name)] + signing_variables(texts)
    yield from (os.environ[name] for name in names if os.environ.get(name))
    for _, request in requests_of(scenario):
        yield from secret_values(request.json)
        yield from secret_values(request.form)


def mask_of(scenario: Scenario) -> Masker:
    return masker(tuple(secrets_of(scenario)))


def shown_url(scenario: Scenario) -> str:
    """Return the target's URL without secrets."""
    return mask_of(scenario)(scenario.target.url)


def proxy_secrets(wanted: str) -> list[str]:
    """Return the credentials in `target.proxy`; of "env" those of every proxy in the environment."""
    variables = [proxy_variable(secure, os.environ)[0] for secure in (False, True)]
    found = []
    for text in filter(None, {"env": variables, "off": []}.get(wanted, [wanted])):
        with contextlib.suppress(BadValue):
            found += [*parse_proxy(text).secrets, *secrets_in_url(text)]
    return found


def masked(scenario: Scenario) -> dict[str, Any]:
    """Return the scenario as plain data for results and reports: units as in a file, secrets masked."""
    data = scenario.model_dump(mode="json")
    mask = mask_of(scenario)
    hidden: dict[Key, str] = {key: MASK for key, text in walk(data) if text and is_secret(key)}
    texts = {key: mask(text) for key, text in walk(data) if _is_free(Scenario, key)}
    return cast(dict[str, Any], replaced(data, texts | hidden))


def _is_free(model: Any, key: Key) -> bool:
    """Return whether a text is the author's own: words that wstui knows stay, whatever a secret is."""
    table = model
    for part in key:
        if isinstance(part, str) and hasattr(table, "model_fields"):
            table = table.model_fields[part].annotation if part in table.model_fields else str
        elif isinstance(part, str):
            return True  # a header, by its name
        while not hasattr(table, "model_fields") and (inner := [a for a in get_args(table) if a is not type(None)]):
            if get_origin(table) is Literal:
                return False
            table = inner[0]
    return table is str and key[0] != "thresholds"
