"""Runs the scripts of a worker: loads them, says where they are wrong, and watches that none blocks the worker."""

from __future__ import annotations

import linecache
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, ModuleType
from typing import Any

from wstui.scenario.errors import BadValue

LOOK_S = 0.1
BLOCKED_LOOKS = 10
"""A script that is found with the same client so often, while the worker's tick stands still, blocks it."""
GIVEN_UP_LOOKS = 40
BLOCKS = "blocks its worker"
FRAMES_TOLD = 4
"""Of a deep traceback so many calls are told at each end."""


class ScriptError(Exception):
    """A mistake of a script, with its lines: never the server's."""


class Scripts:
    """The scripts of a worker's roles, by name."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Load them. Raises ScriptError."""
        self._modules: dict[str, ModuleType] = {}
        for name, text in texts.items():
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
            module = ModuleType("wstui_script")
            module.__file__ = name
            try:
                exec(compile(text, name, "exec"), module.__dict__)
            except BaseException as error:  # sys.exit() too
                raise ScriptError(mistake_of(error, name)) from None
            self._modules[name] = module

    def function(self, script: str, role: str) -> Callable[..., Any]:
        """Return the function of a role. Raises ScriptError."""
        found = getattr(self._modules[script], role, None)
        if not callable(found):
            raise ScriptError(f"{script} has no function {role}: write @wstui.role above `async def {role}(client)`")
        return found  # type: ignore[no-any-return]


def mistake_of(error: BaseException, script: str) -> str:
    """Return an error with those lines of its traceback that are the script's."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == script]
    what = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, BadValue):  # of a text in the form of a scenario file, such as within="5s"
        what = "\n".join([error.message, *getattr(error, "__notes__", ())])
    lines = [f"{frame.filename}, line {frame.lineno}, in {frame.name}: {frame.line}" for frame in frames]
    if (more := len(lines) - 2 * FRAMES_TOLD) > 0:
        lines[FRAMES_TOLD:-FRAMES_TOLD] = [f"({more} more calls)"]
    return "\n".join([*lines, what])


def awaits_other(coroutine: Any, script: str) -> str:
    """Return what a coroutine awaits that is not ours, and at which line of the script."""
    place, what, step = script, "something", ""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        step = step or (_step_in(frame) if frame is not None else "")
        if frame is not None and frame.f_code.co_filename == script:
            place = f"{script}, line {frame.f_lineno}, in {frame.f_code.co_name}"
            what = "something"
        elif what == "something":
            what = getattr(coroutine, "__qualname__", type(coroutine).__name__)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    what = "asyncio.sleep" if what == "sleep" else what
    return (
        f"{place}{step}: awaits {what}, which is not wstui's: await only the client's methods, such as client.think(1)"
    )


def _step_in(frame: FrameType) -> str:
    """Return in which step the script is that a frame runs, such as ", step say", or ""."""
    step = getattr(frame.f_locals.get("client"), "_step", None) if frame.f_code.co_name == "converse" else None
    return f", step {step.name}" if step is not None else ""


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield a frame and those around it."""
    while frame is not None:
        yield frame
        frame = frame.f_back


class BlockWatch:
    """A thread that finds out when a script blocks its worker, as time.sleep does.

    `beat` returns a number that grows while the worker works; `found` gets the mistake.
    """

    def __init__(self, scripts: Mapping[str, str], beat: Callable[[], int], found: Callable[[str], None]) -> None:
        """`scripts` holds the names of the scripts."""
        self._scripts = scripts
        self._beat = beat
        self._found = found
        self._main = threading.get_ident()
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="script watch", daemon=True).start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()

    def _watch(self) -> None:
        looks, last = 0, -1
        client: FrameType | None = None
        text = ""
        while not self._ended.wait(LOOK_S):
            beat = self._beat()
            frames = list(self._frames())
            # On a busy machine the calls of a thousand clients take long as well, and none of them blocks.
            frame, whole = (frames[0], frames[-1]) if frames else (None, None)
            looks = looks + 1 if whole is not None and whole is client and beat == last else 0
            last, client = beat, whole
            if frame is not None and looks == BLOCKED_LOOKS:
                code, step = frame.f_code, next(filter(None, map(_step_in, _outwards(frame))), "")
                text = (
                    f"{code.co_filename}, line {frame.f_lineno}, in {code.co_name}{step}: {BLOCKS}, so that no client "
                    "of it goes on: await client.think(…) instead of time.sleep, and do long work before the run"
                )
                self._found(text)
            if looks >= GIVEN_UP_LOOKS:
                print(text, file=sys.stderr, flush=True)
                time.sleep(LOOK_S)
                os._exit(1)

    def _frames(self) -> Iterator[FrameType]:
        """Yield what the script is doing now, the innermost first."""
        running = sys._current_frames().get(self._main)
        yield from (frame for frame in _outwards(running) if frame.f_code.co_filename in self._scripts)
