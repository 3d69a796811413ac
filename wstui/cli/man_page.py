"""The man page: every command with its options, as the help shows them, in roff."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_HEAD = """.TH WSTUI 1 "" "wstui {version}" "User Commands"
.SH NAME
wstui \\- load test WebSocket servers from the terminal
.SH SYNOPSIS
.B wstui
.RI [ PRESET ]
.br
.B wstui
.I COMMAND
.RI [ OPTIONS ]
.SH DESCRIPTION
Without a command the terminal UI opens: on a preset, or on a list of them.
The commands run presets without it, keep and compare runs, and start the bundled target.
The whole manual is inside the program: \\fBwstui manual\\fR.
"""


def man_page(
    commands: Mapping[str, tuple[str, list[tuple[str, str]]]], statuses: Mapping[int, str], version: str
) -> str:
    """Return the page; `commands` are help and options (flag, text) by command, `statuses` the exit statuses."""
    parts = [_HEAD.format(version=version), ".SH COMMANDS\n"]
    for name, (about, options) in commands.items():
        paragraphs = [part for part in about.split("\n\n") if part.strip()]
        parts.append(f".SS {_text(name)}\n{_text(paragraphs[0].strip('`'))}\n")
        parts += [f".PP\n{_text(_plain(part))}\n" for part in paragraphs[1:]]
        parts += [_item(flag, text) for flag, text in options]
    parts.append(".SH EXIT STATUS\n")
    parts += [_item(str(status), text) for status, text in statuses.items()]
    return "".join(parts)


def _item(term: str, text: str) -> str:
    return f".TP\n.B {_text(term)}\n{_text(_plain(text))}\n"


def _plain(markdown: str) -> str:
    return re.sub(r"[`*]+", "", " ".join(markdown.split()))


def _text(text: str) -> str:
    """Return text in which nothing is a request or an escape of roff."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(_lines(escaped.split("\n")))


def _lines(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        yield f"\\&{line}" if line.startswith((".", "'")) else line
