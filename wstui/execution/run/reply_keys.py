"""Whether replies to other clients can be taken for a client's own, by the keys that a scenario gives its messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SURE = 0.05
"""From this share of the messages sent on, odd replies are those to other clients."""
_PLACEHOLDER = re.compile(r"\{\{\s*(random (?:uuid|hex|text)|feed|[\w ]+)")
_OWN = {"id", "client", "feed", "random uuid", "random hex", "random text"}


def shared_key(scenario: Mapping[str, Any]) -> str:
    """Return what a step expects in its reply if it differs from message to message, but not from client to client.

    `scenario` is the one that a result holds; "" without such a step.
    """
    for role in scenario.get("roles") or ():
        rounds = [*_steps(role.get("loop"))]
        known = _OWN.union(*(step.get("capture") or () for step in (*_steps(role.get("open")), *rounds)))
        for step in rounds:
            names = _PLACEHOLDER.findall(str(step.get("expect")))
            if names and any(step.get(name) for name in ("send", "json", "file")) and not known & {*names}:
                return f"{{{{{names[0]}}}}}"
    return ""


def others_replies(scenario: Mapping[str, Any], *, clients: int, sent: int, odd: int) -> str:
    """Return why the response times are not true, or "": which key several clients send.

    `odd` replies came again or answer nothing. A scenario that has a limit for duplicates judges that itself.
    """
    if clients < 2 or odd <= SURE * max(1, sent):
        return ""
    if any(limit.get("metric") == "messages.duplicates" for limit in scenario.get("thresholds") or ()):
        return ""
    key = shared_key(scenario)
    return f"several clients send the same key {key}" if key else ""


def _steps(steps: Iterable[Mapping[str, Any]] | None) -> Iterator[Mapping[str, Any]]:
    for step in steps or ():
        yield step
        yield from _steps(step.get("steps"))
        for choice in step.get("choose") or ():
            yield from _steps(choice.get("steps"))
