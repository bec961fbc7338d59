"""Full disks: recognised whichever library hits one, and reported with the same message."""

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.errors import Problem, ZooError, at

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
"""What whoever fills a folder meets because of the folder; other errors are its own."""
_TOLD_ROOM = re.compile(r"\(os error (\d+)\)|\[Errno (\d+)\]")
"""How libraries written in Rust, and those that quote Python, report the number of an error."""
_CUT_SHORT = re.compile(r"\d+ requested and \d+ written|file write failed|iostream error")
"""How numpy and torch tell that a disk took only a part; they drop the number."""


def no_room(error: BaseException | None) -> str | None:
    """The system's message if an error, or one of its causes, is a full disk.

    Libraries raise their own kinds: safetensors, tokenizers and numpy each another one.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen and not isinstance(error, ZooError):
        seen.add(id(error))
        numbers = {int(one or other) for one, other in _TOLD_ROOM.findall(str(error))}
        if isinstance(error, OSError) and error.errno is not None:
            numbers = {error.errno}
        elif _CUT_SHORT.search(str(error)):
            numbers = {errno.ENOSPC}
        if numbers & _NO_ROOM:
            return os.strerror(min(numbers & _NO_ROOM))
        error = error.__cause__ or error.__context__
    return None


def cannot_write(where: str, said: str) -> Problem:
    """The one problem of everything that cannot be written."""
    return Problem(
        where,
        f"cannot be written: {said}",
        remedy="free some space or fix the permissions; existing files are unchanged",
    )


@contextmanager
def reported(path: Path, *, only_room: bool = False) -> Iterator[None]:
    """Report a failed write inside the block as a problem of `path`.

    With `only_room` alone that a disk takes no more: other errors of the system are the block's.

    Raises:
        ZooError: the system, or a library that met it, refused to write.
    """
    try:
        yield
    except Exception as error:
        said = no_room(error)
        if said is None and isinstance(error, OSError) and not only_room:
            said = error.strerror or str(error)
        if said is None:
            raise
        raise ZooError(cannot_write(at(path), said)) from error


_SPARED: set[str] = set()
"""What was already reported."""


@contextmanager
def spared(what: str) -> Iterator[None]:
    """Write something optional: a failure is reported once and stops nothing.

    Args:
        what: what is skipped then, as in "the journal".
    """
    try:
        yield
    except (OSError, ZooError) as error:
        if what not in _SPARED:
            _SPARED.add(what)
            told = str(error).splitlines()[0]
            print(f"  continuing without {what}: {told}", file=sys.stderr, flush=True)  # noqa: T201
