"""What a suite is warned about is said once, however often it names a member."""

from __future__ import annotations

from pathlib import Path

from tests.cli.commands import invoke

MEMBER = """
[target]
url = "ws://127.0.0.1:1/ws?token=plain-secret"
ready = "open"
[[stages]]
name = "hold"
over = "1s"
clients = 1
[messages]
exchange = "echo"
"""


def test_a_member_that_is_named_twice_is_warned_about_once(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(MEMBER)
    (tmp_path / "both.toml").write_text('suite = ["one", "one"]\n')
    _, _, told = invoke("run", str(tmp_path / "both.toml"), "--no-store", "-q")
    assert told.count("holds a secret in plain text") == 1, told
