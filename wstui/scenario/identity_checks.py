"""Checks of what differs from client to client before it connects: URLs, headers, credentials and logins."""

from __future__ import annotations

import json
from collections.abc import Iterator

from wstui.scenario.conversation.http import HttpRequest
from wstui.scenario.errors import BadValue, Conflict, Key, quote
from wstui.scenario.http_text import is_http_token
from wstui.scenario.message_files import Feed, feed_of
from wstui.scenario.model import Scenario
from wstui.scenario.payload_checks import PayloadChecks
from wstui.scenario.placeholder import without_placeholders
from wstui.scenario.role_inputs import captured_at_login, steps_of


def identity_texts(scenario: Scenario) -> Iterator[tuple[Key, str]]:
    """Yield the texts of target, credentials and roles that may hold placeholders of a client, with their places."""
    target, auth = scenario.target, scenario.auth
    yield ("target", "url"), target.url
    for name in ("cert_file", "key_file"):
        yield ("target", name), getattr(target, name)
    for table in ("headers", "cookies"):
        yield from ((("target", table, name), text) for name, text in getattr(target, table).items())
    yield from ((("target", "subprotocols", index), text) for index, text in enumerate(target.subprotocols))
    yield ("auth", "user"), auth.user
    yield ("auth", "token"), auth.token.get_secret_value()
    yield ("auth", "password"), auth.password.get_secret_value()
    for number, role in enumerate(scenario.roles):
        for name in ("url", "cert_file", "key_file"):
            yield ("roles", number, name), getattr(role, name)
        yield from ((("roles", number, "headers", name), text) for name, text in role.headers.items())
        yield from ((("roles", number, "subprotocols", index), text) for index, text in enumerate(role.subprotocols))


def requests_of(scenario: Scenario) -> Iterator[tuple[Key, HttpRequest]]:
    """Yield every HTTP request of a scenario with its place."""
    yield from ((("login", index), login) for index, login in enumerate(scenario.login))
    for number, role in enumerate(scenario.roles):
        yield from ((("roles", number, *key, "http"), step.http) for key, step in steps_of(role) if step.http)


def requested_urls(scenario: Scenario) -> list[str]:
    return [request.url for _, request in requests_of(scenario) if request.url]


def written_texts(scenario: Scenario) -> str:
    """Return all texts that may name variables of the environment, as one."""
    requests = [request.model_dump(mode="json", exclude_unset=True) for _, request in requests_of(scenario)]
    given = [*(text for _, text in identity_texts(scenario)), json.dumps(scenario.target.options, default=str)]
    return "\n".join([*given, json.dumps(requests)])


def checked_feed(scenario: Scenario) -> tuple[Feed | None, bool, Conflict | None]:
    """Return the feed of the messages, whether its columns are known, and why it cannot be read."""
    if not (name := scenario.messages.feed):
        return None, True, None
    try:
        return feed_of(name, scenario.origin.file), True, None
    except BadValue as error:
        return None, False, Conflict(("messages", "feed"), error.message, quote(name))


def identity_findings(scenario: Scenario) -> Iterator[Conflict]:
    """Yield every conflict in what is sent before the connection is open."""
    feed, feed_is_known, conflict = checked_feed(scenario)
    if conflict and not scenario.roles:
        yield conflict
    captured = captured_at_login(scenario.login)
    checks = PayloadChecks(scenario.origin.file, captured, feed, feed_is_known)
    known: set[str] = set()
    for index, login in enumerate(scenario.login):
        place: Key = ("login", index)
        yield from checks.http(login, place, known)
        known.update(login.capture)
    if scenario.auth.kind == "basic":
        yield from _basic_findings(scenario)
    for key, text in identity_texts(scenario):
        yield from checks.before_connect(text, key, known, header=key[-1] != "url")
        if "{{" in text and key[-1] in ("cert_file", "key_file") and scenario.fleet.is_remote:
            yield Conflict(key, "differs from client to client, and its files are only here: leave fleet.hosts out")
        if "{{" in text and "subprotocols" in key and not is_http_token(without_placeholders(text, "0")):
            yield Conflict(key, "has characters that HTTP does not allow there")


def _basic_findings(scenario: Scenario) -> Iterator[Conflict]:
    user = scenario.auth.user
    if not user:
        yield Conflict(("auth", "user"), 'is missing: write user = "user-{{client}}"', rests_on=(("auth", "kind"),))
    elif ":" in without_placeholders(user):
        yield Conflict(("auth", "user"), "has a colon, which Basic authentication can't carry", quote(user))


def identity_warnings(scenario: Scenario) -> Iterator[str]:
    """Yield settings of requests and clients that have no effect."""
    if not any(True for _ in requests_of(scenario)):
        yield from (f"http.{name} has no effect: no request is made." for name in scenario.http.model_fields_set)
    used = written_texts(scenario)
    captured = captured_at_login(scenario.login)
    roles = json.dumps([role.model_dump(mode="json", exclude_unset=True) for role in scenario.roles])
    for name in captured:
        if f"{{{{{name}" not in (used + roles).replace("{{ ", "{{"):
            yield f"{name} is captured at login and never used: write {{{{{name}}}}} into the URL, a header or a step."
    if scenario.messages.feed and not scenario.roles and "{{feed." not in used.replace("{{ ", "{{"):
        yield "messages.feed has no effect: no URL, header or request has {{feed.column}}."
