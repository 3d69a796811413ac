"""Which messages belong together: heartbeats, automatic answers, and the reply of each message."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from wstui.recording.inference.message import ObservedMessage, Path, Scalar

_BEAT = re.compile(r"ping|heart|beat|keep_?-?alive|\bhb\b|\bka\b", re.IGNORECASE)
_PONG = re.compile(r"pong|ping|heart|beat|alive|\bhb\b|ack", re.IGNORECASE)
_WINDOW_S = 30.0
_WINDOW = 64
_AT_ONCE_S = 0.25
_SOON_S = 2.0
_MOST_LOOKED_AT = 300
STATUS = ("status", "ok", "success", "accepted")

Pair = tuple[Path, Path]


@dataclass(slots=True)
class ObservedReply:
    """The reply of a kind: its kind, the values that come back (sent path, received path), how often it was seen."""

    kind: str
    pairs: list[Pair]
    hits: int
    of: int
    keyed: bool


@dataclass(slots=True)
class ObservedBeat:
    """A heartbeat: its kind and period in seconds; `spread` is how far it strays from it."""

    kind: str
    period: float
    spread: float
    messages: list[ObservedMessage]


@dataclass(slots=True)
class AnswerRule:
    """What is sent at once when a kind arrives, with the values that are copied (received path, sent path)."""

    on: ObservedMessage
    message: ObservedMessage
    pairs: list[Pair]
    hits: int
    of: int


@dataclass(slots=True)
class SortedTraffic:
    """All messages of some clients, sorted into what they are."""

    clients: list[list[ObservedMessage]]
    has_opening: bool = False
    """Whether a protocol knows what comes first, so that no step has to wait for it."""
    beats: dict[str, ObservedBeat] = field(default_factory=dict)
    answers: dict[str, AnswerRule] = field(default_factory=dict)
    replies: dict[str, ObservedReply] = field(default_factory=dict)
    reply_of: dict[int, ObservedMessage] = field(default_factory=dict)
    """The reply of a message, by its id()."""
    sent: defaultdict[str, list[ObservedMessage]] = field(default_factory=lambda: defaultdict(list))
    received: defaultdict[str, list[ObservedMessage]] = field(default_factory=lambda: defaultdict(list))
    _index: dict[int, int] = field(default_factory=dict)

    def steps(self, client: int) -> list[ObservedMessage]:
        """Return what a client sent of its own accord."""
        return [m for m in self.clients[client] if m.sent and m.kind not in self.beats and m.kind not in self.answers]

    def pushes(self) -> dict[str, list[ObservedMessage]]:
        """Return messages that arrived unasked, by kind."""
        used = {id(message) for message in self.reply_of.values()}
        kinds = {reply.kind for reply in self.replies.values() if not reply.keyed}
        return {
            kind: alone
            for kind, messages in self.received.items()
            if kind not in kinds and (alone := [message for message in messages if id(message) not in used])
        }


def sort_traffic(clients: list[list[ObservedMessage]], *, has_opening: bool = False) -> SortedTraffic:
    """Tell heartbeats, answers and replies apart."""
    traffic = SortedTraffic(clients, has_opening)
    for client in clients:
        for index, message in enumerate(client):
            traffic._index[id(message)] = index
            (traffic.sent if message.sent else traffic.received)[message.kind].append(message)
    _find_answers(traffic, hinted=True)
    _find_beats(traffic)
    for kind in traffic.sent:
        if kind not in traffic.answers:
            _find_reply(traffic, kind)
    _settle(traffic)
    _find_answers(traffic, hinted=False)
    return traffic


# -- heartbeats --------------------------------------------------------------------------------------------------


def _find_beats(traffic: SortedTraffic) -> None:
    """Heartbeats have a name that says so, or say the same at a constant period beside other messages."""
    for kind, messages in traffic.sent.items():
        others = [other for other in traffic.sent if other != kind and len(traffic.sent[other]) > 1]
        hinted = bool(_BEAT.search(kind))
        alone = not others and not any(other != kind for other in traffic.sent)
        if kind in traffic.answers or alone or not (hinted or others):
            continue
        period, spread = _period(messages)
        same = len({message.data for message in messages}) == 1
        if hinted and (period or len(messages) > 1):
            traffic.beats[kind] = ObservedBeat(kind, period or 25.0, spread, messages)
        elif same and period >= 1.0 and spread < 0.1 and len(messages) >= 4 and not _in_step(traffic, messages, period):
            traffic.beats[kind] = ObservedBeat(kind, period, spread, messages)


def _in_step(traffic: SortedTraffic, messages: Sequence[ObservedMessage], period: float) -> bool:
    """Whether messages always come as long after what the client sent before: then they are steps of its rounds."""
    gaps = []
    for message in messages:
        earlier = traffic.clients[message.client][: traffic._index[id(message)]]
        before = next((other for other in reversed(earlier) if other.sent), None)
        if before is not None:
            gaps.append(message.at - before.at)
    return not gaps or max(gaps) - min(gaps) < 0.2 * period


def _period(messages: Sequence[ObservedMessage]) -> tuple[float, float]:
    """The median gap between messages of one client, and how far gaps stray from it, as a share."""
    by_client: defaultdict[int, list[float]] = defaultdict(list)
    for message in messages:
        by_client[message.client].append(message.at)
    gaps = [b - a for times in by_client.values() for a, b in itertools.pairwise(times)]
    if not gaps or not (middle := median(gaps)) > 0:
        return 0.0, 1.0
    return middle, median(abs(gap - middle) for gap in gaps) / middle


# -- answers -----------------------------------------------------------------------------------------------------


def _find_answers(traffic: SortedTraffic, *, hinted: bool) -> None:
    """Find automatic answers: messages sent at once after every unasked message of one kind."""
    replied = {reply.kind for reply in traffic.replies.values()}
    for kind, messages in traffic.sent.items():
        if kind in traffic.beats or kind in traffic.answers or (not hinted and kind in traffic.replies):
            continue
        causes: Counter[str] = Counter()
        found: dict[str, list[tuple[ObservedMessage, ObservedMessage]]] = defaultdict(list)
        for message in messages:
            before = _cause(traffic, message, hinted=hinted)
            if before is not None:
                causes[before.kind] += 1
                found[before.kind].append((before, message))
        if not causes:
            continue
        cause, hits = causes.most_common(1)[0]
        asked = len(traffic.received[cause])
        if hits < 0.9 * len(messages) or hits < 0.8 * asked or cause in replied:
            continue
        is_named = bool(_BEAT.search(cause) and _PONG.search(kind))
        pairs = [(b, a) for a, b in _common_pairs([(sent, came) for came, sent in found[cause]])]
        if is_named if hinted else hits >= 3 and (pairs or _constant(messages)):
            traffic.answers[kind] = AnswerRule(found[cause][0][0], messages[0], pairs, hits, asked)


def _constant(messages: Sequence[ObservedMessage]) -> bool:
    return len({message.data for message in messages}) == 1


def _cause(traffic: SortedTraffic, message: ObservedMessage, *, hinted: bool) -> ObservedMessage | None:
    """Return what a message may answer: what arrived just before it.

    If its name says that it answers, rather what arrived a little earlier with the same value: a busy client is late.
    """
    index = traffic._index[id(message)]
    near = traffic.clients[message.client][max(0, index - _WINDOW) : index]
    if hinted and _PONG.search(message.kind):
        for earlier in reversed(near):
            if message.at - earlier.at > _SOON_S:
                break
            if not earlier.sent and _BEAT.search(earlier.kind) and any(_pairs(message, earlier)):
                return earlier
    before = near[-1] if near else None
    if before is None or before.sent or message.at - before.at > _AT_ONCE_S:
        return None
    return before


# -- replies -----------------------------------------------------------------------------------------------------


def _find_reply(traffic: SortedTraffic, kind: str) -> None:
    """The kind that comes back with values of what was sent, or else the one that always and only follows it."""
    occurrences = traffic.sent[kind][:_MOST_LOOKED_AT]
    if (spoken := occurrences[0].spoken) is not None and not spoken.free:
        answered = [(message, message.answer) for message in occurrences if message.answer is not None]
        if answered:
            traffic.replies[kind] = ObservedReply(answered[0][1].kind, [], len(answered), len(occurrences), True)
            traffic.reply_of |= {id(message): answer for message, answer in answered}
        return
    near = [list(_window(traffic, message, to_next=True)) for message in occurrences]
    wide = [list(_window(traffic, message, to_next=False)) for message in occurrences]
    best: tuple[tuple[float, ...], ObservedReply, list[ObservedMessage | None]] | None = None
    asked = {rule.on.kind for rule in traffic.answers.values()}
    taken = {id(message) for message in traffic.reply_of.values()}
    for candidate in dict.fromkeys(message.kind for window in wide for message in window):
        if candidate in asked:
            continue
        pairs, replies = _keyed(occurrences, wide, candidate)
        keyed = bool(pairs)
        if not keyed:
            replies = [next((m for m in window if m.kind == candidate and id(m) not in taken), None) for window in near]
            pairs = _common_pairs([(s, r) for s, r in zip(occurrences, replies, strict=True) if r is not None])
        hits = sum(reply is not None for reply in replies)
        total = len(traffic.received[candidate])
        enough = hits >= 0.7 * len(occurrences) if keyed else hits >= 0.8 * len(occurrences) and total <= 1.3 * hits + 1
        if not hits or not enough:
            continue
        delay = median(r.at - s.at for s, r in zip(occurrences, replies, strict=True) if r is not None)
        score = (float(keyed), hits / len(occurrences), _affinity(kind, candidate), -delay)
        if best is None or score > best[0]:
            best = score, ObservedReply(candidate, pairs, hits, len(occurrences), keyed), replies
    if best is None:
        return
    traffic.replies[kind] = best[1]
    for message, reply in zip(occurrences, best[2], strict=True):
        if reply is not None:
            traffic.reply_of[id(message)] = reply


def _settle(traffic: SortedTraffic) -> None:
    """Leave a reply that several kinds claim to the last of them: a subscription is not answered by the first push."""
    claims: defaultdict[int, list[ObservedMessage]] = defaultdict(list)
    for messages in traffic.sent.values():
        for message in messages:
            if message.kind in traffic.replies and (reply := traffic.reply_of.get(id(message))) is not None:
                claims[id(reply)].append(message)
    lost: Counter[str] = Counter()
    for rivals in claims.values():
        last = max(rivals, key=lambda message: message.at)
        lost.update(message.kind for message in rivals if message.kind != last.kind)
    for kind, count in lost.items():
        if count >= 0.7 * traffic.replies[kind].hits:
            del traffic.replies[kind]
            for message in traffic.sent[kind]:
                traffic.reply_of.pop(id(message), None)


def _window(traffic: SortedTraffic, message: ObservedMessage, *, to_next: bool) -> Iterable[ObservedMessage]:
    """What arrived after a message; `to_next` until the client's next one that is neither heartbeat nor answer."""
    client = traffic.clients[message.client]
    found = 0
    for other in client[traffic._index[id(message)] + 1 :]:
        if found == _WINDOW or other.at - message.at > _WINDOW_S:
            return
        if other.sent:
            background = other.kind in traffic.beats or other.kind in traffic.answers
            if to_next and (other.kind == message.kind or (not background and message.kind not in traffic.beats)):
                return
        else:
            found += 1
            yield other


def _keyed(
    occurrences: Sequence[ObservedMessage], windows: Sequence[Sequence[ObservedMessage]], kind: str
) -> tuple[list[Pair], list[ObservedMessage | None]]:
    """The values that come back in a kind and differ from message to message, and the replies that have them."""
    if len(occurrences) < 2:
        return [], []
    support: Counter[Pair] = Counter()
    for message, window in zip(occurrences, windows, strict=True):
        support.update({pair for other in window if other.kind == kind for pair in _pairs(message, other)})
    pairs = [
        (sent, came)
        for (sent, came), count in support.items()
        if count >= 0.7 * len(occurrences)
        and len({(m.client, str(m.fields.get(sent))) for m in occurrences}) > max(1, 0.5 * len(occurrences))
        and len({str(m.fields.get(sent)) for m in occurrences}) > 1
    ]
    replies: list[ObservedMessage | None] = []
    for message, window in zip(occurrences, windows, strict=True):
        alike = (m for m in window if m.kind == kind and any(_same_value(message, m, *pair) for pair in pairs))
        replies.append(next(alike, None))
    kept = [
        pair
        for pair in pairs
        if all(_same_value(m, r, *pair) for m, r in zip(occurrences, replies, strict=True) if r is not None)
    ]
    exchanges = [(m, r) for m, r in zip(occurrences, replies, strict=True) if r is not None]
    return ([*kept, *(pair for pair in _common_pairs(exchanges) if pair not in kept)] if kept else []), replies


def _common_pairs(exchanges: Sequence[tuple[ObservedMessage, ObservedMessage]]) -> list[Pair]:
    """The values that all replies share with what they answer."""
    found: set[Pair] | None = None
    for message, reply in exchanges[:_MOST_LOOKED_AT]:
        pairs = set(_pairs(message, reply))
        found = pairs if found is None else found & pairs
    return sorted(found or ())


def _pairs(message: ObservedMessage, other: ObservedMessage) -> Iterable[Pair]:
    """Paths at which two messages hold the same value, but those of their kinds."""
    by_value: defaultdict[str, list[Path]] = defaultdict(list)
    for path, value in message.fields.items():
        if path not in message.marks and _tells(value):
            by_value[str(value)].append(path)
    for path, value in other.fields.items():
        if path not in other.marks and _tells(value):
            yield from ((mine, path) for mine in by_value.get(str(value), ()))


def _tells(value: Scalar) -> bool:
    return value is not None and not isinstance(value, bool) and value != ""


def _same_value(message: ObservedMessage, other: ObservedMessage, mine: Path, its: Path) -> bool:
    return str(message.fields.get(mine)) == str(other.fields.get(its, object()))


def _affinity(sent: str, received: str) -> float:
    """Return how alike the names of two kinds are, from their beginning."""
    one, other = sent.lower(), received.lower()
    same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return same / max(len(one), 1)
