"""What ends a command before its work began: an interrupt, a full disk, a number that is none."""

from __future__ import annotations

import errno
import sys

import pytest

import wstui.cli
from tests.cli.commands import call
from wstui.cli.odin import token


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [(KeyboardInterrupt(), 130, "ended by the operator"), (OSError(errno.ENOSPC, "full"), 2, "can't be written")],
)
def test_an_interrupt_at_any_moment_and_a_full_stdout_are_no_broken_threshold(
    raised: BaseException, status: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ending(**_: object) -> None:
        raise raised

    monkeypatch.setattr(token, "callback", ending)
    monkeypatch.setattr(sys, "argv", ["wstui", "token"])
    with pytest.raises(SystemExit) as ended:
        wstui.cli.main()
    assert ended.value.code == status
    assert words in capsys.readouterr().err


def test_options_without_a_command_are_those_of_the_terminal() -> None:
    status, _, err = call("--url", "ws://127.0.0.1:9/ws")
    assert status == 2
    assert "needs a terminal" in err
