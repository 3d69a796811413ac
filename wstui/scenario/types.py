"""The kinds of value in a scenario file: durations, sizes, names and addresses, each with its bounds and its advice."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)

from wstui.scenario.errors import BadValue
from wstui.scenario.http_text import header_fault, is_http_token
from wstui.scenario.placeholder import without_placeholders
from wstui.scenario.source_addresses import check_source
from wstui.scenario.units import (
    LONGEST_S,
    first_digits,
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
from wstui.scenario.url import check_no_placeholder

FROM_FILE: Final = {"units": "required"}
"""Validation context of a file: a duration without a unit is an error there, seconds in Python."""

MOST_CLIENTS = 10_000_000
MOST_A_SECOND = 100_000
_ENDS = re.compile(r"\A[\s\ufeff]+|[\s\ufeff]+\Z")


def _float(number: float) -> float:
    """Return a number as a float, infinite if too large."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _duration(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue('is not a duration: write "250ms", "30s", "2m" or "1h"')
    if info.context == FROM_FILE and not value < 0:
        number = plain_number(shortest_decimal(value)) if abs(value) < LONGEST_S else "5"
        raise BadValue(f'is a number without a unit: write "{number}s" or "{number}ms"')
    return _float(value)


def _size(value: Any) -> Any:
    return parse_size(value) if isinstance(value, str) else _whole(value)


def _rate(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return parse_rate(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue('is not a rate: write "50/s" or "90/min"')
    if info.context == FROM_FILE:
        raise BadValue(
            'is a number without a unit: write "50/s" or "90/min"', f"{value:g}/s" if 0 < value <= MOST_A_SECOND else ""
        )
    return _float(value)


def _share(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return parse_share(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue('is not a share: write "10%"')
    if info.context == FROM_FILE:
        near = format_share(value) if 0 < value < 1 else f"{value:g}%" if 1 <= value <= 100 else ""
        raise BadValue('is a number without a unit: write "10%"', near)
    return _float(value)


def _whole(value: Any) -> Any:
    if isinstance(value, bool):
        raise BadValue("is not a number")
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{30,}", value.strip(), re.ASCII):
        return first_digits(value.strip())
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue("is not a number")
    return value


def _http_token(value: str) -> str:
    if not is_http_token(value):
        raise BadValue("has characters that HTTP does not allow there")
    return value


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise BadValue("has a line break or another control character in it")
    return value


def twice_in(names: Sequence[str]) -> str:
    """Return the first duplicate name, or ""."""
    return next((name for place, name in enumerate(names) if name in names[:place]), "")


def _header_name(value: str) -> str:
    if _http_token(value).lower().startswith("sec-websocket-") or value.lower() in ("connection", "upgrade"):
        raise BadValue("is a header that the handshake itself sets")
    if value.lower() in ("content-length", "transfer-encoding"):
        raise BadValue("announces a body, and the upgrade request has none")
    return value


def without_ends(value: str) -> str:
    """Return a text without surrounding blanks, line ends and byte order mark."""
    return _ENDS.sub("", value)


def _header_value(value: str) -> str:
    return check_no_placeholder(_header_text(value))


def _header_text(value: str) -> str:
    if fault := header_fault(value):
        raise BadValue(fault)
    return value


def _subprotocol(value: str) -> str:
    _http_token(without_placeholders(value, "0"))
    return value


def _bare_token(value: SecretStr) -> SecretStr:
    return SecretStr(without_ends(value.get_secret_value()))


def _text(pattern: str, *examples: str, types: str | list[str] = "string") -> WithJsonSchema:
    """Describe a quantity as the text that a file holds."""
    return WithJsonSchema({"type": types, "pattern": f"^({pattern})$", "examples": list(examples)})


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    Field(ge=0, le=LONGEST_S, allow_inf_nan=False),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    _text(r"(\d+(\.\d+)?(h|m|s|ms|us|µs))+", "250ms", "10s", "2m", "1h30m"),
]
"""Seconds."""
Wait = Annotated[Duration, Field(gt=0)]
"""Seconds, more than none."""
Size = Annotated[
    int,
    BeforeValidator(_size),
    Field(ge=0, le=1 << 40),
    PlainSerializer(format_size, return_type=str, when_used="json"),
    _text(r"\d+(\.\d+)?(GiB|MiB|KiB|B)?", "64", "64KiB", "1MiB", types=["string", "integer"]),
]
"""Bytes."""
Rate = Annotated[
    float,
    BeforeValidator(_rate),
    Field(gt=0, le=MOST_A_SECOND),
    PlainSerializer(format_rate, return_type=str, when_used="json"),
    _text(r"\d+(\.\d+)?\s*/\s*(s|min|h)", "50/s", "90/min"),
]
"""So many a second."""
Share = Annotated[
    float,
    BeforeValidator(_share),
    Field(allow_inf_nan=False),
    PlainSerializer(format_share, return_type=str, when_used="json"),
    _text(r"\d+(\.\d+)?\s*%", "10%"),
]
"""A part of the whole, 1 = 100 %."""
Part = Annotated[Share, Field(ge=0, le=1)]
Factor = Annotated[float, BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Whole, Field(ge=0, le=MOST_CLIENTS)]
"""Clients."""
Token = Annotated[str, AfterValidator(_http_token)]
Line = Annotated[str, AfterValidator(_one_line)]
SourceAddress = Annotated[str, AfterValidator(check_source)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
HeaderText = Annotated[str, AfterValidator(_header_text)]
"""It may hold placeholders."""
Subprotocol = Annotated[str, AfterValidator(_subprotocol)]
BareToken = Annotated[SecretStr, AfterValidator(_bare_token)]
"""A secret as it is sent, without what surrounds it in a file."""


class TomlTable(BaseModel):
    """A table of the file: unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid",
        validate_assignment=False,
        frozen=True,
        hide_input_in_errors=True,  # it may be a secret
        defer_build=True,
    )
