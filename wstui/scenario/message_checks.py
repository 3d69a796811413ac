"""Check templates, their files and their feed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from wstui.scenario.errors import BadValue, Conflict, Key, quote
from wstui.scenario.messages import MOST_BYTES, Expectation, Template
from wstui.scenario.model import Messages, Scenario
from wstui.scenario.payload import Feed, Part, feed_of, key_of, payload_of
from wstui.scenario.placeholder import BadPlaceholder, Placeholder
from wstui.scenario.secrets import mask_text

_PLACE: Key = ("messages", "templates")
_FROM_FEED = re.compile(r"\{\{\s*feed\.")
MOST_BYTES_OF_ALL = 16 << 20
_IN_KEYS = ("client", "seq", "id", "timestamp", "random")


def template_findings(scenario: Scenario) -> Iterator[Conflict]:
    """Yield every conflict in and between templates; none for other exchanges."""
    messages = scenario.messages
    if messages.exchange != "template":
        return
    if not messages.templates:
        message = "is missing: write [[messages.templates]] with name and payload"
        yield Conflict(_PLACE, message, rests_on=(("messages", "exchange"),))
    feed: Feed | None = None
    feed_is_known = not messages.feed
    if messages.feed:
        try:
            feed, feed_is_known = feed_of(messages.feed, scenario.origin.file), True
        except BadValue as error:
            yield Conflict(("messages", "feed"), error.message, quote(messages.feed))
    names = [template.name for template in messages.templates]
    total = 0
    for index, template in enumerate(messages.templates):
        place = (*_PLACE, index)
        if template.name in names[:index]:
            yield Conflict((*place, "name"), "names two templates", quote(template.name))
        yield from _payload_findings(scenario, template, place, feed, feed_is_known)
        total += _weight(template, scenario)
        yield from _reply_findings(messages, template, place)

    if total > MOST_BYTES_OF_ALL:
        yield Conflict(_PLACE, f"are larger than {MOST_BYTES_OF_ALL >> 20} MiB together: a worker keeps all of them")


def _weight(template: Template, scenario: Scenario) -> int:
    """Return the bytes of a payload as sent to workers; 0 if unreadable, which is reported elsewhere."""
    try:
        return sum(len(part) for part in payload_of(template, scenario.origin.file) if isinstance(part, bytes))
    except BadValue:
        return 0


def template_warnings(messages: Messages) -> Iterator[str]:
    """Yield warnings about templates and their feed."""
    if messages.exchange != "template":
        for name in ("templates", "feed"):
            if getattr(messages, name):
                yield f'messages.{name} has no effect: messages.exchange is "{messages.exchange}".'
        return
    used = (bool(t.file) or _FROM_FEED.search(t.payload) for t in messages.templates)
    if messages.feed and not any(used):
        yield "messages.feed has no effect: no payload has {{feed.column}}."


def _payload_findings(
    scenario: Scenario, template: Template, place: Key, feed: Feed | None, feed_is_known: bool
) -> Iterator[Conflict]:
    if bool(template.payload) == bool(template.file):
        message = (
            "and file are both given: keep one" if template.file else "is empty, and so is file: write one of them"
        )
        yield Conflict((*place, "payload"), message, rests_on=((*place, "file"),))
        return
    name = "file" if template.file else "payload"
    written = template.file or mask_text(template.payload)
    if template.encoding != "plain" and not template.binary:
        message = "gives bytes that need not be text: set binary = true"
        yield Conflict((*place, "encoding"), message, quote(template.encoding))
    try:
        parts = payload_of(template, scenario.origin.file)
        _resolve(parts, feed, feed_is_known)
    except BadPlaceholder as error:
        yield _bad((*place, name), error)
        return
    except BadValue as error:
        yield Conflict((*place, name), error.message, quote(written, 60), error.nearest)
        return
    yield from _env_findings(parts, (*place, name))
    if sum(len(part) for part in parts if isinstance(part, bytes)) > MOST_BYTES:
        yield Conflict((*place, name), "is larger than 1 MiB")
    pads = sum(part == Placeholder("pad") for part in parts)
    if pads > 1:
        yield Conflict((*place, name), "is there twice: the padding goes to one place", quote("{{pad}}"))
    if pads and not template.size:
        yield Conflict((*place, "size"), "is missing: {{pad}} fills the payload up to it")
    yield from _key_findings(template, parts, place)


def _resolve(parts: Sequence[Part], feed: Feed | None, feed_is_known: bool) -> None:
    for part in parts:
        if not isinstance(part, Placeholder) or part.name != "feed":
            continue
        if feed is not None:
            feed.index(part)
        elif feed_is_known:
            raise BadPlaceholder(f"{{{{feed.{part.arguments[0]}}}}}", 'has no feed: set messages.feed = "rows.csv"')


def _env_findings(parts: Sequence[Part], key: Key) -> Iterator[Conflict]:
    for part in parts:
        if isinstance(part, Placeholder) and part.name == "env" and len(part.arguments) == 1:
            (name,) = part.arguments
            if name not in os.environ:
                message = f'is not set: set it, or write "{{{{env {name}:-default}}}}"'
                yield Conflict(key, message, quote(f"{{{{env {name}}}}}"))


def _key_findings(template: Template, payload: Sequence[Part], place: Key) -> Iterator[Conflict]:
    if template.reply != "field":
        for name in ("key", *(("reply_field",) if template.reply != "order" else ())):
            if name in template.model_fields_set and getattr(template, name):
                uses_key = name == "key" and Placeholder("key") in payload
                if not uses_key:
                    yield Conflict((*place, name), f'has no effect with reply = "{template.reply}": leave it out')
        if template.reply == "order" and not _is_path(template.reply_field, empty=True):
            yield _no_path((*place, "reply_field"), template.reply_field)
        return
    if not _is_path(template.reply_field):
        yield _no_path((*place, "reply_field"), template.reply_field)
    try:
        parts = key_of(template, payload)
    except BadPlaceholder as error:
        yield _bad((*place, "key"), error)
        return
    slots = [part for part in parts if isinstance(part, Placeholder)]
    for slot in slots:
        if slot.name not in _IN_KEYS or slot.arguments[:1] == ("choice",):
            message = "cannot be part of a key: take {{id}}, {{seq}}, {{client}}, {{timestamp}} or {{random …}}"
            yield Conflict((*place, "key"), message, quote(template.key))
            return
    if not any(slot.is_unique or _is_fine_timestamp(slot) for slot in slots):
        message = "is the same for several messages: put {{id}}, {{timestamp}} or {{random uuid}} into it"
        yield Conflict((*place, "key"), message, quote(template.key))
    alone = len(parts) == 1 and slots and slots[0].name != "random"
    is_there = Placeholder("key") in payload or (alone and slots[0] in payload)
    if not is_there:
        advice = template.key if template.key and alone else "{{key}}"
        message = f'does not say {advice}, and with reply = "field" the reply is recognized by it'
        yield Conflict((*place, "file" if template.file else "payload"), message)


def _reply_findings(messages: Messages, template: Template, place: Key) -> Iterator[Conflict]:
    if template.reply == "none":
        if messages.every == 0:
            message = 'cannot be "none" with messages.every = "0s", where the reply brings on the next message'
            yield Conflict((*place, "reply"), message, rests_on=(("messages", "every"),))
        if template.expect:
            yield Conflict((*place, "expect"), 'can never be met with reply = "none": no reply is waited for')
    for index, expectation in enumerate(template.expect):
        yield from _expectation_findings(expectation, (*place, "expect", index))


def _expectation_findings(expectation: Expectation, place: Key) -> Iterator[Conflict]:
    if bool(expectation.contains) == bool(expectation.field):
        message = "names both contains and field: make two of it" if expectation.field else "needs contains or field"
        yield Conflict(place, message)
    elif expectation.contains and expectation.equals is not None:
        yield Conflict((*place, "equals"), "needs field")
    elif not _is_path(expectation.field, empty=True):
        yield _no_path((*place, "field"), expectation.field)


def _is_path(path: str, *, empty: bool = False) -> bool:
    return all(path.split(".")) if path else empty


def _no_path(key: Key, path: str) -> Conflict:
    if path:
        return Conflict(key, 'is not a path: write names with dots between them, such as "data.id"', quote(path))
    return Conflict(key, 'is missing: write where the reply has the key, such as "data.id"')


def _bad(key: Key, error: BadPlaceholder) -> Conflict:
    return Conflict(key, error.message, quote(mask_text(error.written), 60), error.nearest)


def _is_fine_timestamp(slot: Placeholder) -> bool:
    return slot.name == "timestamp" and slot.arguments != ("s",)
