"""`python -m tests.without_linux [PYTEST ARGUMENTS]`: tests without what only Linux has and without uvloop.

The standard library must believe in its own system, so the parts are switched off rather than the name of the system
changed: in every process, by a `sitecustomize` that all of them import. What remains is Linux: the tests of the epoll
set itself say so and are skipped, and kqueue, its signals and its limits can only be tried on a Mac.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

WITHOUT = """
import builtins, ctypes, io, os, select, sys

LINUX = ("EPOLL", "EVENTFD", "PIDFD", "SCHED_", "MEMFD", "PIPE2", "IP_BIND_ADDRESS", "SO_BINDTODEVICE",
         "SO_INCOMING_CPU", "SO_MARK", "TCP_QUICKACK", "TCP_USER_TIMEOUT", "TCP_DEFER_ACCEPT", "TCP_LINGER2")

def without(module):
    for name in [name for name in vars(module) if name.upper().startswith(LINUX)]:
        delattr(module, name)

without(select)  # before what chooses by it is imported
without(os)
import socket
without(socket)

# psutil reads /proc on Linux, and asks the kernel elsewhere: it keeps it.
def hidden(call):
    def ask(path, *rest, **more):
        text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
        if str(text).startswith(("/proc", "/sys")) and "psutil" not in sys._getframe(1).f_code.co_filename:
            raise FileNotFoundError(2, "No such file or directory", text)
        return call(path, *rest, **more)
    return ask

for module, names in ((builtins, ("open",)), (io, ("open",)), (os, ("open", "stat", "listdir", "scandir"))):
    for name in names:
        setattr(module, name, hidden(getattr(module, name)))
sys.modules["uvloop"] = None

class CDLL(ctypes.CDLL):
    def __getattr__(self, name):
        if name.startswith("timerfd"):
            raise AttributeError(name)
        return super().__getattr__(name)

ctypes.CDLL = CDLL
"""
PARTS = ("tests/load", "tests/measure", "tests/control", "tests/conversations")
"""What is run unless other tests are named: the engine and control sockets."""


def without_linux(folder: Path) -> dict[str, str]:
    """Return the environment of a process without those parts; `folder` holds what switches them off."""
    (folder / "sitecustomize.py").write_text(WITHOUT)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", *(sys.argv[1:] or PARTS)]
        sys.exit(subprocess.run(command, env=without_linux(Path(folder)), check=False).returncode)
