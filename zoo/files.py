"""Opening files that people name: regular files of bounded size, wherever links lead.

A pipe would never end, a device neither, and nobody means them: they are refused before anything
is opened (docs/decisions/0015-what-users-bring.md).
"""

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from zoo.errors import Problem, ZooError

MOST_BYTES = 1 << 31
"""Larger than any file of the field that is read as a whole; others were named by mistake."""
MISSING = "there is no such file"
REGULAR = "a regular file, or a link to one"

_KINDS = {
    stat.S_IFDIR: "this is a folder",
    stat.S_IFIFO: "this is a pipe",
    stat.S_IFSOCK: "this is a socket",
    stat.S_IFCHR: "this is a device",
    stat.S_IFBLK: "this is a device",
}


def read_file(
    path: Path,
    *,
    shown: str = "",
    remedy: str = "",
    error: type[ZooError] = ZooError,
    most_bytes: int = MOST_BYTES,
) -> bytes:
    """The bytes of a file.

    Args:
        path: the file.
        shown: its name in messages; `path` itself if empty.
        remedy: what to do about a file that cannot be read.
        error: the class of what is raised.
        most_bytes: how large a file may be.

    Raises:
        ZooError: of the class `error`; as `open_file`, or the file is too large.
    """
    with open_file(path, shown=shown, remedy=remedy, error=error) as stream:
        content = stream.read(most_bytes + 1)
        if len(content) > most_bytes:
            size, where = path.stat().st_size, shown or str(path)
            raise error(Problem(where, f"{size:,} bytes", f"at most {most_bytes:,}", remedy))
    return content


@contextmanager
def open_file(
    path: Path, *, shown: str = "", remedy: str = "", error: type[ZooError] = ZooError
) -> Iterator[BufferedReader]:
    """A file to read from; errors of the system within the block are told as the file's.

    Raises:
        ZooError: of the class `error`; the file is missing, not a regular file, or unreadable.
    """
    where = shown or str(path)
    try:
        given = unreadable(path)
        if given:
            raise error(Problem(where, given, "" if given == MISSING else REGULAR, remedy))
        with path.open("rb") as stream:
            yield stream
    except OSError as found:
        given = f"cannot be read: {found.strerror or found}"
        raise error(Problem(where, given, "", remedy)) from found


def unreadable(path: Path) -> str:
    """Why a path is no file to be opened, by what it is; empty if it is one.

    Raises:
        OSError: the system does not tell.
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        return "this link leads to no file" if path.is_symlink() else MISSING
    except NotADirectoryError:
        return MISSING
    except OSError as found:
        if found.errno == errno.ELOOP:
            return "this link leads back to itself"
        raise
    return "" if kind == stat.S_IFREG else _KINDS.get(kind, "this is no regular file")
