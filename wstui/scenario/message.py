"""What clients say with `exchange = "template"`: kinds of message, how each is answered, what the answer must hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from wstui.scenario.errors import BadValue
from wstui.scenario.types import Line, Size, TomlTable

MOST_BYTES = 1 << 20


def _scalar(value: Any) -> Any:
    if value is not None and not isinstance(value, str | int | float | bool):
        raise BadValue("must be a text, a number, true or false")
    return value


def _weight(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue("is no number")
    if not 0 < value <= 1_000_000:
        raise BadValue("must be more than 0, and at most 1000000: leave the template out to send none")
    return value


class Expectation(TomlTable):
    """What a reply must hold: `contains`, or `field` (with `equals`, or only that it is there)."""

    contains: str = ""  # this text, anywhere in the reply
    field: str = ""  # dotted path into the reply's JSON: "data.items.0.id"
    equals: Annotated[str | int | float | bool | None, BeforeValidator(_scalar)] = None  # None: any value


class Template(TomlTable):
    """One kind of message. `payload` and `key` may hold placeholders, see `wstui.scenario.placeholder`."""

    name: Annotated[Line, Field(min_length=1)]
    weight: Annotated[float, BeforeValidator(_weight)] = 1.0  # its share among the templates
    payload: str = ""
    file: str = ""  # where the payload is, instead of `payload`: beside the preset, or from where one is
    encoding: Literal["plain", "base64", "hex"] = "plain"  # how what is between the placeholders is written
    binary: bool = False  # a binary frame; a plain `file` is then sent as it is, without placeholders
    size: Annotated[Size, Field(le=MOST_BYTES)] = 0  # padded to so many bytes: blanks in text, zeros in binary
    reply: Literal["echo", "field", "order", "none"] = "echo"
    # echo: the reply is what was sent; field: it holds the key at `reply_field`; order: the next message (that has
    # `reply_field`, when one is named) answers the oldest; none: nothing is waited for
    reply_field: str = ""  # dotted path into the reply's JSON
    key: str = ""  # what the reply carries, "{{id}}" unless said; {{key}} puts it into the payload
    expect: list[Expectation] = Field(default_factory=list)
