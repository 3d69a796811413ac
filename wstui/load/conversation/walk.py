"""The coroutine of a role that a scenario file describes: it walks the compiled steps."""

from __future__ import annotations

import types
from collections.abc import Generator
from typing import Any

from wstui.load.conversation.conversation import Conversation
from wstui.load.conversation.conversation_state import LOOP, WAIT
from wstui.load.conversation.program import (
    AGAIN,
    CHOOSE,
    CLOSE,
    HTTP,
    JUMP,
    LEFT,
    MEET,
    MESSAGE,
    READY,
    REPEAT,
    REST,
    ROUND,
    THINK,
    Operation,
)
from wstui.scenario.conversation.pack import Unframed

_PAUSE_NS = 100_000_000


@types.coroutine
def walk(conversation: Conversation, operations: list[Operation]) -> Generator[Any, bool, None]:
    """Carry out operations one after the other. A step that fails ends its round; in `open` it ends all."""
    role, host, context = conversation.role, conversation.host, conversation.context
    replies = conversation.replies
    counters = [0] * role.repeats
    at = 0
    while True:
        operation = operations[at]
        at += 1
        kind = operation.kind
        held = True
        if kind == MESSAGE:
            if context.paused and operation.render is not None and conversation.is_held:
                host.rounds.park(conversation)
                yield WAIT
            try:
                if operation.expect is None:
                    replies.send_only(operation)
                    continue
                replies.send_and_wait(operation)
            except Unframed as error:
                held = False
                replies.not_sent(operation, error.message)
                if host.rounds.are_free and conversation.phase is LOOP:
                    conversation.think(_PAUSE_NS)  # the next one may fail as fast
                    yield WAIT
            else:
                held = yield WAIT
        elif kind == HTTP:
            if context.paused and conversation.is_held:
                host.rounds.park(conversation)
                yield WAIT
            assert host.requests is not None
            host.requests.start(conversation, operation)
            held = yield WAIT
        elif kind == ROUND:
            conversation.finish_round()
            if host.rounds.next(conversation):
                yield WAIT
            conversation.begin_round()
        elif kind == JUMP:
            at = operation.target
        elif kind == THINK:
            assert operation.delay is not None
            conversation.think(operation.delay.draw(conversation, operation.label))
            yield WAIT
        elif kind == REPEAT:
            counters[operation.place] = operation.target
        elif kind == AGAIN:
            counters[operation.place] -= 1
            if counters[operation.place]:
                at = operation.target
        elif kind == CHOOSE:
            at = operation.choose(role.seed, conversation.number, conversation.turns())
        elif kind == MEET:
            assert operation.name is not None
            host.meetings.join(operation.name(conversation), replies, operation)
            held = yield WAIT
        elif kind == READY:
            conversation.ready()
        elif kind == REST:
            yield WAIT
        else:
            assert kind in (CLOSE, LEFT)
            conversation.finish_round()
            conversation.client.close()
            return
        if not held:
            if not conversation.fail_round():
                return
            at = role.start_of_loop
