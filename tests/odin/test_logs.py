"""Logs: one line for each event, whatever is in it."""

from __future__ import annotations

import json
import logging
import sys

from wstui.odin.logs import JsonLines, TextLines


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "wstui.odin", "levelname": "INFO", "msg": message})
    vars(made).update(extra)
    return made


def test_control_characters_do_not_reach_the_terminal() -> None:
    line = TextLines().format(record("hello\x1b[2J", reason="a\nb\x00\u202e"))
    assert line.isprintable()
    assert "hello\\x1b[2J reason=a\\nb\\x00\\u202e" in line


def test_a_json_line_has_its_fields_apart() -> None:
    line = JsonLines().format(record("refused", reason="token\nexpired", worker=2))
    assert "\n" not in line
    content = json.loads(line)
    assert (content["message"], content["reason"], content["worker"]) == ("refused", "token\nexpired", 2)
    assert (content["level"], content["logger"]) == ("info", "wstui.odin")


def test_an_exception_is_told() -> None:
    try:
        raise ValueError("no good")
    except ValueError:
        made = record("failed", exc_info=sys.exc_info())
    assert "no good" in TextLines().format(made)
    assert "no good" in json.loads(JsonLines().format(made))["exception"]
