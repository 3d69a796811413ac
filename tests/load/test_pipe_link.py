"""The wire from a worker to its operator: an operator that is behind loses snapshots, and never the last words."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

import pytest

from tests.load.leading import spec
from tests.servers.server import PATIENCE_S, Server
from wstui.load.pipe_link import BACKLOG_LIMIT, FLUSH_S, LENGTH, LinkLost, PipeLink, read_message
from wstui.load.protocol import Go, Ramp, encode

LOOPS = {"asyncio": asyncio.new_event_loop}
with contextlib.suppress(ImportError):
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop


async def _read_late(words: int) -> list[bytes]:
    """What an operator gets that reads nothing until all was said and the link is about to close."""
    commands, _keep = os.pipe()
    there, here = os.pipe()
    link = await PipeLink.open(os.fdopen(commands, "rb", 0), os.fdopen(here, "wb", 0))
    for number in range(words):
        link.send(b"%d" % number + b"." * 10_000)
    link.send(b"the last snapshot", last=True)
    link.send(b"finished", last=True)
    closing = asyncio.create_task(link.close())
    await asyncio.sleep(0)
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(there, "rb", 0))
    heard = []
    try:
        while True:
            heard.append(await asyncio.wait_for(read_message(reader), PATIENCE_S))
    except LinkLost:
        await asyncio.wait_for(closing, PATIENCE_S)
        return heard
    finally:
        os.close(_keep)


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
def test_the_last_words_arrive_however_far_the_operator_is_behind(loop: object) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        heard = runner.run(_read_late(500))
    assert heard[-2:] == [b"the last snapshot", b"finished"]
    assert len(heard) < 500, "what is dropped does not fill the memory"
    assert len(heard) >= BACKLOG_LIMIT // 10_000


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
def test_an_operator_that_is_gone_is_not_waited_for(loop: object) -> None:
    async def close() -> None:
        commands, keep = os.pipe()
        there, here = os.pipe()
        link = await PipeLink.open(os.fdopen(commands, "rb", 0), os.fdopen(here, "wb", 0))
        link.send(b"." * 1_000_000)
        os.close(there)
        await link.close()
        os.close(keep)

    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        runner.run(asyncio.wait_for(close(), PATIENCE_S))


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
def test_what_is_sent_to_an_operator_that_is_gone_breaks_nothing(loop: object) -> None:
    async def say() -> None:
        commands, keep = os.pipe()
        there, here = os.pipe()
        link = await PipeLink.open(os.fdopen(commands, "rb", 0), os.fdopen(here, "wb", 0))
        os.close(there)
        link.send(b"a snapshot")
        await asyncio.wait_for(link._closed.wait(), PATIENCE_S)
        link.send(b"the next one")
        link.send(b"the last one", last=True)
        os.close(keep)

    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        runner.run(say())


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pipe that is soon full")
async def test_a_worker_behind_an_agent_that_hangs_gives_its_last_words_up() -> None:
    import fcntl

    async with Server() as server:
        unread, here = os.pipe()
        fcntl.fcntl(here, fcntl.F_SETPIPE_SZ, 4096)
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "wstui.load",
            stdin=asyncio.subprocess.PIPE,
            stdout=here,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(here)
        try:
            assert worker.stdin is not None and worker.stderr is not None
            for message in (spec(server.url, lease_s=1.0, flush_s=0.1), Go(), Ramp(20, 0)):
                worker.stdin.write(LENGTH.pack(len(encode(message))) + encode(message))
            said = await asyncio.wait_for(worker.stderr.read(), FLUSH_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()
            os.close(unread)
        assert b"no message from the operator" in said
        assert server.ends == {"close 1000": 20}
