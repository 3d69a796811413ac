"""An ssh to this very machine: runs the command, and forwards ports as ssh does.

`python fake_ssh.py [OPTIONS] -- HOST COMMAND`. Hosts whose name begins with "no" can't be reached, those
with "old" have another version of wstui, those with "silent" never answer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, OSError):
        pass
    finally:
        writer.close()


async def _forward(text: str) -> None:
    address, port, to, to_port = text.split(":")

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(to, int(to_port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pipe(reader, there_writer), _pipe(there_reader, writer))

    await asyncio.start_server(accepted, address, int(port))


async def _main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("-T", action="store_true")
    parser.add_argument("-F")
    for name in ("-o", "-L", "-R"):
        parser.add_argument(name, action="append", default=[])
    parser.add_argument("host")
    parser.add_argument("command")
    options = parser.parse_args([argument for argument in sys.argv[1:] if argument != "--"])
    assert "BatchMode=yes" in options.o and "ExitOnForwardFailure=yes" in options.o
    if options.host.startswith("no"):
        print(f"ssh: connect to host {options.host} port 22: Connection refused", file=sys.stderr)
        return 255
    if options.host.startswith("silent"):
        await asyncio.sleep(3600)
    for forward in (*options.L, *options.R):
        await _forward(forward)
    environment = {**os.environ, "WSTUI_FAKE_HOST": options.host}
    command = options.command
    if options.host.startswith("old"):
        command = f'{command} | sed \'s/"version":"[^"]*"/"version":"0.0.1"/\''
    process = await asyncio.create_subprocess_exec("sh", "-c", command, env=environment, cwd="/")
    return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
