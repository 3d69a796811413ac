"""The placeholders of messages: `{{client}}`, `{{random int 1 100}}`, `{{feed.name}}` and their kind.

`{{{{` writes a literal `{{`. A placeholder is a word and, after blanks, its arguments:

    {{client}}              the client's number, from 0
    {{seq}}                 the number of this message of this client, from 1; goes on after a reconnection
    {{id}}                  a whole number that no other client and no other message has
    {{timestamp}}           now: ms since the epoch; also s, us, ns, or iso (2024-05-01T12:00:00.000Z)
    {{random}}              a whole number from 0 to 2147483647
    {{random int 1 100}}    a whole number, both ends included
    {{random float 0 1}}    a number with six decimals
    {{random hex 16}}       so many hexadecimal digits; {{random text 8}}: letters and digits
    {{random choice a b}}   one of these words
    {{random uuid}}         a UUID, never the same twice; all others repeat with the same `seed`
    {{env NAME}}            a variable of the operator's environment; {{env NAME:-default}}
    {{feed.column}}         a column of `feed`, a CSV file with a header
    {{base64 text}}         a text in base64; it may hold placeholders
    {{hmac sha256 NAME text}}   the HMAC of a text in hexadecimal; its key is the variable NAME of the environment
    {{pad}}                 where the padding up to `size` goes; without it, at the end

In the steps of a role there are also

    {{NAME}}                a variable that a step before has captured
    {{stamp}}               the monotonic clock of this host in ns: exact from client to client on one host
    {{message.path}}        in an answer: a value of the message that is answered
    {{seq16}}               {{seq}} from 1 to 65535, then from 1 again: what packets of MQTT are numbered by
    {{seq text}}            a number as a text: in JSON a string that is one placeholder takes the type of its value
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from wstui.scenario.errors import BadValue, nearest

MOST_RANDOM = 4096
"""Characters of one random text; `size` pads to more."""
_BRACES = re.compile(r"\{\{|\}\}")
_OF_ENVIRONMENT = re.compile(r"\{\{\s*(?:env|(?P<signs>hmac)\s+\w+)\s+(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
DIGESTS = ("sha256", "sha1", "sha512", "md5")
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<fallback>:-(?P<default>.*))?", re.DOTALL)
_TIMESTAMPS = ("ms", "s", "us", "ns", "iso")
_RANDOMS = ("int", "float", "hex", "text", "choice", "uuid")
_DIGITS_MOST = 18  # so that a whole number fits 64 bits


class BadPlaceholder(BadValue):
    """A placeholder that cannot be used; `written` is how it stands in the text."""

    def __init__(self, written: str, message: str, nearest: str = "") -> None:
        super().__init__(message, nearest)
        self.written = written


UNKNOWN = "is not a placeholder"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One placeholder: `name` is "client", "timestamp", "random", "env", "feed", …

    `arguments` are complete: ("ms",) for a plain {{timestamp}}, ("int", "0", "2147483647") for a plain {{random}},
    (column,) for a feed, (NAME,) or (NAME, default) for env, (digest, NAME) for hmac. `inner` is the text of base64
    and hmac.
    """

    name: str
    arguments: tuple[str, ...] = ()
    inner: tuple[str | Placeholder, ...] = ()
    as_text: bool = False  # a string in JSON, whatever the type of the value


def parse(text: str, variables: Collection[str] | None = None) -> list[str | Placeholder]:
    """Split a text into literals and placeholders. Raises BadPlaceholder for the first invalid one.

    In a step of a role, `variables` are the names that a client may have captured.
    """
    parts: list[str | Placeholder] = []
    literal, at = "", 0
    while (begin := text.find("{{", at)) >= 0:
        literal += text[at:begin]
        if text.startswith("{{{{", begin):
            literal, at = literal + "{{", begin + 4
            continue
        at = _end_of(text, begin)
        if literal:
            parts.append(literal)
        literal, written = "", text[begin:at]
        parts.append(_placeholder(written[2:-2].strip(), written, variables))
    literal += text[at:]
    return [*parts, literal] if literal else parts


def _end_of(text: str, begin: int) -> int:
    """Return where the placeholder ends that begins here; others may stand inside it."""
    depth = 0
    for braces in _BRACES.finditer(text, begin):
        depth += 1 if braces[0] == "{{" else -1
        if not depth:
            return braces.end()
    raise BadPlaceholder(text[begin : begin + 20], 'has a "{{" without "}}": close it, or write "{{{{" for itself')


def without_placeholders(text: str, instead: str = "") -> str:
    """Return the text with another in place of each placeholder, also of wrong ones that are closed."""
    found, at = "", 0
    while (begin := text.find("{{", at)) >= 0:
        try:
            end = _end_of(text, begin)
        except BadPlaceholder:
            break
        found, at = found + text[at:begin] + instead, end
    return found + text[at:]


def walk(parts: Iterable[str | Placeholder]) -> Iterator[Placeholder]:
    """Yield the placeholders of a text, those inside others too."""
    for part in parts:
        if isinstance(part, Placeholder):
            yield part
            yield from walk(part.inner)


def variables(text: str) -> list[str]:
    """Return the environment variables in a text's {{env NAME}} and {{hmac … NAME …}}."""
    return [match["name"] for match in _OF_ENVIRONMENT.finditer(text)]


def signing_variables(text: str) -> list[str]:
    """Return the environment variables that hold the keys of {{hmac … NAME …}}."""
    return [match["name"] for match in _OF_ENVIRONMENT.finditer(text) if match["signs"]]


def _placeholder(inside: str, written: str, variables: Collection[str] | None = None) -> Placeholder:
    if variables is not None and (found := _of_a_step(inside, written, variables)) is not None:
        return found
    if inside.startswith("feed."):
        if not inside[5:].strip():
            raise BadPlaceholder(written, 'names no column: write "{{feed.column}}"')
        return Placeholder("feed", (inside[5:].strip(),))
    word, _, rest = inside.partition(" ")
    if word in ("base64", "hmac"):
        return _coded(word, rest.strip(), written, variables)
    read = _READ.get(word)
    if read is None:
        raise BadPlaceholder(written, UNKNOWN, _guess(word, rest.strip()))
    return read(rest.strip(), written)


def _of_a_step(inside: str, written: str, variables: Collection[str]) -> Placeholder | None:
    """The placeholders that only the steps of roles have."""
    if inside.endswith(" text") and not inside.startswith("random "):
        return replace(_placeholder(inside.removesuffix(" text").strip(), written, variables), as_text=True)
    if inside in variables:
        return Placeholder("variable", (inside,))
    if inside in ("stamp", "seq16"):
        return Placeholder(inside)
    if inside.startswith("message."):
        path = inside.removeprefix("message.")
        if not all(path.split(".")):
            raise BadPlaceholder(written, 'names no path: write such as "{{message.id}}"')
        return Placeholder("message", (path,))
    return None


def _coded(word: str, rest: str, written: str, variables: Collection[str] | None) -> Placeholder:
    arguments: tuple[str, ...] = ()
    if word == "hmac":
        # The message names no argument: in place of the variable's name there may be the secret itself.
        digest, name, rest = (*rest.split(" ", 2), "", "", "")[:3]
        if digest not in DIGESTS or not _VARIABLE.fullmatch(name) or ":-" in name:
            message = 'takes a digest, a variable and a text: write such as "{{hmac sha256 SECRET_NAME {{id}}:text}}"'
            raise BadPlaceholder("{{hmac …}}", f"{message}; digests are {', '.join(DIGESTS)}")
        arguments = (digest, name)
    if not rest:
        raise BadPlaceholder("{{hmac …}}" if arguments else written, "has no text to encode")
    return Placeholder(word, arguments, tuple(parse(rest, variables)))


def _guess(word: str, rest: str) -> str:
    if word in _RANDOMS:
        return _braced("random", word, rest)
    near = nearest(word, (*_READ, "feed.column"))
    return _braced(near, rest) if near else ""


def _braced(*words: str) -> str:
    return "{{" + " ".join(filter(None, words)) + "}}"


def _alone(name: str) -> Callable[[str, str], Placeholder]:
    def read(rest: str, written: str) -> Placeholder:
        if rest:
            raise BadPlaceholder(written, "takes no argument", _braced(name))
        return Placeholder(name)

    return read


def _timestamp(rest: str, written: str) -> Placeholder:
    unit = rest or "ms"
    if unit not in _TIMESTAMPS:
        near = nearest(unit, _TIMESTAMPS)
        message = f"has no such unit: there are {', '.join(_TIMESTAMPS)}"
        raise BadPlaceholder(written, message, _braced("timestamp", near) if near else "")
    return Placeholder("timestamp", (unit,))


def _env(rest: str, written: str) -> Placeholder:
    match = _VARIABLE.fullmatch(rest)
    if match is None:
        raise BadPlaceholder(written, 'names no variable: write "{{env NAME}}" or "{{env NAME:-default}}"')
    return Placeholder("env", (match["name"], match["default"]) if match["fallback"] else (match["name"],))


def _random(rest: str, written: str) -> Placeholder:
    kind, *arguments = rest.split() or ["int", "0", "2147483647"]
    if kind not in _RANDOMS:
        near = nearest(kind, _RANDOMS)
        message = f"draws nothing known: there are {', '.join(_RANDOMS)}"
        raise BadPlaceholder(written, message, _braced("random", near, *arguments) if near else "")
    problem = _RANDOM_PROBLEM[kind](arguments)
    if problem:
        raise BadPlaceholder(written, problem)
    return Placeholder("random", (kind, *arguments))


def _int_problem(arguments: list[str]) -> str:
    if len(arguments) != 2 or not all(re.fullmatch(rf"-?\d{{1,{_DIGITS_MOST}}}", a, re.ASCII) for a in arguments):
        return 'takes two whole numbers: write "{{random int 1 100}}"'
    return "has its ends the wrong way round" if int(arguments[0]) > int(arguments[1]) else ""


def _float_problem(arguments: list[str]) -> str:
    if len(arguments) != 2 or not all(re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", a, re.ASCII) for a in arguments):
        return 'takes two numbers: write "{{random float 0 1}}"'
    return "has its ends the wrong way round" if float(arguments[0]) > float(arguments[1]) else ""


def _length_problem(arguments: list[str]) -> str:
    if len(arguments) != 1 or not re.fullmatch(r"\d{1,4}", arguments[0], re.ASCII):
        return 'takes a length: write "{{random hex 16}}" or "{{random text 8}}"'
    length = int(arguments[0])
    return "" if 1 <= length <= MOST_RANDOM else f"takes a length from 1 to {MOST_RANDOM}"


_RANDOM_PROBLEM: dict[str, Callable[[list[str]], str]] = {
    "int": _int_problem,
    "float": _float_problem,
    "hex": _length_problem,
    "text": _length_problem,
    "choice": lambda arguments: "" if arguments else 'takes words: write "{{random choice red green}}"',
    "uuid": lambda arguments: "takes no argument" if arguments else "",
}
RESERVED = frozenset(("seq", "seq16", "pad", "timestamp", "random", "env", "stamp", "feed", "message"))
"""Words that a variable cannot be called; one called "id" or "client" takes the place of that placeholder."""
_READ: dict[str, Callable[[str, str], Placeholder]] = {
    "client": _alone("client"),
    "seq": _alone("seq"),
    "id": _alone("id"),
    "pad": _alone("pad"),
    "timestamp": _timestamp,
    "random": _random,
    "env": _env,
}
