"""One client's conversation: a coroutine that its worker resumes when a message matches or a time has come.

No client has a task, future or queue of its own. What the coroutine awaits registers itself here and yields `WAIT`;
`resume` goes on with True when it has happened, or False when it failed.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine, Generator, Sequence
from typing import Any, Protocol

from wstui.load.client import LoadClient
from wstui.load.conversation.conversation_state import (
    ENDED,
    LEAVE,
    LOOP,
    OPEN,
    WAIT,
    Phase,
    StreamState,
    Transmit,
)
from wstui.load.conversation.heartbeats import Heartbeats
from wstui.load.conversation.kinds import MessageKind
from wstui.load.conversation.meeting_points import Meetings
from wstui.load.conversation.program import Operation, WorkerRole
from wstui.load.conversation.replies import Replies
from wstui.load.conversation.rounds import Rounds
from wstui.load.conversation.server_rules import look_for_silence
from wstui.load.conversation.timers import Timers
from wstui.load.identity import Identity
from wstui.load.reply_matcher import MISSING, Head

_now = time.monotonic_ns


class PendingRequest(Protocol):
    """An HTTP request that is under way."""

    def cancel(self) -> object: ...


class Requests(Protocol):
    """What makes the HTTP requests of steps."""

    def start(self, conversation: Conversation, operation: Operation) -> None: ...
    def ended(self, conversation: Conversation) -> None: ...


class ConversationHost(Protocol):
    """What a conversation asks of its worker."""

    live: Timers
    rounds: Rounds
    meetings: Meetings
    conversations: dict[LoadClient, Conversation]
    deals_rows: bool
    columns: list[str]  # of the feed
    mistake: BaseException | None  # ends the run: no client goes on

    @property
    def requests(self) -> Requests | None: ...

    def begin_conversation(
        self, conversation: Conversation
    ) -> Coroutine[Any, bool, None] | Generator[Any, bool, None]: ...
    def walk(self, conversation: Conversation, operations: list[Operation]) -> Generator[Any, bool, None]: ...
    def heartbeats_of(self, conversation: Conversation) -> Heartbeats: ...
    def mistaken(self, conversation: Conversation, error: BaseException | None) -> None: ...
    def deal_row(self, conversation: Conversation) -> None: ...


class Conversation:
    """The state of one client between two resumptions."""

    __slots__ = (
        "awaits_round", "behind_ns", "client", "context", "cookies", "coroutine", "decoder_state", "free_ns", "head",
        "heartbeats", "host", "in_round", "intended_ns", "leave_begun_ns", "leaving", "live", "message", "next_ns",
        "number", "phase", "replies", "request", "role", "row", "running", "sent_ns", "seq", "sequences", "streams",
        "transmit", "turn", "values", "wake_ns", "watched",
    )  # fmt: skip

    def __init__(self, host: ConversationHost, role: WorkerRole, client: LoadClient, identity: Identity) -> None:
        self.host = host
        self.role = role
        self.client = client
        self.context = client.context
        self.number = client.number
        self.row = identity.row
        self.values: list[Any] = [*identity.values, *[None] * (len(role.spec.variables) - len(identity.values))]
        self.cookies = identity.cookies
        self.head: Head = ()  # of the answer to the upgrade, if the role captures from it
        self.request: PendingRequest | None = None  # that a step has under way
        self.live = host.live
        self.transmit: Transmit = client.send_payload
        self.seq = client.sequence
        self.sent_ns = 0
        self.turn = client.turn
        self.phase: Phase = OPEN
        self.coroutine: Coroutine[Any, bool, None] | Generator[Any, bool, None] | None = None
        self.running = False
        self.leaving = False  # closes when the answer that it waits for is there
        self.leave_begun_ns = 0
        self.replies = Replies(self)
        self.heartbeats: Heartbeats | None = None
        # time
        self.intended_ns = 0  # when the next message is due; 0: as soon as it may
        self.wake_ns = -1
        self.behind_ns = 0
        self.free_ns = 0
        self.next_ns = 0
        self.awaits_round = False
        self.in_round = False
        # rules
        self.sequences: dict[Any, tuple[int, set[int]]] | None = None  # last number and missing ones
        self.streams = [StreamState() for _ in role.streams] if role.streams else None
        self.decoder_state: Any = None  # what the protocol keeps of earlier frames
        self.watched: list[int] | None = None  # when each watchdog saw its message last
        self.message: Any = None  # the document that is being answered

    # -- the coroutine -----------------------------------------------------------------------------------------

    def resume(self, value: bool | None) -> None:
        """Go on until the next wait."""
        coroutine = self.coroutine
        if coroutine is None or self.host.mistake is not None:
            return
        if self.leaving and self.phase is LOOP:
            if not self.role.spec.script or not value:
                self.begin_leave()
                return
            self._enter_leave()  # the script has its answer, goes on to the end of its round, and takes leave
        self.running = True
        try:
            if coroutine.send(value) is not WAIT:  # type: ignore[arg-type]  # None begins it
                self.host.mistaken(self, None)
        except StopIteration:
            self.coroutine = None
        except BaseException as error:  # a script may raise SystemExit, which would end the worker without a word
            self.coroutine = None
            self.host.mistaken(self, error)
        finally:
            self.running = False
        if self.phase is ENDED and self.coroutine is not None:
            self.coroutine.close()
            self.coroutine = None

    def start(self) -> None:
        """Begin with the first step."""
        self.host.conversations[self.client] = self
        self.coroutine = self.host.begin_conversation(self)
        self.resume(None)

    def ready(self) -> None:
        """The last step of `open` is done."""
        self.phase = LOOP
        self.role.counts.ready += 1
        self.intended_ns = 0
        self.client.become_ready(_now())
        if self.role.beats:
            self.heartbeats = self.host.heartbeats_of(self)
        if self.role.watchdogs:
            self.watched = [_now()] * len(self.role.watchdogs)
        self.next_ns = self.host.rounds.first(self)

    def begin_leave(self) -> None:
        """Cut the round short and take leave."""
        self._cut()
        self._enter_leave()
        if self.role.spec.script:  # it goes on to its end
            self.awaits_round = False
            self.wake_ns = -1
            self.resume(False)
            return
        if self.coroutine is not None and not self.running:
            self.coroutine.close()
            self.coroutine = None
        if not self.role.leaving:
            self.client.close()
            return
        self.coroutine = self.host.walk(self, self.role.leaving)
        self.resume(None)

    def _enter_leave(self) -> None:
        self.phase = LEAVE
        self.leaving = False
        self.leave_begun_ns = _now()
        self.intended_ns = 0

    def close_when_idle(self) -> None:
        """Take leave when the answer that is waited for has come; the client is ready."""
        if self.phase is not LOOP:
            return
        if self.replies.operation is not None and (self.replies.expects_reply or self.request is not None):
            self.leaving = True
        else:
            self.begin_leave()

    def may_close(self) -> bool:
        """Return whether nothing is left to say before the connection closes; otherwise begin the steps of `leave`."""
        if self.phase is LOOP and (self.role.leaving or self.role.spec.script) and not self.running:
            self.begin_leave()
        if self.phase is not LEAVE or self.coroutine is None:
            return True
        return self.running or _now() - self.leave_begun_ns >= self.context.timeout_ns

    def ended(self, dropped: bool = False) -> None:
        """The connection is gone, or about to go: by us, unless the other side `dropped` it."""
        if self.phase is ENDED:
            return
        self._cut(dropped)
        self.phase = ENDED
        if self.heartbeats is not None:
            self.heartbeats.end()
            self.heartbeats = None
        self.awaits_round = False
        self.wake_ns = -1
        host = self.host
        host.conversations.pop(self.client, None)
        host.rounds.forget(self)
        if host.requests is not None:
            host.requests.ended(self)
        if self.coroutine is not None and not self.running:
            self.coroutine.close()
            self.coroutine = None

    def _cut(self, dropped: bool = False) -> None:
        """Nothing that is waited for matters any more."""
        self.host.meetings.leave(self.replies)
        self.replies.cut(dropped=dropped)
        if self.request is not None:
            self.request.cancel()
            self.request = None
        if self.in_round:
            self.in_round = False
            self.role.counts.cut += 1

    # -- rounds ------------------------------------------------------------------------------------------------

    def begin_round(self) -> None:
        self.in_round = True
        self.awaits_round = False
        self.role.counts.begun += 1
        if self.host.deals_rows:
            self.host.deal_row(self)

    def finish_round(self) -> None:
        if self.in_round:
            self.in_round = False
            self.role.counts.completed += 1

    def fail_round(self) -> bool:
        """A step failed: the round is over. Return whether there may be another."""
        if self.in_round:
            self.in_round = False
            self.role.counts.failed += 1
        self.intended_ns = 0
        if self.phase is LOOP and not self.role.spec.closes_on_failure:
            return True
        if self.phase is LEAVE and self.role.spec.script:
            return False  # it says goodbye before it closes
        if self.phase is not ENDED:
            self.client.close()
        return False

    # -- time --------------------------------------------------------------------------------------------------

    def think(self, ns: int) -> None:
        """Wait so long."""
        # A pause stops the load, not clients that are about to connect or to leave.
        timers = self.host.rounds.schedule if self.phase is LOOP else self.live
        # What is due after it is due so much later than this was due, not later than this was done.
        self.behind_ns = _now() - self.intended_ns if self.intended_ns else 0
        self.wake_ns = timers.add(timers.clock() + ns, self)

    def wake(self, due_ns: int, late_from_ns: int) -> None:
        """A time has come; one that no longer counts wakes no client."""
        if due_ns != self.wake_ns:
            return
        self.wake_ns = -1
        if self.replies.operation is not None:
            self.replies.expire(_now())
            return
        self.intended_ns = late_from_ns - self.behind_ns
        self.free_ns = max(self.free_ns, late_from_ns)
        self.behind_ns = 0
        self.resume(True)

    def expire(self, now_ns: int) -> None:
        """Give up what has been waited for too long."""
        self.replies.expire(now_ns)
        if self.heartbeats is not None:
            self.heartbeats.expire(now_ns)
        if self.watched is not None and self.phase is LOOP:
            look_for_silence(self, now_ns)

    def take_other(self, kind: MessageKind, document: Any, payload: bytes) -> bool:
        """Return whether a message that no step waits for is the reply to a heartbeat, a late reply or a duplicate."""
        if self.heartbeats is not None and self.heartbeats.take(kind, document, payload):
            return True
        return self.replies.take_stale(kind, document, payload)

    def leave_meeting(self) -> None:
        """The client has waited too long for others."""
        self.host.meetings.leave(self.replies)

    @property
    def is_held(self) -> bool:
        """Return whether nothing may be sent: the run is paused, and the client neither on its way in nor out."""
        return self.context.paused and self.phase is LOOP

    # -- what payloads are made from ---------------------------------------------------------------------------

    def turns(self) -> int:
        """Count one more thing that is drawn at random."""
        self.turn = self.client.turn = self.client.turn + 1
        return self.turn

    @property
    def epoch_offset_ns(self) -> int:
        """Return what the wall clock is ahead of the monotonic one."""
        return self.context.epoch_ns

    @property
    def ahead_ns(self) -> int:
        """Return what this host's monotonic clock is ahead of the operator's."""
        return self.context.ahead_ns

    def of_message(self, path: Sequence[str]) -> Any:
        """Return a value of the message that is being answered; None when it has none."""
        found = self.role.reader.value(self.message, path)
        return None if found is MISSING else found
