"""Walks the steps of a role, and tells which parts of messages it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from wstui.load.reply_matcher import ReplyMatcher
from wstui.load.role_spec import MatcherSpec, RoleSpec, Slot, StepSpec


def reader_of(role: RoleSpec, kinds: Sequence[str], plain: bool, tables: bool) -> ReplyMatcher:
    """Return what reads the parts of messages that a role asks for: all of them, if it is a script.

    Of a protocol that decodes its frames itself, documents are `plain`, and most often `tables`.
    """
    return ReplyMatcher([*(kind.split(".") for kind in kinds), *_paths(role)], plain or bool(role.script), tables)


def _paths(role: RoleSpec) -> Iterator[Sequence[str]]:
    for step in all_steps(role):
        for matcher in (step.expect, step.refuse):
            yield from _paths_of(matcher)
        yield from (path for path in (*step.reason, *(capture.path for capture in step.capture)) if path)
    for beat in role.heartbeats:
        yield from _paths_of(beat.expect)
    for answer in role.answers:
        yield from _paths_of(answer.on)
        yield from _paths_said(answer.say.parts)
    for watchdog in role.watchdogs:
        yield from _paths_of(watchdog.on)
    for error in role.errors:
        yield from _paths_of(error.on)
        yield from error.reason
    for rule in (*role.delivery, *role.sequence):
        yield from _paths_of(rule.of)  # type: ignore[attr-defined]  # mypy joins the two to Struct
        yield rule.path  # type: ignore[attr-defined]
    for stream in role.streams:
        for matcher in (stream.of, stream.ends, stream.begins):
            yield from _paths_of(matcher)
        if stream.path:
            yield stream.path
    yield from (rule.per for rule in role.sequence if rule.per)


def all_steps(role: RoleSpec) -> Iterator[StepSpec]:
    return steps_of([*role.open, *role.loop, *role.leave])


def steps_of(steps: Iterable[StepSpec]) -> Iterator[StepSpec]:
    """All steps, also those inside others."""
    for step in steps:
        yield step
        yield from steps_of(step.steps)
        for choice in step.choose:
            yield from steps_of(choice.steps)


def _paths_of(matcher: MatcherSpec | None) -> Iterator[Sequence[str]]:
    for conditions in matcher.alternatives if matcher is not None else ():
        yield from (condition.path for condition in conditions if condition.path)


def _paths_said(parts: Sequence[bytes | Slot]) -> Iterator[Sequence[str]]:
    for part in parts:
        if isinstance(part, Slot):
            yield from [part.path] if part.path else []
            yield from _paths_said(part.parts)
