"""Print to people during a run: a failed write never ends the run, but sets the exit status."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import TextIO

import click

from wstui.cli.exit_codes import READER_GONE, USAGE

STDOUT = "-"
"""Names the standard output among files."""
_NOT_WRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}


class Output:
    """A stream for people. `status` is the exit status: 0 as long as every write succeeded."""

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
    """Return whether the error comes from a full, vanished or closed stdout."""
    return error.filename is None and error.errno in _NOT_WRITABLE


def reason(error: OSError) -> str:
    """Return why a write to a stream failed."""
    return "stdout is closed" if error.errno == errno.EBADF else error.strerror or str(error)


def silence(stream: TextIO) -> None:
    """Discard the stream's buffer and everything written to it from now on."""
    null = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError):
        os.dup2(null, stream.fileno())
    os.close(null)
