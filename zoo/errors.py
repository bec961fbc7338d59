"""Errors that say where, what was given, what is allowed and what to do.

    ZooError                 exit code 1: a check failed, or the world is not as it should be
      DataError              a data file is missing, truncated or malformed
      CheckpointError        a checkpoint is foreign, incomplete or does not fit
      TrainingError          training cannot go on (an empty capture, a loss that is not finite)
      ExportError            an exported model does not agree with its source
      MeasurementError       a measurement cannot be taken as asked
      SpecError              exit code 2: specs that do not validate
      UsageError             exit code 2: a command used wrongly

An error carries one problem or many: everything wrong with one file is reported at once.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it stands, what was given, what is allowed, what to do."""

    where: str
    given: str
    allowed: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.given}"]
        if self.allowed:
            lines.append(f"  allowed: {self.allowed}")
        if self.remedy:
            lines.append(f"  fix: {self.remedy}")
        return "\n".join(lines)


class ZooError(Exception):
    """Anything the zoo reports to a person rather than as a traceback."""

    exit_code = 1

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class DataError(ZooError):
    """A data file is missing, truncated or malformed."""


class CheckpointError(ZooError):
    """A checkpoint is foreign, incomplete or does not fit."""


class TrainingError(ZooError):
    """Training cannot go on."""


class ExportError(ZooError):
    """An exported model does not agree with its source."""


class MeasurementError(ZooError):
    """A measurement cannot be taken as asked."""


class SpecError(ZooError):
    """Specs that do not validate."""

    exit_code = 2


class UsageError(ZooError):
    """A command used wrongly."""

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
