"""All conversations of a worker: which client has which role, what arrives, and when it goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any

from websockets.frames import CloseCode

from wstui.load.client import LoadClient
from wstui.load.connect_outcome import Cause
from wstui.load.context import MessageClient, WorkerContext
from wstui.load.conversation.conversation import Conversation
from wstui.load.conversation.conversation_state import ENDED
from wstui.load.conversation.heartbeats import Heartbeats
from wstui.load.conversation.kinds import MessageKind
from wstui.load.conversation.meeting_points import Meetings
from wstui.load.conversation.program import WorkerRole
from wstui.load.conversation.rounds import Rounds
from wstui.load.conversation.rules import follow_delivery, follow_sequence, follow_stream
from wstui.load.conversation.script_client import converse
from wstui.load.conversation.script_runner import BlockWatch, ScriptError, Scripts, awaits_other, mistake_of
from wstui.load.conversation.server_rules import reported
from wstui.load.conversation.timers import Timers
from wstui.load.conversation.walk import walk
from wstui.load.exchange import BINARY_TYPE, EMPTY, NO_TYPE, Exchange
from wstui.load.frames import BINARY, TEXT
from wstui.load.protocol import Spec
from wstui.load.reply_matcher import UNREADABLE
from wstui.load.role_spec import RoleShares
from wstui.measure.steps import Steps
from wstui.scenario.conversation.dialect import Malformed
from wstui.scenario.conversation.pack import Unframed

if TYPE_CHECKING:
    from wstui.load.conversation.http_steps import HttpSteps
    from wstui.load.http_client import HttpClient
    from wstui.load.login import ClientLogin

SWEEP_TICKS = 25


class Roles(Exchange):
    """Takes the place of an exchange: each client follows the steps of its role."""

    sends = True
    context: WorkerContext
    walk = staticmethod(walk)

    def __init__(self, spec: Spec, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(spec.conversation)
        self._seed = spec.seed
        self.rounds = Rounds(spec.send, spec.seed, loop)
        self.meetings = Meetings(spec.worker)
        self.live = Timers(loop)  # heartbeats, short time limits, and what clients do on their way in and out
        self.roles = [WorkerRole(role, spec.seed) for role in spec.conversation.roles.roles]
        self._shares = RoleShares([role.spec.clients for role in self.roles], [r.spec.weight for r in self.roles])
        roles = spec.conversation.roles
        self.deals_rows = bool(roles.rows) and roles.each != "client"
        self.conversations: dict[LoadClient, Conversation] = {}
        self._sweep: list[Conversation] = []
        self._by_type = spec.conversation.type_field == "type"
        self.requests: HttpSteps | None = None
        self.mistake: BaseException | None = None
        self.columns = spec.conversation.roles.columns
        scripts = Scripts(spec.conversation.roles.scripts)
        self._functions = {
            role.name: scripts.function(role.spec.script, role.name) for role in self.roles if role.spec.script
        }
        self._ticks = 0
        self._watch = (
            BlockWatch(spec.conversation.roles.scripts, lambda: self._ticks, self._blocked)
            if spec.conversation.roles.scripts
            else None
        )

    # -- clients -----------------------------------------------------------------------------------------------

    def role_of(self, number: int) -> WorkerRole:
        return self.roles[self._shares.index_of(number)]

    def role_name(self, number: int) -> str:
        """Return the name of a client's role."""
        return self.role_of(number).name

    def use_http(self, client: HttpClient, loop: asyncio.AbstractEventLoop, login: ClientLogin | None) -> None:
        """Let steps make HTTP requests. A trace follows those of the login too."""
        from wstui.load.conversation.http_steps import HttpSteps

        self.requests = HttpSteps(client, loop, self._seed, self.roles)

    def begin(self, client: LoadClient) -> None:
        """The connection is open. A role without `open` is ready once it has been open for a while."""
        role = self.role_of(client.number)
        identity = self.context.identities.of(client.number)
        client.conversation = conversation = Conversation(self, role, client, identity)
        if role.wants_head:
            conversation.head = client.head
        if role.has_opening:
            client.waiting = True
            self.conversations[client] = conversation

    def became_ready(self, client: LoadClient) -> None:
        """The client is ready; without `open` its conversation only begins now."""
        client.waiting = False
        conversation = client.conversation
        if conversation is not None and conversation.coroutine is None:
            conversation.start()

    def has_opening(self, client: LoadClient) -> bool:
        """Return whether a client has steps before it is ready."""
        return self.role_of(client.number).has_opening

    def begin_conversation(self, conversation: Conversation) -> Coroutine[Any, bool, None] | Generator[Any, bool, None]:
        """Return the coroutine of a conversation, from its first step on."""
        function = self._functions.get(conversation.role.name)
        if function is None:
            return walk(conversation, conversation.role.opening)
        return converse(conversation, function)

    def heartbeats_of(self, conversation: Conversation) -> Heartbeats:
        """Begin the heartbeats of a client that is ready."""
        return Heartbeats(conversation)

    def mistaken(self, conversation: Conversation, error: BaseException | None) -> None:
        """A conversation raised an error, or, without one, awaits something that is not ours: end the run."""
        script, coroutine = conversation.role.spec.script, conversation.coroutine
        if script:
            what = awaits_other(coroutine, script) if error is None else mistake_of(error, script)
            error = ScriptError(what)
        self.mistake = self.mistake or error
        conversation.coroutine = None
        if coroutine is not None:
            with contextlib.suppress(Exception):  # it awaits something again, or fails on its way out
                coroutine.close()

    def _blocked(self, what: str) -> None:
        self.mistake = self.mistake or ScriptError(what)

    def deal_row(self, conversation: Conversation) -> None:
        """Give a round the next row."""
        conversation.row = self.context.identities.row(conversation.number)

    # -- time --------------------------------------------------------------------------------------------------

    def pace(self, every_ns: int) -> None:
        """Change the interval of the rounds."""
        self.rounds.pace(every_ns, list(self.conversations.values()))

    def close(self) -> None:
        """Give the timers back."""
        if self._watch is not None:
            self._watch.close()
        self.rounds.schedule.close()
        self.live.close()

    def tick(self, now_ns: int) -> None:
        """Give up what has been waited for too long. A few clients at each tick."""
        self._ticks += 1
        if self.mistake is not None and not isinstance(self.mistake, ScriptError):
            raise self.mistake
        if not self._sweep:
            self._sweep = list(self.conversations.values())
        count = len(self._sweep) // SWEEP_TICKS + 1
        for conversation in self._sweep[-count:]:
            conversation.expire(now_ns)
        del self._sweep[-count:]

    # -- what arrives ------------------------------------------------------------------------------------------

    def receive(self, client: MessageClient, first: int, payload: bytes) -> None:
        """Turn a whole frame, which arrived at `context.now`, into messages: one, or one for each line."""
        conversation = client.conversation
        if conversation is None:
            return
        role = conversation.role
        # A function that an attribute holds costs less by a local name: CPython 3.11 looks for a method otherwise.
        decode = role.decode
        if decode is not None:
            try:
                messages, conversation.decoder_state = decode(conversation.decoder_state, first == BINARY, payload)
            except Malformed as error:
                cause = Cause("protocol", f"{role.spec.protocol}: {error}")
                conversation.client.fail(CloseCode.PROTOCOL_ERROR, cause)
                return
            for document, part in messages:
                if conversation.phase is ENDED:
                    return
                self._one(client, conversation, first, part, document)
            return
        read = role.read
        try:
            document = read(payload)
        except UNREADABLE:
            document = None
            if b"\n" in payload and first == TEXT:
                lines = [line for line in payload.split(b"\n") if line.strip()]
                documents = [role.reader.read(line) for line in lines]
                if documents and None not in documents:
                    for line, document in zip(lines, documents, strict=True):
                        self._one(client, conversation, first, line, document)
                    return
        self._one(client, conversation, first, payload, document)

    def _one(self, client: MessageClient, conversation: Conversation, first: int, payload: bytes, found: Any) -> None:
        context, role = self.context, conversation.role
        kind_of = role.kind_of
        kind = kind_of(found)
        name = kind.name if self._by_type else None
        if name is None:
            # A document that was read has no type; anything else takes a careful look.
            known = self._by_type and found is not None and first == TEXT
            name = NO_TYPE if known else self._name(first, payload)
        types = context.tally.types
        try:
            types[name] += 1
        except KeyError:
            context.tally.count_type(name)
        if kind.is_idle and context.broadcasts is None:
            return
        if kind.is_seen and (watched := conversation.watched) is not None:
            for index in kind.seen:
                watched[index] = context.now
            for index, matches in kind.watched:
                if matches(found, payload, conversation):
                    watched[index] = context.now
        if kind.acts:
            self._act(kind, conversation, role, payload, found)
        # A broadcast reaches its sender as well, and answers it.
        spreads = context.broadcasts is not None and conversation.replies.is_own(kind, found, payload)
        replied = kind.is_awaited and (
            conversation.replies.take(kind, found, payload) or conversation.take_other(kind, found, payload)
        )
        if not replied and kind.errors and reported(conversation, kind, found, payload):
            return
        if context.broadcasts is not None and (spreads or not replied):
            self._broadcast(client, name, payload)

    def _broadcast(self, client: MessageClient, name: bytes, payload: bytes) -> None:
        context = self.context
        assert context.broadcasts is not None
        types = context.tally.types
        before = types.get(name, 0)
        if context.broadcasts.known(client.slot, payload, context.now):
            if types.get(name, 0) != before:
                types[name] = before  # it has been counted by its type already
        elif not client.waiting:
            context.broadcasts.first(client.slot, name, payload, context.now)

    def _act(
        self, kind: MessageKind, conversation: Conversation, role: WorkerRole, payload: bytes, document: Any
    ) -> None:
        """Follow the rules that act by themselves."""
        context = self.context
        for matcher, render, first in kind.answers:
            if kind.is_meant(matcher, document, payload, conversation):
                conversation.message = document
                try:
                    conversation.transmit(first, render(conversation))
                except Unframed as error:
                    cause = Cause("unsendable", f"{role.name}, answer: {error.message}", local=True)
                    context.events.step_failed(conversation.number, cause, "")
                conversation.message = None
        for matcher, path, unit, tally in kind.deliveries:
            if kind.is_meant(matcher, document, payload, conversation):
                found = role.reader.value(document, path)
                follow_delivery(found, unit, tally, context.now, context.epoch_ns, context.ahead_ns)
        if conversation.streams is not None:
            for index in kind.ended:
                conversation.streams[index].end()
            for index in kind.streams:
                state = conversation.streams[index]
                follow_stream(conversation, kind, role.streams[index], state, document, payload)
        for matcher, path, per in kind.sequences:
            if kind.is_meant(matcher, document, payload, conversation):
                follow_sequence(conversation, document, path, per, context.counters)

    def _name(self, first: int, payload: bytes) -> bytes:
        """Read the kind of a message the careful way."""
        if first == BINARY:
            return BINARY_TYPE
        return (self._quick(payload) or self._read(payload)[0]) if payload else EMPTY

    def pong(self, client: MessageClient, payload: bytes) -> None:
        """Take a pong frame that no ping asked for."""
        self.context.tally.count_type(b"(pong frame)")

    def steps(self) -> Steps:
        """Return what has been counted of each named step and each role."""
        return Steps(
            [tally.data() for role in self.roles for tally in role.tallies],
            {role.name: role.counts for role in self.roles},
        )
