"""The kinds of value in a scenario file: durations, sizes, names and addresses, each with its bounds and its advice."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
)

from wstui.scenario.errors import BadValue
from wstui.scenario.quantity import (
    format_duration,
    format_rate,
    format_share,
    format_size,
    parse_duration,
    parse_rate,
    parse_share,
    parse_size,
    plain_number,
    shortest_decimal,
)

FROM_FILE: Final = {"units": "required"}
"""Validation context of a file: a duration without a unit is an error there, seconds in Python."""

LONGEST_S = 366 * 86400.0
MOST_CLIENTS = 10_000_000
MOST_A_SECOND = 100_000


def _duration(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue('is no duration: write "250ms", "30s", "2m" or "1h"')
    if info.context == FROM_FILE and not value < 0:
        number = plain_number(shortest_decimal(value)) if value == value and abs(value) < LONGEST_S else "5"
        raise BadValue(f'is a number without a unit: write "{number}s" or "{number}ms"')
    return float(value)


def _size(value: Any) -> Any:
    return parse_size(value) if isinstance(value, str) else _whole(value)


def _rate(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return parse_rate(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue('is no rate: write "50/s" or "90/min"')
    if info.context == FROM_FILE:
        raise BadValue('is a number without a unit: write "50/s" or "90/min"', f"{value:g}/s" if value > 0 else "")
    return float(value)


def _some(value: float) -> float:
    if not 0 < value <= MOST_A_SECOND:
        raise BadValue(f"must be more than 0, and at most {MOST_A_SECOND}/s")
    return value


def _share(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return parse_share(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue('is no share: write "10%"')
    if info.context == FROM_FILE:
        near = format_share(value) if 0 < value < 1 else f"{value:g}%" if 1 <= value <= 100 else ""
        raise BadValue('is a number without a unit: write "10%"', near)
    return float(value)


def _whole(value: Any) -> Any:
    if isinstance(value, bool):
        raise BadValue("is no number")
    return value


def _http_token(value: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", value):
        raise BadValue("has characters that HTTP does not allow there")
    return value


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise BadValue("has a line break or another control character in it")
    return value


def _header_name(value: str) -> str:
    if _http_token(value).lower().startswith("sec-websocket-") or value.lower() in ("connection", "upgrade"):
        raise BadValue("is a header that the handshake itself sets")
    return value


def _ip_address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise BadValue('is no IP address: write one of this machine, such as "127.0.0.2"') from None


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    Field(ge=0, le=LONGEST_S, allow_inf_nan=False),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
]
"""Seconds."""
Wait = Annotated[Duration, Field(gt=0)]
"""Seconds, more than none."""
Size = Annotated[
    int,
    BeforeValidator(_size),
    Field(ge=0, le=1 << 40),
    PlainSerializer(format_size, return_type=str, when_used="json"),
]
"""Bytes."""
Rate = Annotated[
    float,
    BeforeValidator(_rate),
    AfterValidator(_some),
    PlainSerializer(format_rate, return_type=str, when_used="json"),
]
"""So many a second."""
Share = Annotated[
    float,
    BeforeValidator(_share),
    Field(allow_inf_nan=False),
    PlainSerializer(format_share, return_type=str, when_used="json"),
]
"""A part of the whole, 1 = 100 %."""
Whole = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Whole, Field(ge=0, le=MOST_CLIENTS)]
"""Clients."""
Token = Annotated[str, AfterValidator(_http_token)]
Line = Annotated[str, AfterValidator(_one_line)]
Address = Annotated[str, AfterValidator(_ip_address)]
HeaderName = Annotated[str, AfterValidator(_header_name)]


class Table(BaseModel):
    """A table of the file: unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid",
        validate_assignment=False,
        frozen=True,
        hide_input_in_errors=True,  # it may be a secret
    )
