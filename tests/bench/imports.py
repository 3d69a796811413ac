"""What a large HAR costs to import: time, and the peak of memory, which its size must not set."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.recording.hars import entry, message

MOST_MIB = 400
"""Of memory: the 32 MiB of messages that are kept, as documents, and Python itself."""


def write(path: Path, mib: int) -> None:
    """Write a HAR of so many MiB: one half scripts of a page, the other messages of a WebSocket."""
    body = json.dumps(entry("http://127.0.0.1:9/app.js", content={"mimeType": "text/javascript", "text": "x" * 2**20}))
    with path.open("w") as file:
        file.write('{"log": {"entries": [')
        for _ in range(mib // 2):  # not at once: a child's peak begins with the memory of its parent
            file.write(f"{body}, ")
        start, end = json.dumps(entry("ws://127.0.0.1:9/ws", [message(0, True, "@")])).split("@", 1)
        open_item = start.rindex("{")
        file.write(start[:open_item])
        size, number = 0, 0
        while size < mib << 19:
            told = json.dumps({"type": "said" if number % 2 else "say", "n": number // 2, "text": "y" * 400})
            item = ", " * bool(number) + json.dumps(message(number / 100, not number % 2, told))
            size += file.write(item)
            number += 1
        file.write(end[end.index("}") + 1 :] + "]}}")


def measure(mib: int) -> bool:
    """Import a HAR of so many MiB; whether the memory stayed bounded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.har"
        write(path, mib)
        begun = time.monotonic()
        command = [sys.executable, "-m", "wstui", "import", str(path), "--no-prove", "--out", f"{folder}/large.toml"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        took = time.monotonic() - begun
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
        print(done.stdout + done.stderr, end="")
        print(f"{path.stat().st_size >> 20} MiB in {took:.1f} s, at most {peak} MiB of memory, exit {done.returncode}")
    return done.returncode == 0 and peak < MOST_MIB
