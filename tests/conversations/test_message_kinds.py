"""Matchers that know the kind of a message, held against conditions that are compared one by one."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wstui.load.compiled_matcher import BoundValues, Matcher
from wstui.load.conversation.kinds import kind_reader
from wstui.load.reply_matcher import MISSING, ReplyMatcher
from wstui.load.role_spec import ConditionSpec, MatcherSpec, Slot
from wstui.measure.counters import TYPES_KEPT

SEQ = 7
KINDS = st.sampled_from(["say", "said"])
SCALARS = st.sampled_from(["say", "7", "*", "", 7, 7.0, 1, True, False])
OWN = st.sampled_from(["7", 7, 8, True])
INNER = st.fixed_dictionaries({"id": OWN, "data": KINDS})
DOCUMENT = st.fixed_dictionaries(
    {"id": OWN | st.none(), "data": INNER | st.just('{"id":7,"data":"say"}') | SCALARS},
    optional={"event": KINDS | st.just(7), "type": KINDS | SCALARS},
)
PATHS = [["event"], ["type"], ["id"], ["data", "id"], ["data", "data"], ["data"], ["data", "id", "x"]]
PATH = st.sampled_from(PATHS)
MADE = st.sampled_from([[Slot("seq", form="raw")], [Slot("seq", form="json")], [b"s", Slot("seq")], [Slot("client")]])
CONDITION = st.one_of(
    st.builds(ConditionSpec, st.just("path"), st.sampled_from(PATHS[:2]), KINDS | SCALARS),
    st.builds(ConditionSpec, st.just("path"), PATH, KINDS | SCALARS),
    st.builds(ConditionSpec, st.just("path"), st.sampled_from(PATHS[2:4]), OWN),
    st.builds(ConditionSpec, st.just("path"), st.sampled_from(PATHS[1:4]), st.just(""), MADE),
    st.builds(ConditionSpec, st.just("absent"), PATH, st.just("x")),
    st.builds(ConditionSpec, st.sampled_from(["contains", "prefix", "equals", "regex"]), st.just([]), st.just("say")),
    st.builds(ConditionSpec, st.sampled_from(["contains", "prefix"]), st.just([]), st.just(""), MADE),
    st.just(ConditionSpec("hex", [], "7b")),
)
MATCHER = st.lists(st.lists(CONDITION, min_size=1, max_size=2), min_size=1, max_size=2).map(MatcherSpec)
SPEAKER: Any = SimpleNamespace(seq=SEQ, number=3)
_plain = ReplyMatcher([], plain=True)


def holds(condition: ConditionSpec, document: Any, payload: bytes) -> bool:
    """Whether a condition holds, written plainly."""
    made = "".join(part.decode() if isinstance(part, bytes) else str(_value(part)) for part in condition.text)
    if condition.kind not in ("path", "absent"):
        wanted = (made or str(condition.value)).encode()
        as_bytes = bytes.fromhex(str(condition.value)) if condition.kind == "hex" else wanted
        return {
            "contains": wanted in payload,
            "regex": wanted in payload,
            "equals": payload == wanted,
            "prefix": payload.startswith(wanted),
            "hex": payload.startswith(as_bytes),
        }[condition.kind]
    found = MISSING if document is None else _plain.value(document, condition.path)
    if condition.kind == "absent":
        return found is MISSING or found is None
    if not condition.text:
        same = found == condition.value and isinstance(found, bool) == isinstance(condition.value, bool)
        return found is not MISSING if condition.value == "*" else same
    if isinstance(found, bool) or found is MISSING or not isinstance(found, int | float | str):
        return False
    return found == made or (not isinstance(found, str) and len(condition.text) == 1 and found == int(made))


def _value(slot: Slot) -> int:
    return int(SPEAKER.seq if slot.kind == "seq" else SPEAKER.number)


def role_of(reader: ReplyMatcher, *matchers: Matcher) -> Any:
    rules = dict.fromkeys(("answers", "deliveries", "sequences", "errors", "watchdogs", "streams"), ())
    return SimpleNamespace(reader=reader, awaited=matchers, **rules)


@given(st.sampled_from(["struct", "tables", "plain"]), MATCHER, MATCHER, DOCUMENT | st.none())
def test_what_is_left_to_compare_decides_as_all_conditions_do(
    form: str, expect: MatcherSpec, refuse: MatcherSpec, told: Any
) -> None:
    payload = b"say 7" if told is None else json.dumps(told).encode()
    reader = ReplyMatcher(PATHS, plain=form != "struct", tables=form == "tables")
    values = BoundValues([expect, refuse], 0)
    matchers = [Matcher(spec, reader, 0, values) for spec in (expect, refuse)]
    bound = values.bind(SPEAKER)
    document = reader.read(payload)
    kind = kind_reader(role_of(reader, *matchers), [["event"], ["type"]])(document)
    for matcher, spec in zip(matchers, (expect, refuse), strict=True):
        meant = any(all(holds(each, told, payload) for each in conditions) for conditions in spec.alternatives)
        rest = kind.rests[matcher]
        assert (rest is not None and bool(rest(document, payload, bound))) == meant
        assert matcher.matches(document, payload, bound) == meant
        assert kind.is_awaited or not meant


def test_a_kind_is_told_by_the_first_path_that_has_a_text() -> None:
    reader = ReplyMatcher([["event"], ["type"], ["a", "kind"]])
    kind_of = kind_reader(role_of(reader), [["event"], ["a", "kind"], ["type"]])
    assert kind_of(reader.read(b'{"event":"x","type":"y"}')).name == b"x"
    assert kind_of(reader.read(b'{"event":1,"a":{"kind":"z"},"type":"y"}')).name == b"z"
    assert kind_of(reader.read(b'{"a":{},"type":"y"}')).name == b"y"
    assert kind_of(reader.read(b'{"id":1}')).name is None
    assert kind_of(None).name is None
    assert kind_of(reader.read(b'{"event":"x"}')) is kind_of(reader.read(b'{"event":"x","a":2}'))


def test_a_server_that_makes_up_kinds_fills_no_memory() -> None:
    reader = ReplyMatcher([["type"]])
    matcher = Matcher(MatcherSpec([[ConditionSpec("path", ["type"], f"k{TYPES_KEPT + 5}")]]), reader, 0)
    kind_of = kind_reader(role_of(reader, matcher), [["type"]])
    made = [kind_of(reader.read(b'{"type":"k%d"}' % number)) for number in range(TYPES_KEPT + 10)]
    assert [kind.name for kind in made] == [b"k%d" % number for number in range(TYPES_KEPT + 10)]
    assert len({id(kind.rests) for kind in made}) == TYPES_KEPT + 1
    document = reader.read(b'{"type":"k%d"}' % (TYPES_KEPT + 5))
    assert kind_of(document).is_meant(matcher, document, b"", SPEAKER)
    assert not kind_of(document).is_meant(matcher, reader.read(b'{"type":"other"}'), b"", SPEAKER)
