"""What a failure is grouped by: its kind and code, and the words of the server without what is random in them."""

from __future__ import annotations

import re

WORDINGS_KEPT = 3
BETWEEN = " · "
MORE = "…"
_TOKEN = re.compile(r"""[^\s"'(),;<>\[\]{}=:·…]+""")
_PLAIN = re.compile(r"(HTTP(?: \d{3}|/1\.\d)\b|\b64 KiB\b|\b1xx\b|\bwss?://[^\s/]+/?|\basked for \([^)]*\))")
"""Numbers that are not random: a status, a version, a limit of ours, the host that a redirect leads to, and the
subprotocol that was (not) asked for."""
_HEX = re.compile(r"[0-9a-fA-F]{8,}")
_ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
_RUN = re.compile(r"…(?:[\s=/+:.…-]*…)*=*")


def is_servers_word(kind: str) -> bool:
    """Whether the message of such a failure holds what the server said."""
    return kind.startswith(("close ", "http ")) or kind == "handshake"


def fold(text: str) -> str:
    """`text` with "…" for numbers, ids, tokens and keys, so that the same reason always reads the same."""
    parts = _PLAIN.split(text)
    parts[::2] = [_RUN.sub(MORE, _TOKEN.sub(lambda match: _folded(match[0]), part)) for part in parts[::2]]
    return "".join(parts)


def joined(one: str, other: str) -> str:
    """The wordings of two groups as one message: each once, and no more than `WORDINGS_KEPT`."""
    known = dict.fromkeys([*one.split(BETWEEN), *other.split(BETWEEN)])
    words = [word for word in known if word != MORE]
    more = [MORE] if MORE in known or len(words) > WORDINGS_KEPT else []
    return BETWEEN.join([*words[:WORDINGS_KEPT], *more])


def _folded(token: str) -> str:
    word = token.rstrip(".!?")
    return MORE + token[len(word) :] if _is_random(word) else token


def _is_random(word: str) -> bool:
    word = _ESCAPE.sub("", word)
    if any(character.isdigit() for character in word) or _HEX.fullmatch(word):
        return True
    turns = len(re.findall(r"[a-z][A-Z]", word))
    return turns > 1 or (len(word) >= 8 and turns > 0 and ("+" in word or "/" in word))
