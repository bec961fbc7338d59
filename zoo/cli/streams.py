"""Robust standard streams: output never ends in a traceback, whatever the stream.

Characters that the encoding lacks are escaped. Closed streams are discarded. A failed write to
standard output is an error; a reader that closes early (`| head`) is not. Standard error carries
progress, which must never stop a training run.
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
"""The exit code after a broken pipe: 128 + SIGPIPE (13)."""


def open_streams() -> None:
    """Make the three standard streams usable."""
    # The next file opened would otherwise take the closed stream's descriptor, and its output.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(descriptor, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            # A stream that was written to and cannot seek keeps its settings.
            with suppress(OSError):
                stream.reconfigure(errors="backslashreplace")
    if not isinstance(sys.stderr, _Patient):
        sys.stderr = cast("TextIO", _Patient(sys.stderr))


@contextmanager
def watched_output() -> Iterator[None]:
    """Flush standard output at the end of the block, and report what it refuses.

    Raises:
        ZooError: standard output is not writable.
        SystemExit: the reader has closed the pipe.
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
    """Discard what is still buffered: Python flushes once more at exit."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class _Patient:
    """A stream that ignores write errors of the wrapped one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, ignoring errors."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, ignoring errors."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
