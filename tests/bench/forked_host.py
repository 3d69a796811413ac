"""Hosts without the time and the memory of a Python each: forked off a process that has imported everything.

`python -S -I forked_host.py SOCKET … TASK` is a host's command. It hands its standard streams to that process, which is
`python -m tests.bench.forked_host SOCKET`, and ends with what is forked there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys

STREAMS = 3


def enter(path: str, task: str) -> None:
    """Let a task of `remote_main` run with the streams of this process, until it ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(path)
        socket.send_fds(line, [task.encode()], list(range(STREAMS)))
        for stream in range(STREAMS):
            os.close(stream)  # else its end could not be noticed
        line.recv(1)


def serve(path: str) -> None:
    """Fork a host for each that enters, until standard input ends."""
    import gc
    import selectors

    from tests.bench import fake_agent  # noqa: F401  (actors are looked up by name)
    from wstui.fleet.hosts import dask_worker, remote_main  # noqa: F401

    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, selectors.DefaultSelector() as ready:
        listener.bind(path)
        listener.listen(4096)
        print("ready", flush=True)
        ready.register(listener, selectors.EVENT_READ)
        ready.register(0, selectors.EVENT_READ)
        while not any(key.fd == 0 for key, _ in ready.select()):
            line, _ = listener.accept()
            task, streams, _, _ = socket.recv_fds(line, 100, STREAMS)
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                    os.close(stream)
                with contextlib.suppress(BaseException):
                    remote_main.main([task.decode()])
                os._exit(0)
            line.close()
            for stream in streams:
                os.close(stream)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(sys.argv[1])
    else:
        enter(sys.argv[1], sys.argv[-1])
