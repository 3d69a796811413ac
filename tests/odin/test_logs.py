"""Logs: one line for each event, whatever is in it."""

from __future__ import annotations

import json
import logging
import sys

from wstui.odin.logs import DEBUG_PER_SECOND, JsonLines, LogSample, TextLines


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


def test_of_thousands_of_clients_that_fare_alike_a_few_are_named_and_the_others_counted() -> None:
    sample = LogSample()

    def passing(second: float, message: str, level: int = logging.DEBUG) -> logging.LogRecord | None:
        made = record(message)
        made.created, made.levelno = second, level
        return made if sample.filter(made) else None

    passed = [made for number in range(5000) if (made := passing(7 + number / 5000, "refused"))]
    assert len(passed) == DEBUG_PER_SECOND
    assert passing(7.5, "client closed") and passing(7.5, "refused", logging.INFO)
    later = passing(8.0, "refused")
    assert later is not None and f"skipped={5000 - DEBUG_PER_SECOND}" in TextLines().format(later)
    after = passing(8.1, "refused")
    assert after is not None and "skipped" not in TextLines().format(after)
