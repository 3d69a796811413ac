"""HTTP requests of the editor: a login, or a step that makes one, as one row of text and as the fields of a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wstui.scenario.conversation.http import METHODS, HttpRequest, Login
from wstui.scenario.conversation.role import Step
from wstui.scenario.errors import Key
from wstui.scenario.fields import Field, FieldKind, fields

NEW: Mapping[str, Any] = {
    "post": "http://localhost:8080/login",
    "json": {"user": "user-{{client}}", "password": "{{env PASSWORD:-}}"},
}
"""How a request begins."""


def said(request: Mapping[str, Any], inline: Callable[[Any], str]) -> str:
    """What a request does, in a row."""
    method = _method(request)
    parts = [f"{method.upper()} {request[method]}" if method else "no URL"]
    parts += [f"→ {inline(request[key])}" for key in ("json", "form", "body") if request.get(key)]
    if request.get("expect"):
        parts.append(f"← {inline(request['expect'])}")
    if request.get("capture"):
        parts.append(f"captures {', '.join(request['capture'])}")
    return "  ".join(parts)


def form_fields(kind: str) -> list[Field]:
    """Return the fields of a "login", or of a step that is "http"."""
    known = {field.name: field for field in fields(Login if kind == "login" else HttpRequest) if len(field.path) == 1}
    name = known.pop("name", None) or next(field for field in fields(Step) if field.path == ("name",))
    method = Field(("method",), FieldKind.CHOICE, METHODS, title="method", description="what is asked for")
    url = Field(("url",), FieldKind.TEXT, title="url", description="its URL; path and query may hold placeholders")
    return [name, method, url, *(field for key, field in known.items() if key not in METHODS)]


def to_form(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an item by the names of its form."""
    if kind not in ("login", "http"):
        return dict(item)
    request = item if kind == "login" else {"name": item.get("name"), **item["http"]}
    method = _method(request)
    return {**request, "method": method or None, "url": request.get(method)}


def from_form(kind: str, item: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form says of an item, by the names of the scenario; None where a value is to be taken out."""
    if kind not in ("login", "http"):
        return dict(values)
    made = {name: value for name, value in values.items() if name not in ("method", "url")}
    made |= dict.fromkeys(METHODS) | {values["method"] or METHODS[0]: values["url"]}
    if kind == "login":
        return made
    name = made.pop("name")
    return {"name": name, "http": {key: value for key, value in (item["http"] | made).items() if value is not None}}


def field_at(kind: str, place: Key) -> str:
    """Return the name in the form of what is wrong at a place in an item."""
    rest = place[1:] if kind == "http" and place[:1] == ("http",) else place
    name = str(rest[0]) if rest else ""
    return "url" if kind in ("login", "http") and (not name or name in METHODS) else name


def _method(request: Mapping[str, Any]) -> str:
    return next((name for name in METHODS if request.get(name)), "")
