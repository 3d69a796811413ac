"""The fields of a status as JSON, for clients that watch a run and for the store; secrets stay with the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

import msgspec

from wstui.execution.run.status import Status
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import masked
from wstui.scenario.secrets import MASK

_TYPES = get_type_hints(Status)


def _plain(value: object) -> Any:
    if isinstance(value, Scenario):
        return masked(value)
    raise NotImplementedError(f"{type(value).__name__} is not part of a status")


def _made(kind: type, value: Any) -> Any:
    if kind is Scenario:
        auth = {name: "" if part == MASK else part for name, part in value["auth"].items()}
        return Scenario.model_validate({**value, "auth": auth})
    raise NotImplementedError(f"{kind.__name__} is not part of a status")


encode = msgspec.json.Encoder(enc_hook=_plain).encode


def decode(fields: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    """Return fields by name; those of a later version are left out. Raises msgspec.ValidationError."""
    return {
        name: msgspec.json.decode(raw, type=_TYPES[name], dec_hook=_made)
        for name, raw in fields.items()
        if name in _TYPES
    }
