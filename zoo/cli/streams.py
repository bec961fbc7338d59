"""Standard streams of any kind: no output ends in a traceback, whatever takes it.

A character that the stream's encoding lacks is escaped. Streams that are closed go nowhere. What
cannot be written to standard output is told and fails; a reader that has read enough (`| head`) is
no failure to speak of. Standard error carries progress, which must never end a training.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from zoo.disk import cannot_write
from zoo.errors import ZooError

READ_ENOUGH = 141
"""The exit code of a program whose reader went away: 128 and SIGPIPE's 13."""


def open_streams() -> None:
    """Make the three standard streams such that they can be used."""
    # What is opened next would otherwise take the number of a closed stream, and its output.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(descriptor, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            # A stream that was written to before and cannot seek keeps how it was opened.
            with suppress(OSError):
                stream.reconfigure(errors="backslashreplace")
    if not isinstance(sys.stderr, _Patient):
        sys.stderr = cast("TextIO", _Patient(sys.stderr))


@contextmanager
def watched_output() -> Iterator[None]:
    """Write out all of standard output at the end of the block, and tell what it refuses.

    Raises:
        ZooError: standard output cannot be written.
        SystemExit: its reader is gone.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _abandon_output()
        raise SystemExit(READ_ENOUGH) from None
    except OSError as error:
        _abandon_output()
        said = error.strerror or str(error)
        raise ZooError(cannot_write("standard output", said)) from error


def _abandon_output() -> None:
    """Lead what is still kept back nowhere: Python writes it out once more at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class _Patient:
    """A stream that lets what its own refuses go by."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or not."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write out, or not."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
