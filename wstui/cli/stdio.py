"""Where a command tells people of a run: what goes wrong there costs no run, and shows in the exit status."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import TextIO

import click

from wstui.cli.exit_codes import READER_GONE, USAGE

_NOT_WRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}


class Output:
    """A stream for people. `status` is what its fate means for the exit status: 0 while all could be written."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.status = 0

    @contextlib.contextmanager
    def written(self) -> Iterator[TextIO]:
        """Write to the stream in here. A reader that has gone, or a full disk behind it, ends nothing; from then on
        what is written goes nowhere.
        """
        try:
            yield self.stream
            self.stream.flush()
        except OSError as error:
            self.lost(error)
            silence(self.stream)

    def lost(self, error: OSError) -> None:
        """Record that a write failed, and report it; a closed pipe is not reported."""
        if isinstance(error, BrokenPipeError):
            self.status = self.status or READER_GONE
        elif not self.status:
            self.status = USAGE
            with contextlib.suppress(OSError):  # a terminal that was closed takes stderr with it
                click.echo(f"wstui: the output can't be written: {reason(error)}", err=True)


def is_of_output(error: OSError) -> bool:
    """Whether this comes of writing to a stdout that is full, gone or closed."""
    return error.filename is None and error.errno in _NOT_WRITABLE


def reason(error: OSError) -> str:
    """Why a stream could not be written to."""
    return "stdout is closed" if error.errno == errno.EBADF else error.strerror or str(error)


def silence(stream: TextIO) -> None:
    """Let what is written to a stream from now on, and what its buffer still holds, go nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError):
        os.dup2(null, stream.fileno())
    os.close(null)
