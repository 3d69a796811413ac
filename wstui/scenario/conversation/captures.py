"""Sources of captured variables: a path, a regular expression, a header or a cookie."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wstui.scenario.conversation.conditions import parse_path
from wstui.scenario.errors import BadValue, Conflict, Key, quote
from wstui.scenario.http_text import is_http_token

OF_ANSWER = ("header:", "cookie:")
"""How sources in an HTTP answer begin; in a step they are those of the answer to the upgrade."""


def capture_findings(capture: dict[str, str], place: Key) -> Iterator[Conflict]:
    """Yield what is wrong with the sources of variables."""
    for name, source in capture.items():
        try:
            check_capture(source)
        except BadValue as error:
            yield Conflict((*place, "capture", name), error.message, quote(source, 60))


def check_capture(source: str) -> None:
    """Raise `BadValue` unless a variable can be captured from this: a path, "regex:…" with one group, a header or a
    cookie.
    """
    for kind in OF_ANSWER:
        if source.startswith(kind):
            if not is_http_token(source.removeprefix(kind)):
                raise BadValue(
                    f'names no {kind[:-1]}: write such as "{kind}{"X-Session" if kind == "header:" else "sid"}"'
                )
            return
    if not source.startswith("regex:"):
        parse_path(source)
        return
    try:
        groups = re.compile(source.removeprefix("regex:")).groups
    except re.error as error:
        raise BadValue(f"is a regex that cannot be read: {error}") from None
    if not groups:
        raise BadValue('has no group to capture: write such as "regex:id=(\\\\d+)"')
