"""One step of a role: what it sends, what it waits for, each value with its guess."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, AnyStr

from wstui.recording.inference.inferred_scenario import Guess, escaped
from wstui.recording.inference.inferred_value import InferredValue
from wstui.recording.inference.message import ObservedMessage, Path, Scalar, words_of
from wstui.recording.inference.traffic import STATUS, ObservedReply, SortedTraffic
from wstui.recording.inference.values import Values, dotted_path
from wstui.scenario.conversation.conditions import ANY
from wstui.scenario.conversation.dialect import Verbatim

Guesses = dict[tuple[str | int, ...], Guess]


def payload(
    messages: Sequence[ObservedMessage], values: Values, keyed: Collection[Path], *, setup: bool
) -> tuple[dict[str, Any], Guesses, dict[Path, InferredValue]]:
    """Return what a step sends, as keys of the step with their guesses, and what stands at which path."""
    first = messages[0]
    if isinstance(first.data, bytes) and first.spoken is None:
        same = len({message.data for message in messages}) == 1
        guess = Guess(f"the first of {len(messages)} that differ", "unsure")
        return {"hex": first.data.hex()}, {} if same else {("hex",): guess}, {}
    alike = [message for message in messages if message.form == first.form]
    if first.form == "text":
        alike = [message for message in alike if _frame(message) == _frame(first)]
    found = {}
    for path in first.fields:
        if path in first.marks:
            continue
        value = values.of(alike, path, keyed=path in keyed, setup=setup)
        if value is not None:
            value.guess.why = (
                f"{'.'.join(path) if first.form == 'json' else f'word {int(path[0]) + 1}'} {value.guess.why}"
            )
            found[path] = value
    if first.form == "text":
        guesses: Guesses = {("send", *path): value.guess for path, value in found.items()}
        if len(alike) < len(messages):
            guesses["send",] = Guess(f"the first of {len(messages)} texts that differ", "unsure")
        return {"send": _text(first, found)}, guesses, found
    if first.spoken is not None:
        made = _with(first.document, (), found)
        guesses = {path: value.guess for path, value in found.items()}
    else:
        made = templated("json", first.document, (), found)
        guesses = {(*made, *path): value.guess for path, value in found.items()}
    for path, value in found.items():
        value.guess.instead = first.fields[path]
    if len(alike) < len(messages) or len({_keys(message) for message in alike}) > 1:
        guesses[next(iter(made)),] = Guess(f"the first of {len(messages)} that differ in their keys", "unsure")
    return made, guesses, found


def templated(
    key: str, document: Any, path: Path, found: dict[Path, InferredValue], text: str = "send"
) -> dict[str, Any]:
    """Return a document with its placeholders under a key, or as text under another if TOML can't hold it."""
    if _fits_toml(document):
        return {key: _with(document, path, found)}
    return {text: "".join(_json_text(document, path, found))}


def _keys(message: ObservedMessage) -> frozenset[Path]:
    return frozenset(message.fields)


def _frame(message: ObservedMessage) -> list[str]:
    """Return what is between the words of a text."""
    text = str(message.data)
    ends = [0, *(end for _, end in words_of(text))]
    starts = [*(start for start, _ in words_of(text)), len(text)]
    return [text[a:b] for a, b in zip(ends, starts, strict=True)]


def _text(message: ObservedMessage, found: dict[Path, InferredValue]) -> str:
    frame, text = _frame(message), str(message.data)
    parts = [escaped(frame[0])]
    for index, (start, end) in enumerate(words_of(text)):
        value = found.get((str(index),))
        parts += [
            escaped(text[start:end]) if value is None else value.text.replace(" text}}", "}}"),
            escaped(frame[index + 1]),
        ]
    return "".join(parts)


def _with(value: Any, path: Path, found: dict[Path, InferredValue]) -> Any:
    """The document with placeholders."""
    if path in found:
        return found[path].text
    if isinstance(value, dict):
        return {escaped(key): _with(inner, (*path, key), found) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with(inner, (*path, str(index)), found) for index, inner in enumerate(value)]
    return escaped(value) if isinstance(value, str) and not isinstance(value, Verbatim) else value


def _json_text(value: Any, path: Path, found: dict[Path, InferredValue]) -> Iterator[str]:
    """The same as JSON text, for documents that TOML can't hold: null is the usual one."""
    if path in found:
        text = found[path].text
        quoted = isinstance(value, str) or ("random" in text and "int" not in text and "float" not in text)
        yield f'"{text}"' if quoted else text
    elif isinstance(value, dict):
        yield "{"
        for index, (key, inner) in enumerate(value.items()):
            yield f"{', ' if index else ''}{escaped(json.dumps(key, ensure_ascii=False))}: "
            yield from _json_text(inner, (*path, key), found)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for index, inner in enumerate(value):
            yield ", " * (index > 0)
            yield from _json_text(inner, (*path, str(index)), found)
        yield "]"
    else:
        yield escaped(json.dumps(value, ensure_ascii=False))


def _fits_toml(value: Any) -> bool:
    if isinstance(value, dict):
        return all(key and _fits_toml(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_fits_toml, value))
    if isinstance(value, float):
        return abs(value) < 1e308
    return isinstance(value, bool | str) or (isinstance(value, int) and abs(value) < 1 << 63)


# -- what is waited for ------------------------------------------------------------------------------------------


def matcher(
    replies: Sequence[ObservedMessage],
    traffic: SortedTraffic,
    pairs: Sequence[tuple[Path, Path]],
    found: dict[Path, InferredValue],
) -> dict[str, Any]:
    """Return what tells these messages from all others: their kind, whether all is well, and what comes back."""
    first = replies[0]
    stable = {came: found[sent] for sent, came in pairs if sent in found and found[sent].stable}
    if first.form == "json":
        conditions: dict[str, Any] = {}
        for path in first.marks:
            _put(conditions, path, first.fields[path])
        for path, value in first.fields.items():
            is_status = path[-1].lower() in STATUS and len({str(m.fields.get(path)) for m in replies}) == 1
            if path in stable:
                _put(conditions, path, stable[path].text, raw=True)
            elif is_status and path not in first.marks and not isinstance(value, float):
                _put(conditions, path, value)
        return conditions or _own_path(first, replies, traffic)
    if first.form == "binary":
        common = _common([m.data for m in replies if isinstance(m.data, bytes)])
        return {"hex": common[:16].hex()} if common else {"regex": "^"}
    return _text_matcher(replies, traffic, stable, found)


def status_of(replies: Sequence[ObservedMessage], at: str) -> dict[str, Any]:
    """Return whether all is well, as far as the content at `at` of all these replies says it in the same words."""
    before = tuple(at.split("."))
    conditions: dict[str, Any] = {}
    for path, value in replies[0].fields.items():
        said = path[:-1] == before and path[-1].lower() in STATUS
        if said and len({str(message.fields.get(path)) for message in replies}) == 1:
            _put(conditions, path[-1:], value)
    return conditions


def _put(conditions: dict[str, Any], path: Path, value: Scalar, *, raw: bool = False) -> None:
    if (key := dotted_path(path)) and value is not None:
        conditions[key] = escaped(value) if isinstance(value, str) and not raw else value


def _own_path(first: ObservedMessage, replies: Sequence[ObservedMessage], traffic: SortedTraffic) -> dict[str, Any]:
    """A path that only these messages have."""
    others = [m[0] for kind, m in traffic.received.items() if kind != first.kind]
    paths = [p for p in first.fields if dotted_path(p) and all(p in m.fields for m in replies)]
    own = [p for p in paths if not any(p in other.fields for other in others)]
    best = min(own or paths, key=len, default=None)
    return {dotted_path(best): ANY} if best else {"prefix": escaped(str(first.data)[:1])}


def _text_matcher(
    replies: Sequence[ObservedMessage],
    traffic: SortedTraffic,
    stable: dict[Path, InferredValue],
    found: dict[Path, InferredValue],
) -> dict[str, Any]:
    first = replies[0]
    texts = [str(message.data) for message in replies]
    if stable and all(_frame(message) == _frame(first) for message in replies):
        places = {path: value for path, value in stable.items() if len({m.fields.get(path) for m in replies}) > 1}
        rest = [p for p in first.fields if p not in stable and len({m.fields.get(p) for m in replies}) > 1]
        if not rest:
            return {"equals": _text(first, stable)}
        _path, value = next(iter((places or stable).items()))
        return {"contains": value.text} | _prefix(texts)
    if len(set(texts)) == 1 and texts[0]:
        return {"equals": escaped(texts[0])}
    if echo := [value for value in found.values() if value.stable and "{{" in value.text]:
        return _prefix(texts) or {"contains": echo[0].text}
    return _prefix(texts) or {"regex": "^"}


def _prefix(texts: Sequence[str]) -> dict[str, Any]:
    common = _common(texts).rstrip("0123456789")[:40]
    return {"prefix": escaped(common)} if common else {}


def why_reply(reply: ObservedReply, label: str, kind_label: str) -> Guess:
    """Say what the reply of a step was guessed from."""
    seen = f"{reply.hits} of {reply.of}"
    if reply.keyed:
        came = ", ".join(sorted({".".join(path) for _, path in reply.pairs})[:3])
        return Guess(f"{seen} came back as {kind_label} with the same {came}", "sure" if reply.of > 2 else "likely")
    only = f"{kind_label} followed {label} {seen} times, and hardly came without it"
    return Guess(only, "likely" if reply.of > 1 else "unsure")


def _common(texts: Sequence[AnyStr]) -> AnyStr:
    """Return what all of them begin with."""
    low, high = min(texts), max(texts)
    return low[: next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))]
