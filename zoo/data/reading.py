"""Reading data files: lines as text, files that must be there, all problems of a file at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo.errors import DataError, Problem, at
from zoo.spec.task import Task

LISTED = 20


def text_lines(file: Path, problems: list[Problem]) -> Iterator[tuple[int, str]]:
    """The lines of `file` with their numbers from 1; those that are not UTF-8 join `problems`."""
    with required(file).open("rb") as stream:
        for line, raw in enumerate(stream, start=1):
            text = decoded(raw, file, line)
            if isinstance(text, Problem):
                problems.append(text)
            else:
                yield line, text


def decoded(raw: bytes, file: Path, line: int) -> str | Problem:
    """One line without its end (LF or CRLF) and, at the start of a file, without the BOM."""
    try:
        text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        return not_utf8(raw, error, at(file, line))
    return text.removesuffix("\n").removesuffix("\r")


def not_utf8(raw: bytes, error: UnicodeDecodeError, where: str) -> Problem:
    """The problem of a byte of `raw` that is no UTF-8."""
    return Problem(
        where,
        f"byte 0x{raw[error.start]:02x} is not UTF-8",
        "UTF-8, with or without a byte order mark",
        "fetch the file again, or convert it to UTF-8",
    )


def required(file: Path) -> Path:
    """`file`, which must be there.

    Raises:
        DataError: it is not.
    """
    if file.is_file():
        return file
    raise DataError(
        Problem(
            str(file),
            "there is no such file",
            f"ZOO_DATA names a folder that holds {file.parent.name}/{file.name} in the "
            "layout of the official release (glue/<TASK>/, squad/)",
            "put the file there, or unset ZOO_DATA to fetch the data from the hub",
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
