"""Checks of the messages of a role, and of what they are compared with: sizes, placeholders, files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from wstui.scenario.conversation.conditions import alternatives_of, capture_findings
from wstui.scenario.conversation.http import METHODS, HttpRequest, without_status
from wstui.scenario.conversation.payload import (
    Part,
    PlacedPlaceholder,
    frame_parts,
    payload_of,
    places,
    text_places,
    weight,
)
from wstui.scenario.conversation.role import Message
from wstui.scenario.env_refs import is_blank
from wstui.scenario.errors import BadValue, Conflict, Key, nearest, quote
from wstui.scenario.http_text import header_fault
from wstui.scenario.message_files import MOST_BYTES, Feed
from wstui.scenario.placeholder import UNKNOWN, BadPlaceholder, Placeholder, walk
from wstui.scenario.secrets import is_secret_header, mask_text


class PayloadChecks:
    """Checks the messages of one role, whose steps capture the variables `captured`. `bytes` is what they weigh.

    `feed` is None when there is none, or when it cannot be read.
    """

    def __init__(self, file: str, captured: Sequence[str], feed: Feed | None, feed_is_known: bool) -> None:
        self._file = file
        self._captured = captured
        self._feed = feed
        self._feed_is_known = feed_is_known
        self.bytes = 0

    def message(self, message: Message, place: Key, known: set[str], in_answer: bool = False) -> Iterator[Conflict]:
        sources = message.sources
        if len(sources) > 1:
            yield Conflict((*place, sources[1]), f"and {sources[0]} are both given: keep one")
            return
        if not sources:
            for name in ("binary", "size"):
                if getattr(message, name):
                    yield Conflict(
                        (*place, name), "belongs to a message that is sent, and there is none: write send, json or file"
                    )
            return
        source = sources[0]
        at = place if source == "frames" else (*place, source)
        shown = "" if source in ("json", "frames") else quote(mask_text(str(getattr(message, source))), 60)
        try:
            if frames := message._frames:
                parts = [part for frame in frames for part in frame_parts(frame, self._captured)]
            else:
                parts = payload_of(message, self._file, self._captured)
        except BadPlaceholder as error:
            yield self._bad(at, error, known)
            return
        except BadValue as error:
            yield Conflict(at, error.message, shown, error.nearest)
            return
        size = weight(parts)
        self.bytes += size
        if size > MOST_BYTES:
            yield Conflict(at, f"is larger than {MOST_BYTES >> 20} MiB, the most of a message: send it in parts")
        yield from self._places([p.placeholder for p in places(parts)], at, known, in_answer)
        yield from self._padding(message, parts, place, source)

    def _padding(self, message: Message, parts: Sequence[Part], place: Key, source: str) -> Iterator[Conflict]:
        pads = sum(isinstance(part, PlacedPlaceholder) and part.placeholder.name == "pad" for part in parts)
        if pads > 1:
            yield Conflict((*place, source), "is there twice: the padding goes to one place", quote("{{pad}}"))
        if pads and not message.size:
            yield Conflict((*place, "size"), "is missing: {{pad}} fills the message up to it")

    def _places(
        self, placeholders: Sequence[Placeholder], place: Key, known: set[str], in_answer: bool = False
    ) -> Iterator[Conflict]:
        """Check that each placeholder has a value when its turn comes."""
        for placeholder in walk(placeholders):
            name, arguments = placeholder.name, placeholder.arguments
            if name == "variable" and arguments[0] not in known:
                written, message = (
                    f"{{{{{arguments[0]}}}}}",
                    "is captured later, or not on every way to this step: capture it before",
                )
                yield Conflict(place, message, quote(written))
            elif name == "message" and not in_answer:
                message = "is only there in an answer: capture what a later step needs"
                yield Conflict(place, message, quote(f"{{{{message.{arguments[0]}}}}}"))
            elif name == "hmac" and not os.environ.get(arguments[1]):
                message = "names a variable of the environment that is not set: its value is the key"
                yield Conflict(place, message, quote("{{hmac …}}"))
            elif name == "env" and len(arguments) == 1 and not _is_set(arguments[0]):
                state = "is empty" if arguments[0] in os.environ else "is not set"
                message = f'{state}: set it, or write "{{{{env {arguments[0]}:-default}}}}"'
                yield Conflict(place, message, quote(f"{{{{env {arguments[0]}}}}}"))
            elif name == "feed":
                try:
                    if self._feed is not None:
                        self._feed.index(placeholder)
                    elif self._feed_is_known:
                        written = f"{{{{feed.{arguments[0]}}}}}"
                        raise BadPlaceholder(written, 'has no feed: set messages.feed = "rows.csv"')
                except BadPlaceholder as error:
                    yield self._bad(place, error, known)

    def text(self, text: str, place: Key, known: set[str]) -> Iterator[Conflict]:
        """Check the placeholders of a text that is compared, not sent."""
        try:
            places = [part for part in text_places(text, self._captured) if isinstance(part, Placeholder)]
        except BadPlaceholder as error:
            yield self._bad(place, error, known)
            return
        if any(part.name == "pad" for part in places):
            yield Conflict(place, "only fills what is sent", quote("{{pad}}"))
        yield from self._places(places, place, known)

    def http(self, request: HttpRequest, place: Key, known: set[str]) -> Iterator[Conflict]:
        """Check a request: one method, one body, and the places in all of its texts."""
        methods = [name for name in METHODS if getattr(request, name)]
        if len(methods) != 1:
            message = f"has {' and '.join(methods)}: keep one" if methods else 'has no URL: write post = "https://…"'
            yield Conflict(place, message)
            return
        bodies = request.bodies
        if len(bodies) > 1:
            yield Conflict((*place, bodies[1]), f"and {bodies[0]} are both given: keep one")
        if bodies and methods[0] == "get":
            yield Conflict((*place, bodies[0]), "belongs to no GET: put it into the query, or use post")
        yield from self.before_connect(request.url, (*place, methods[0]), known)
        for name, value in request.headers.items():
            yield from self.header(value, (*place, "headers", name), known)
        for name, value in request.form.items():
            yield from self.text(value, (*place, "form", name), known)
        yield from self.text(request.body, (*place, "body"), known)
        yield from self._json(request.json, (*place, "json"), known)
        yield from self.matcher(without_status(request.expect) or None, (*place, "expect"), known)
        yield from capture_findings(request.capture, place)

    def _json(self, value: Any, place: Key, known: set[str]) -> Iterator[Conflict]:
        if isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                yield from self._json(inner, place, known)
        elif isinstance(value, str):
            yield from self.text(value, place, known)

    def before_connect(self, text: str, place: Key, known: set[str], *, header: bool = False) -> Iterator[Conflict]:
        """Check a text of the way in: nothing has been sent yet, and `header` values have one line."""
        if "{{" not in text:
            return
        found = [*self.text(text, place, known)]
        yield from found
        for placeholder in [] if found else walk(text_places(text, self._captured)):
            if placeholder.name in ("seq", "message"):
                message = "counts messages, and is for steps: write {{client}} or {{random uuid}}"
                yield Conflict(place, message, quote(f"{{{{{placeholder.name}}}}}"))
            if header and placeholder.name == "feed" and self._feed is not None:
                column = self._feed.index(placeholder)
                for number, row in enumerate(self._feed.rows, 1):
                    if fault := header_fault(row[column]):
                        written = quote(f"{{{{feed.{placeholder.arguments[0]}}}}}")
                        yield Conflict(place, f"{fault}, in row {number} of messages.feed", written)
                        break

    def header(self, text: str, place: Key, known: set[str]) -> Iterator[Conflict]:
        yield from self.before_connect(text, place, known, header=True)

    def matcher(self, matcher: Any, place: Key, known: set[str]) -> Iterator[Conflict]:
        if matcher is None:
            return
        for conditions in alternatives_of(matcher):
            for condition in conditions:
                if isinstance(condition.value, str):
                    yield from self.text(condition.value, place, known)

    def _bad(self, place: Key, error: BadPlaceholder, known: Collection[str]) -> Conflict:
        message = error.message
        if not error.nearest and message == UNKNOWN:
            message = "is neither a placeholder nor a variable that a step captures"
            inside = error.written.strip("{} ")
            near = nearest(inside, known)
            if not near and inside.isidentifier():
                message += f': write capture = {{ {inside} = "PATH" }} in an earlier one'
            return Conflict(place, message, quote(mask_text(error.written), 60), f"{{{{{near}}}}}" if near else "")
        return Conflict(place, message, quote(mask_text(error.written), 60), error.nearest)


def _is_set(name: str) -> bool:
    """Return whether a variable has a value, which a secret's must not be empty."""
    return name in os.environ and not (is_secret_header(name) and is_blank(os.environ[name]))
