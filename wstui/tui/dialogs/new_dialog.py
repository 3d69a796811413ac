"""Asks for the server of a new scenario."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wstui.scenario.conversation.known_dialects import DIALECTS, kind_of
from wstui.scenario.errors import BadValue, nearest
from wstui.scenario.url import check_target_url
from wstui.tui.dialogs.dialog import DialogField, Form


class NewDialog(Form[tuple[str, str]]):
    """Asks for a URL and a protocol: without a protocol the server is looked at, without both nothing is known."""

    SEND = "Begin"
    title_text = "A scenario for which server?"

    def fields(self) -> Iterable[DialogField]:
        yield DialogField(
            "url",
            "url",
            "",
            _url,
            lambda url: "" if url else "leave it empty to fill it in later",
            placeholder="ws://…",
        )
        yield DialogField("protocol", "protocol", "", _protocol, _meaning, placeholder="socketio, graphql, mqtt …")

    def answer(self, values: dict[str, Any]) -> tuple[str, str]:
        return values["url"], values["protocol"]


def _url(text: str) -> str:
    return check_target_url(text.strip()) if text.strip() else ""


def _protocol(text: str) -> str:
    name = text.strip().lower()
    if name and name not in DIALECTS:
        near = nearest(name, DIALECTS)
        raise BadValue(f"did you mean {near}?" if near else f"there are {', '.join(DIALECTS)}")
    return name


def _meaning(protocol: str) -> str:
    return kind_of(protocol).title if protocol else "leave it empty to have it recognised"
