"""What must hold of the messages of a role, and of what they are compared with: sizes, placeholders, files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from wstui.scenario.conversation.conditions import alternatives_of
from wstui.scenario.conversation.payload import (
    Part,
    Place,
    frame_parts,
    payload_of,
    places,
    text_places,
    weight,
)
from wstui.scenario.conversation.role import Message
from wstui.scenario.errors import BadValue, Conflict, Key, nearest, quote
from wstui.scenario.payload import MOST_BYTES, Feed
from wstui.scenario.placeholder import UNKNOWN, BadPlaceholder, Placeholder
from wstui.scenario.secrets import mask_text


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
                    yield Conflict((*place, name), "belongs to a message that is sent, and there is none")
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
            yield Conflict(at, f"is larger than {MOST_BYTES >> 20} MiB")
        yield from self._places([p.placeholder for p in places(parts)], at, known, in_answer)
        yield from self._padding(message, parts, place, source)

    def _padding(self, message: Message, parts: Sequence[Part], place: Key, source: str) -> Iterator[Conflict]:
        pads = sum(isinstance(part, Place) and part.placeholder.name == "pad" for part in parts)
        if pads > 1:
            yield Conflict((*place, source), "is there twice: the padding goes to one place", quote("{{pad}}"))
        if pads and not message.size:
            yield Conflict((*place, "size"), "is missing: {{pad}} fills the message up to it")

    def _places(
        self, placeholders: Sequence[Placeholder], place: Key, known: set[str], in_answer: bool = False
    ) -> Iterator[Conflict]:
        """Check that each placeholder has a value when its turn comes."""
        for placeholder in placeholders:
            name, arguments = placeholder.name, placeholder.arguments
            if name == "variable" and arguments[0] not in known:
                written, message = f"{{{{{arguments[0]}}}}}", "is captured later, or not on every way to this step"
                yield Conflict(place, message, quote(written))
            elif name == "message" and not in_answer:
                message = "is only there in an answer: capture what a later step needs"
                yield Conflict(place, message, quote(f"{{{{message.{arguments[0]}}}}}"))
            elif name == "env" and len(arguments) == 1 and arguments[0] not in os.environ:
                message = f'is not set: set it, or write "{{{{env {arguments[0]}:-default}}}}"'
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
            return Conflict(place, message, quote(mask_text(error.written), 60), f"{{{{{near}}}}}" if near else "")
        return Conflict(place, message, quote(mask_text(error.written), 60), error.nearest)
