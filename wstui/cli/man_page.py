"""The man page: every command with its options as the help shows them, statuses and the manual's topics, in roff."""

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
VARIABLES = {
    "WS_URL": "the target, unless `--url` says another",
    "AUTH_TOKEN": "the token of clients that bring one",
    "JWT_SECRET": "the key that signs JWTs",
    "NATS_URL": "NATS of the bundled server and its publisher; `check` looks at it",
    "MAX_CONNECTIONS": "clients, for scripts",
    "TEST_DURATION": "milliseconds of the stage `hold`, for scripts",
    "MESSAGE_FREQUENCY": "milliseconds between two sends of a client, for scripts",
    "WSTUI_STORE": "the file of the run store",
    "WSTUI_LOCK": "`wait`, `refuse` or `ignore` another locked run on the same target",
    "WSTUI_LOCK_FOLDER": "where locks are kept",
    "WSTUI_SSH": "the program that reaches hosts, if it is not `ssh`",
    "WSTUI_REMOTE_WRITE_HEADERS": "headers of `--remote-write`: Name=value,Name=value, percent-encoded",
    "OTEL_EXPORTER_OTLP_HEADERS": "headers of `--otlp` and `--otlp-logs`, and all else that OpenTelemetry's exporter "
    "reads",
    "HTTP_PROXY": "a proxy, as curl takes it; also HTTPS_PROXY, WS_PROXY, WSS_PROXY and ALL_PROXY",
    "NO_PROXY": "hosts that are reached without one",
    "LOG_LEVEL": "write a log file of a run; `debug` shows the traceback of an internal error",
    "NO_COLOR": "no colours",
    "GITHUB_ACTIONS": "`true`: `wstui run` writes annotations and the summary of the step",
}
"""What is read of the environment, besides what a preset refers to and what tells of the terminal."""


def man_page(
    commands: Mapping[str, tuple[str, list[tuple[str, str]]]],
    statuses: Mapping[int, str],
    topics: Mapping[str, str],
    version: str,
) -> str:
    """Return the page.

    `commands` are help and options (flag, text) by command, `statuses` the exit statuses, `topics` the summaries of the
    manual's pages.
    """
    parts = [_HEAD.format(version=version), ".SH COMMANDS\n"]
    for name, (about, options) in commands.items():
        paragraphs = [part for part in about.split("\n\n") if part.strip()]
        parts.append(f".SS {_text(name)}\n{_text(paragraphs[0].strip('`'))}\n")
        parts += [f".PP\n{_text(_plain(part))}\n" for part in paragraphs[1:]]
        parts += [_item(flag, text) for flag, text in options]
    parts.append(".SH EXIT STATUS\n")
    parts += [_item(str(status), text) for status, text in statuses.items()]
    parts.append(".SH ENVIRONMENT\n")
    parts += [_item(name, text) for name, text in VARIABLES.items()]
    parts.append(".SH SEE ALSO\n")
    parts += [_item(f"wstui manual {topic}", text) for topic, text in topics.items()]
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
