"""Turn pydantic's errors into problems in the words of the file."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from wstui.scenario.env_refs import hide_defaults
from wstui.scenario.errors import BadValue, Key, Problem, dotted, nearest, quote
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.secret_fields import PROXY, is_secret
from wstui.scenario.secrets import MASK, mask_text
from wstui.scenario.types import TomlTable

RENAMED_KEYS = {"fleet.shards": "fleet.workers"}
"""Keys of a scenario file, dotted, that were replaced before they were frozen: the error says what to write instead."""
GONE: dict[str, str] = {
    "messages.templates": 'is gone: write each template as a step of a role, such as [[roles]] name = "member", '
    'loop = [{ name = "order", send = \'{"id":{{id}}}\', expect = { "data.id" = "{{id}}" } }]. payload is now send (or '
    "json, hex, base64, file), reply_field with its key a path in expect, and weights belong to a step choose: "
    "see `wstui manual roles`",
}
"""Keys that have no successor of the same form."""
GONE_VALUES: dict[tuple[str, str], str] = {
    ("messages.exchange", "template"): "is gone: write [[roles]] with the steps of a client, and leave exchange out",
}
RENAMED_FLAGS = {"--box-python": "--host-python", "--every-line": "--progress-every", "--shards": "--workers"}
"""Options of the command line that were replaced."""


_SYNONYMS = {
    "connections": "clients",
    "users": "clients",
    "duration": "over",
    "time": "over",
    "for": "over",
    "interval": "every",
    "frequency": "every",
    "type": "kind",
    "protocol": "exchange",
    "uri": "url",
    "address": "url",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "must be at least {}"),
    "greater_than": ("gt", "must be more than {}"),
    "less_than_equal": ("le", "must be at most {}"),
}
_WRITTEN = dict.fromkeys(("dict_type", "model_type"), ("table", "{ … }")) | {"list_type": ("list", "[ … ]")}
_PLAIN = {
    "string_type": "must be a text in quotes",
    "finite_number": "must be a finite number",
    "string_too_short": "is empty",
    "too_short": "is empty",
}


def diagnose(error: ValidationError, file: str, model: type[TomlTable], under: Key = ()) -> dict[Key, Problem]:
    """Return the problems that `model` reports, by key in the file; `under` is the key of the model."""
    found: dict[Key, Problem] = {}
    for detail in error.errors(include_url=False):
        path: Key = detail["loc"]
        if detail["type"] != "extra_forbidden" and len(path) > 1 and path[-1] == "[key]":
            path = path[:-1]  # the name itself: of a header, of a variable
        if detail["type"] == "extra_forbidden":
            message, near, value = *_unknown_key(path, model), ""
        else:
            message, near = _explain(detail, path, model)
            value = "" if detail["type"] == "missing" else show(path, detail["input"])
        found.setdefault((*under, *path), Problem(file, dotted((*under, *path)), message, value, near))
    return found


def show(path: Key, value: Any) -> str:
    """Return a value as problems show it: secrets masked, long ones cut, tables only named."""
    if path == ("auth",):
        return MASK
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if len(path) > 2 and path[-2] in ("headers", "cookies"):
        return MASK  # whatever its name: what HTTP can't carry may be a secret all the same
    if path == PROXY and isinstance(value, str) and "://" not in value and "@" in value:
        return quote(f"{MASK}@{value.rpartition('@')[2]}")
    if not is_secret(path):
        return quote(mask_text(value)) if isinstance(value, str) else show_number(value)
    if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
        return quote(hide_defaults(value))
    return MASK


def show_number(value: Any) -> str:
    """Return a value other than text; of a whole number with very many digits only how large it is."""
    if isinstance(value, int) and value.bit_length() > 3400:
        return "a number of thousands of digits"
    if isinstance(value, int) and value.bit_length() > 200:
        return f"about {'-' * (value < 0)}10^{value.bit_length() * 0.30103:.0f}"
    return str(value)


def _explain(detail: ErrorDetails, path: Key, model: type[TomlTable]) -> tuple[str, str]:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        cause = context["error"]
        return (cause.message, cause.nearest) if isinstance(cause, BadValue) else (str(cause), "")
    if kind == "missing":
        return "is missing", ""
    if kind == "literal_error":
        if gone := GONE_VALUES.get((dotted(path), str(detail["input"]))):
            return gone, ""
        from wstui.scenario.fields import choices  # only a wrong file needs it

        table = _table_at(path[:-1], model)
        options = choices(str(path[-1]), table.model_fields[str(path[-1])].annotation)
        return f"must be {' or '.join(map(quote, options))}", nearest(str(detail["input"]), options)
    if kind in _BOUNDS:
        name, text = _BOUNDS[kind]
        if (bound := context[name]) == 0 and name == "ge":
            return "must not be negative", ""
        return text.format(_in_its_unit(bound, path, model)), ""
    if kind == "list_type" and path in (("stages",), ("thresholds",), ("login",), ("roles",)):
        return f"must be written [[{path[0]}]], in double brackets", ""
    if kind in _WRITTEN:
        what, form = _WRITTEN[kind]
        return f"must be a {what}: write {form if isinstance(path[-1], int) else f'{path[-1]} = {form}'}", ""
    if kind.startswith("int_"):
        return "must be a whole number", ""
    if kind.startswith("bool_"):
        return "must be true or false", ""
    return _PLAIN.get(kind, detail["msg"]), ""


def _in_its_unit(bound: float, path: Key, model: type[TomlTable]) -> str:
    names = [part for part in path if isinstance(part, str)]
    info = _table_at(path[:-1], model).model_fields.get(names[-1] if names else "")
    from wstui.scenario.fields import format_bound, unwrapped

    return format_bound(bound, unwrapped(info.annotation, list(info.metadata))[1] if info else [])


def _unknown_key(path: Key, model: type[TomlTable]) -> tuple[str, str]:
    key = str(path[-1])
    if new := RENAMED_KEYS.get(dotted(path)):
        return f"is called {new} now", ""
    if gone := GONE.get(dotted(path)):
        return gone, ""
    if model is Suite and key in Scenario.model_fields:
        return "has no place in a suite: write it into the presets that the suite names", ""
    own = list(_table_at(path[:-1], model).model_fields)
    if len(path) == 1 and model is Scenario:
        own += ["load", "suite"]
    # A key of a table that stands at the top is not misspelled: only the table is missing.
    near = (_elsewhere(key) if len(path) == 1 and model is Scenario else "") or nearest(key, own)
    if not near and _SYNONYMS.get(key) in own:
        near = _SYNONYMS[key]
    if not near:
        near = _elsewhere(_SYNONYMS.get(key, key)) or _elsewhere(key)
    return "is not a key" if near else f"is not a key here: there are {', '.join(own)}", near


def _elsewhere(key: str) -> str:
    for name in Scenario.model_fields:
        table = _table_at((name,), Scenario)
        if table is not Scenario and key in table.model_fields:
            return f"{name}.{key}"
    return ""


def _table_at(path: Key, model: type[BaseModel]) -> type[BaseModel]:
    """Return the model of the table at a path, or of the table around it."""
    for part in path:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        annotation = field.annotation if field else None
        for candidate in (annotation, *typing.get_args(annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return model
