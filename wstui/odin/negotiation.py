"""Content negotiation: how much a client wants a media type, by its Accept header (RFC 9110, 12.5.1)."""

from __future__ import annotations

import contextlib


def quality(accept: str, media_type: str) -> float:
    """From 0 (not wanted) to 1: the weight of the most specific range in `accept` that holds `media_type`.

    Without any range everything is welcome. Parameters other than the weight are not looked at.
    """
    family = media_type.partition("/")[0]
    found: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name:
            found[name] = max(found.get(name, 0.0), _weight(parameters))
    if not found:
        return 1.0
    return next((found[name] for name in (media_type, f"{family}/*", "*/*") if name in found), 0.0)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            with contextlib.suppress(ValueError):
                return min(1.0, max(0.0, float(value)))
            return 0.0
    return 1.0
