"""Errors that say where, what was given, what is allowed and how to fix it.

    ZooError                 exit code 1: a check failed, or the environment is not as expected
      DataError              a data file is missing, truncated or malformed
      CheckpointError        a checkpoint is unknown, incomplete or incompatible
      TrainingError          training cannot continue (an empty capture, a non-finite loss)
      ExportError            an exported model does not match its source
      MeasurementError       a measurement cannot be taken as requested
      SpecError              exit code 2: invalid specs
      UsageError             exit code 2: a command used incorrectly

An error carries one problem or many: everything wrong with one file is reported at once.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MOST_CHARACTERS = 2_000
"""Of one part of a message."""


@dataclass(frozen=True)
class Problem:
    """One problem: where it is, what was given, what is allowed, how to fix it."""

    where: str
    given: str
    allowed: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        lines = [f"{_bounded(self.where)}: {_bounded(self.given)}"]
        if self.allowed:
            lines.append(f"  allowed: {_bounded(self.allowed)}")
        if self.remedy:
            lines.append(f"  fix: {_bounded(self.remedy)}")
        return "\n".join(lines)


def _bounded(text: str) -> str:
    """A part of a message; what it quotes of a file may have millions of characters."""
    rest = len(text) - MOST_CHARACTERS
    return text if rest <= 0 else f"{text[:MOST_CHARACTERS]}... ({rest:,} more characters)"


class ZooError(Exception):
    """An error reported as a message rather than a traceback."""

    exit_code = 1

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class DataError(ZooError):
    """A data file is missing, truncated or malformed."""


class CheckpointError(ZooError):
    """A checkpoint is unknown, incomplete or incompatible."""


class TrainingError(ZooError):
    """Training cannot continue."""


class ExportError(ZooError):
    """An exported model does not match its source."""


class MeasurementError(ZooError):
    """A measurement cannot be taken as requested."""


class SpecError(ZooError):
    """Invalid specs."""

    exit_code = 2


class UsageError(ZooError):
    """A command used incorrectly."""

    exit_code = 2


def at(file: Path | str, line: int | None = None, key: str = "") -> str:
    """The place of a problem, as `file:line: key` with the parts that are known."""
    place = str(file) if line is None else f"{file}:{line}"
    return f"{place}: {key}" if key else place


def suggestion(given: str, known: Iterable[str]) -> str:
    """A remedy for a misspelt name: the nearest known one, or nothing."""
    names = sorted(known)
    near = difflib.get_close_matches(given, names, n=1)
    return f"did you mean {near[0]!r}?" if near else ""
