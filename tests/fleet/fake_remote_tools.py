"""ssh, docker and kubectl that only go to this very machine: `python fake_remote_tools.py TOOL ARGUMENTS`.

Like the real ones they pass standard input and output on, end with the status of the command (or their own errors'),
and end its standard input when they are killed; the command itself they don't kill.

ssh: hosts whose name begins with "no" can't be reached, those with "old" have another version of wstui, those with
"silent" never answer. docker and kubectl: the file WSTUI_FAKE_PODS names what is running: box… is no
pod, one with ! is not ready, and old… has another version of wstui. brief… answers when it is looked at, and is
not there any more when it is to work. pod1@b is another pod under the name of pod1.
WSTUI_FAKE_DELAY: so many seconds pass before a byte arrives, either way.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

DELAY_S = float(os.environ.get("WSTUI_FAKE_DELAY", "0"))


async def _pass_on(read_from: int, write_to: int) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_from, "rb", 0))
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(0.0, due - loop.time()) if DELAY_S else 0)
            if not data:
                os.close(write_to)
                return
            while data:
                data = data[await loop.run_in_executor(None, os.write, write_to, data) :]

    delivering = asyncio.create_task(deliver())
    while True:
        data = await reader.read(65536)
        waiting.put_nowait((loop.time() + DELAY_S, data))
        if not data:
            break
    await asyncio.gather(delivering, return_exceptions=True)


async def _run(words: list[str], host: str) -> int:
    stdin, to_child = os.pipe()
    from_child, stdout = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *words, stdin=stdin, stdout=stdout, env={**os.environ, "WSTUI_FAKE_HOST": host}, cwd="/", start_new_session=True
    )
    os.close(stdin)
    os.close(stdout)
    back = asyncio.create_task(_pass_on(from_child, 1))
    forth = asyncio.create_task(_pass_on(0, to_child))
    status = await process.wait()
    await back
    forth.cancel()
    return 128 - status if status < 0 else status


async def _ssh(arguments: list[str]) -> int:
    host, command = arguments[arguments.index("--") + 1 :]
    assert "BatchMode=yes" in arguments and not {"-L", "-R"} & set(arguments)
    if host.startswith("no"):
        print(f"ssh: connect to host {host} port 22: Connection refused", file=sys.stderr)
        return 255
    if host.startswith("silent"):
        await asyncio.sleep(3600)
    if host.startswith("old"):
        command = f'{command} | sed \'s/"version":"[^"]*"/"version":"0.0.1"/\''
    print("Welcome to the machine", flush=True)
    return await _run(["sh", "-c", command], host)


def _running() -> list[str]:
    return Path(os.environ["WSTUI_FAKE_PODS"]).read_text("utf-8").split()


def _listed(text: str) -> dict[str, object]:
    name, _, life = text.removesuffix("!").partition("@")
    container = {"name": "load", "ready": not text.endswith("!"), "containerID": f"containerd://{life}"}
    return {
        "metadata": {"name": name, "uid": f"uid {life}"},
        "spec": {"containers": [{"name": "load"}]},
        "status": {"phase": "Running", "containerStatuses": [container]},
    }


async def _docker(arguments: list[str]) -> int:
    assert arguments[:2] == ["exec", "-i"]
    _, _, name, *words = arguments
    if name not in _running():
        print(f"Error response from daemon: No such container: {name}", file=sys.stderr)
        return 1
    try:
        return await _run(words, name)
    except FileNotFoundError:
        # The real one writes this to standard output.
        print(
            f'OCI runtime exec failed: exec failed: unable to start container process: exec: "{words[0]}": '
            "executable file not found in $PATH: unknown"
        )
        return 126


async def _kubectl(arguments: list[str]) -> int:
    flags = dict(word.partition("=")[::2] for word in arguments if word.startswith("--") and word != "--")
    assert flags["--namespace"] == "load"
    if arguments[:2] == ["get", "pods"]:
        assert flags["--selector"] == "app=load" and flags["--output"] == "json"
        print(json.dumps({"items": [_listed(text) for text in _running() if not text.startswith("box")]}))
        return 0
    split = arguments.index("--")
    assert arguments[:2] == ["exec", "-i"]
    pod, words = arguments[split - 1], arguments[split + 1 :]
    if pod not in [text.partition("@")[0] for text in _running()] or (pod.startswith("brief") and words[-1] == "work"):
        print(f'Error from server (NotFound): pods "{pod}" not found', file=sys.stderr)
        return 1
    if pod.startswith("old"):
        words = ["sh", "-c", f'{" ".join(words)} | sed \'s/"version":"[^"]*"/"version":"0.0.1"/\'']
    try:
        status = await _run(words, pod)
    except FileNotFoundError:
        print(
            f'error: OCI runtime exec failed: exec: "{words[0]}": executable file not found in $PATH', file=sys.stderr
        )
        status = 126
    if status:
        print(f"command terminated with exit code {status}", file=sys.stderr)
    return status


if __name__ == "__main__":
    tool, *rest = sys.argv[1:]
    sys.exit(asyncio.run({"ssh": _ssh, "docker": _docker, "kubectl": _kubectl}[tool](rest)))
