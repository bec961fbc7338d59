"""Reading data files: lines as text, required files, all problems of a file at once."""

import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from zoo.errors import DataError, Problem, at
from zoo.files import open_file, unreadable
from zoo.json_files import LISTED
from zoo.spec.task import Task

MOST_LINE_BYTES = 1 << 26
"""Longer than any document: a file without lines was named by mistake, and memory has an end."""
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def text_lines(
    file: Path, problems: list[Problem], *, blank: bool = False
) -> Iterator[tuple[int, str]]:
    """The lines of `file` with their numbers from 1; those that are not UTF-8 join `problems`.

    Every reader of lines agrees on what a line is: it ends at LF or CRLF, in files without any LF
    at CR; other characters that some call line ends, as U+2028, stand inside of it. Blank lines
    are passed over, but where `blank` asks for them.

    Raises:
        DataError: the file is missing or cannot be read.
    """
    with open_file(required(file), error=DataError) as stream:
        for line, raw in enumerate(raw_lines(stream), start=1):
            text = decoded(raw, file, line)
            if isinstance(text, Problem):
                problems.append(text)
                if len(raw) > MOST_LINE_BYTES:
                    return
            elif blank or text.strip():
                yield line, text


def raw_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a stream, which end at LF; those of one without any at CR.

    One that is too long comes in pieces, of which `decoded` refuses the first.
    """
    lines = iter(partial(stream.readline, MOST_LINE_BYTES + 1), b"")
    first = next(lines, b"")
    if b"\r" in first and not first.endswith(b"\n") and len(first) <= MOST_LINE_BYTES:
        # The only line: had it another, it would end with LF.
        yield from first.removesuffix(b"\r").split(b"\r")
        return
    if first:
        yield first
    yield from lines


def decoded(raw: bytes, file: Path, line: int) -> str | Problem:
    """One line without its end and, at the start of a file, without the byte order mark."""
    if len(raw) > MOST_LINE_BYTES:
        given = f"a line of more than {MOST_LINE_BYTES:,} bytes"
        return Problem(at(file, line), given, "lines of text", "break it into lines")
    try:
        text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        return not_utf8(raw, error, at(file, line))
    if "\0" in text:
        return Problem(
            at(file, line),
            "contains a NUL character",
            "UTF-8, with or without a byte order mark",
            "convert the file to UTF-8: it may be UTF-16 or binary",
        )
    return text.removesuffix("\n").removesuffix("\r")


def not_utf8(raw: bytes, error: UnicodeDecodeError, where: str) -> Problem:
    """The problem of a byte of `raw` that is not UTF-8."""
    return Problem(
        where,
        f"byte 0x{raw[error.start]:02x} is not UTF-8",
        "UTF-8, with or without a byte order mark",
        "download the file again, or convert it to UTF-8",
    )


MOST_CELL_DIGITS = 18
"""Of an index: it fits 64 bits."""


def whole_number(cell: str) -> int | None:
    """A number from 0 as ASCII digits write it; Python would also take `1_0`, ` 1` and `\u0663`."""
    plain = cell.isascii() and cell.isdecimal() and len(cell) <= MOST_CELL_DIGITS
    return int(cell) if plain else None


def plain_number(cell: str) -> float | None:
    """A finite number as ASCII writes it: no `nan`, no `1_0`, no blanks, nothing beyond floats."""
    if not NUMBER.fullmatch(cell):
        return None
    value = float(cell)
    return value if math.isfinite(value) else None


def required(file: Path) -> Path:
    """`file`, checked to exist.

    Raises:
        DataError: it is not.
    """
    given = unreadable(file)
    if not given:
        return file
    raise DataError(
        Problem(
            str(file),
            given,
            f"ZOO_DATA set to a folder that contains {file.parent.name}/{file.name} in "
            "the layout of the official release (glue/<TASK>/, squad/)",
            "put the file there, or unset ZOO_DATA to download the data from the hub",
        )
    )


def required_split(task: Task, split: str) -> None:
    """Check that `task` has `split`.

    Raises:
        DataError: it has not.
    """
    known = ("train", *task.evaluation)
    if split not in known:
        raise DataError(Problem(task.name, f"there is no split {split!r}", ", ".join(known)))


def refuse(problems: Sequence[Problem], where: str) -> None:
    """Raise the problems of one file, if there are any: the first twenty, and how many more.

    Raises:
        DataError: there is at least one problem.
    """
    rest = len(problems) - LISTED
    more = (Problem(where, f"and {rest} more problems like these"),) if rest > 0 else ()
    if problems:
        raise DataError(*problems[:LISTED], *more)
