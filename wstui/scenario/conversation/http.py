"""HTTP requests of clients: [[login]] before they connect, and steps of roles."""

from __future__ import annotations

import warnings
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from wstui.scenario.conversation.conditions import alternatives_of
from wstui.scenario.conversation.dialect import check_json
from wstui.scenario.conversation.role_types import Name, Variable
from wstui.scenario.errors import BadValue
from wstui.scenario.types import HeaderName, HeaderText, Line, TomlTable, Wait, Whole
from wstui.scenario.url import check_http_url

METHODS = ("get", "post", "put", "patch", "delete")
Url = Annotated[str, AfterValidator(check_http_url)]


def _expect(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict) or not value:
        raise BadValue('takes a table, such as { status = 200, "data.ok" = true }')
    statuses_of(value)
    if rest := without_status(value):
        alternatives_of(rest)
    return value


def statuses_of(expect: dict[str, Any] | None) -> list[int]:
    """Return the statuses that are right; empty: any below 400."""
    found = (expect or {}).get("status", [])
    statuses = found if isinstance(found, list) else [found]
    if not all(type(status) is int and 100 <= status < 600 for status in statuses):
        raise BadValue(
            'has a status that is not one: write status = 201, or [200, 204]; "$.status" is a path into JSON'
        )
    return statuses


def without_status(expect: dict[str, Any] | None) -> dict[str, Any]:
    """Return what the body of an answer must hold."""
    return {key: value for key, value in (expect or {}).items() if key != "status"}


with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # `json` is a deprecated method of pydantic's models

    class HttpRequest(TomlTable):
        """A request: the URL at the name of its method, what it carries, and what its answer must be."""

        get: Url = Field(default="", description="the URL to get; path and query may hold placeholders")
        post: Url = Field(default="", description="the URL to post to")
        put: Url = Field(default="", description="the URL to put to")
        patch: Url = Field(default="", description="the URL to patch")
        delete: Url = Field(default="", description="the URL to delete")
        headers: dict[HeaderName, HeaderText] = Field(default_factory=dict, description="further headers")
        json: Annotated[Any, BeforeValidator(check_json)] = Field(
            default=None, description="a body in JSON; a string that is one placeholder keeps its type"
        )
        form: dict[str, str] = Field(default_factory=dict, description="a body as HTML forms send it")
        body: str = Field(default="", description="a body as it is")
        expect: Annotated[Any, BeforeValidator(_expect)] = Field(
            default=None, description="status, and paths into the JSON of the answer; unset: any status below 400"
        )
        capture: dict[Variable, Line] = Field(
            default_factory=dict,
            description='variables from the answer: { token = "data.token" }, "regex:…", "header:Name", "cookie:name"',
        )
        within: Wait | None = Field(default=None, description="how long it may take; unset: http.timeout")

        @property
        def method(self) -> str:
            """The key of its method; "" if it has none."""
            return next((name for name in METHODS if getattr(self, name)), "")

        @property
        def url(self) -> str:
            return str(getattr(self, self.method)) if self.method else ""

        @property
        def bodies(self) -> list[str]:
            """The keys that say what it carries: one at most, unless the scenario is wrong."""
            named = [name for name in ("form", "body") if getattr(self, name)]
            return named + ["json"] * ("json" in self.model_fields_set and self.json is not None)


class Login(HttpRequest):
    """A request that each client makes before it connects. They are made in order; cookies are kept."""

    name: Annotated[Name, Field(max_length=60)] = Field(default="", description="its row in the figures")


class HttpLimits(TomlTable):
    """Limits of all HTTP requests: [[login]] and steps."""

    concurrency: Annotated[Whole, Field(ge=1, le=100_000)] = Field(
        default=64, title="at once", description="requests under way at once, by all workers together"
    )
    timeout: Wait = Field(default=10.0, description="how long an answer may take, from the connection on")
