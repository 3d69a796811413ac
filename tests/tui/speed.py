"""What operations cost: `python -m tests.tui.speed` prints the CPU of each in ms, as the median of some rounds.

`--against FOLDER` measures another checkout (with its `.venv`) in the same rounds and prints it first. CPU time grows
on a busy machine as well, so only figures of one session can be compared.
"""

from __future__ import annotations

import argparse
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.terminal import start_on_pty

HERE = Path(__file__).parents[2]
_QUIET_S = 0.4
_PATIENCE_S = 60.0
_KEYS = 40
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""As users have it: what was imported once is not compiled again."""
COMMANDS = {"wstui --help": ["--help"], "wstui presets list": ["presets", "list"]}


class MeasuredTerminal:
    """wstui on a pseudo-terminal."""

    def __init__(self, checkout: Path, home: str, size: tuple[int, int]) -> None:
        environment = {**ENVIRON, "TERM": "xterm-256color", "COLORTERM": "truecolor", "HOME": home}
        command = [python(checkout), "-m", "wstui"]
        self._child, self._master = start_on_pty(command, size=size, cwd=checkout, env=environment)

    def close(self) -> None:
        """End it."""
        self._child.kill()
        self._child.wait()
        os.close(self._master)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    @property
    def cpu_ms(self) -> float:
        """CPU of all threads so far, of a process and its children: one of those draws the screen."""
        return (
            sum(
                int((task / "schedstat").read_text().split()[0])
                for pid in _family(self._child.pid)
                for task in _tasks(pid)
            )
            / 1e6
        )

    def until(self, word: str) -> float:
        """Wait for a word on the screen; return the CPU when it was there."""
        seen, deadline = b"", time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if select.select([self._master], [], [], 0.5)[0]:
                seen += os.read(self._master, 1 << 16)
                if word.encode() in seen:
                    return self.cpu_ms
        raise AssertionError(f"no {word!r} on the screen")

    def settle(self) -> float:
        """Wait until it has nothing more to draw; return the CPU then."""
        last, quiet = self.cpu_ms, time.monotonic()
        while time.monotonic() - quiet < _QUIET_S:
            if select.select([self._master], [], [], 0.05)[0]:
                os.read(self._master, 1 << 16)
            if (now := self.cpu_ms) - last > 2.0:
                quiet = time.monotonic()
            last = now
        return self.cpu_ms


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())


def _family(pid: int) -> list[int]:
    children = [int(child) for task in _tasks(pid) for child in (task / "children").read_text().split()]
    return [pid, *(one for child in children for one in _family(child))]


def python(checkout: Path) -> str:
    """The interpreter of a checkout."""
    own = checkout / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def command_ms(checkout: Path, home: str, arguments: list[str]) -> float:
    """CPU of a command."""
    before = os.times()
    subprocess.run(
        [python(checkout), "-m", "wstui", *arguments], cwd=checkout, env={**ENVIRON, "HOME": home},
        stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    after = os.times()
    return (after.children_user + after.children_system - before.children_user - before.children_system) * 1e3


def screens_ms(checkout: Path, home: str, size: tuple[int, int]) -> dict[str, float]:
    """CPU of what an operator does before a run."""
    found: dict[str, float] = {}
    terminal = MeasuredTerminal(checkout, home, size)
    try:
        found["first paint"] = terminal.until("palette")
        at = terminal.settle()

        def after(keys: str, wait: Callable[[], float]) -> float:
            nonlocal at
            terminal.type(keys)
            took, at = wait() - at, terminal.settle()
            return took

        found["help"] = after("?", lambda: terminal.until("esc"))
        after("\x1b", terminal.settle)
        found["editor: readable"] = after("e", lambda: terminal.until("description"))
        began = at
        for number in range(_KEYS):
            terminal.type("abcde"[number % 5])
            select.select([terminal._master], [], [], 1.0)
            time.sleep(0.03)
        found["editor: a key"] = (terminal.settle() - began) / _KEYS
    finally:
        terminal.close()
    return found


def main() -> None:
    """Measure in rounds, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout, measured in the same rounds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", default="80x24")
    options = parser.parse_args()
    columns, rows = map(int, options.size.split("x"))
    checkouts = [path.resolve() for path in (options.against, HERE) if path is not None]
    found: dict[str, dict[Path, list[float]]] = {}
    with tempfile.TemporaryDirectory() as home:
        for checkout in checkouts:  # compile what has not been
            command_ms(checkout, home, ["presets", "list"])
            _warm(checkout, home, (columns, rows)).close()
        for _ in range(options.rounds):
            for checkout in checkouts:
                measured = {name: command_ms(checkout, home, words) for name, words in COMMANDS.items()}
                # A home of its own: the next one would reopen on the editor.
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as fresh:
                    measured |= screens_ms(checkout, fresh, (columns, rows))
                for name, ms in measured.items():
                    found.setdefault(name, {}).setdefault(checkout, []).append(ms)
    print(f"CPU in ms, median of {options.rounds} at {options.size}" + ", before → after" * (len(checkouts) > 1))
    for name, by in found.items():
        print(f"{name:20}" + " → ".join(f"{statistics.median(by[checkout]):8.1f}" for checkout in checkouts))


def _warm(checkout: Path, home: str, size: tuple[int, int]) -> MeasuredTerminal:
    terminal = MeasuredTerminal(checkout, home, size)
    terminal.until("palette")
    return terminal


if __name__ == "__main__":
    main()
