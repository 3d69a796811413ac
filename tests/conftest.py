"""What all tests share: a surrounding that is the same everywhere."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from types import FrameType

import pytest

import tests.search  # noqa: F401 - loads the profile

_TELLING = re.compile(
    # What this product, its libraries or a terminal would take from the surrounding.
    r"WSTUI_\w+|XDG_\w+|WS_URL|AUTH_TOKEN|JWT_SECRET|NATS_URL|NATS_SERVER|LOG_LEVEL"
    r"|MAX_CONNECTIONS|TEST_DURATION|MESSAGE_FREQUENCY"
    r"|PYTHON(?:UNBUFFERED|IOENCODING|UTF8|WARNINGS|DEVMODE|ASYNCIODEBUG)|LC_\w+|LANGUAGE"
    r"|NO_COLOR|FORCE_COLOR|CLICOLOR\w*|COLORTERM|TEXTUAL(?!_SNAPSHOT)\w*|COLUMNS|LINES|(?:\w+_proxy)",
    re.IGNORECASE,
)
_HOME = pytest.StashKey[str]()
_TEST_S = 300
"""What takes longer hangs: a failure that says where is worth more than a suite that never ends."""


_LONGEST = (
    *("fleet", "presets", "recording", "cli", "manual", "test_wheel.py", "test_other_systems.py"),
    *("tui", "execution", "truth", "protocols", "control", "report", "conversations"),
)
"""Folders and files that take longest: they begin first, so that at the end all processors have something to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take a file of each of these folders in turn: two that start several hosts each would starve each other."""
    turns: dict[str, tuple[int, int]] = {}
    files = Counter[str]()
    for item in items:
        file = item.nodeid.partition("::")[0]
        folder = file.split("/")[1]
        if file not in turns:
            turns[file] = (files[folder], _LONGEST.index(folder)) if folder in _LONGEST else (len(items), 0)
            files[folder] += 1
    items.sort(key=lambda item: turns[item.nodeid.partition("::")[0]])


def pytest_collection_finish() -> None:
    """Let the collector of garbage leave what was imported alone: it was a sixth of the time of tests of screens."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def pytest_configure(config: pytest.Config) -> None:
    """Nothing of whoever runs the tests is read or changed, and signals do what they do by default."""
    for name in list(os.environ):
        if _TELLING.fullmatch(name):
            del os.environ[name]
    config.stash[_HOME] = os.environ["HOME"] = tempfile.mkdtemp(prefix="wstui-home-")
    os.environ |= {"LANG": "C.UTF-8", "TZ": "UTC"}
    if hasattr(time, "tzset"):
        time.tzset()
    os.umask(0o022)
    # A shell that runs this in the background, or `nohup`, has had them ignored, and children would inherit that.
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for name in ("SIGTERM", "SIGHUP", "SIGQUIT"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_DFL)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take the home away again."""
    shutil.rmtree(config.stash.get(_HOME, ""), ignore_errors=True)


def pytest_runtest_setup() -> None:
    """Forget the secrets of commands that an earlier test ran in this process: they would be masked in this one's."""
    if (messages := sys.modules.get("wstui.cli.exit_codes")) is not None:
        messages._secrets.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End a test that hangs."""

    def hangs(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"{item.nodeid} has not ended after {_TEST_S} s")

    if not hasattr(signal, "SIGALRM"):
        return (yield)
    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(_TEST_S)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
