"""The index column of a GLUE file: under which numbers its examples are answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.data.reading import refuse, whole_number
from zoo.errors import Problem, at

NAMES = ("index", "id")
"""What test files call the column; the id of QQP's labelled files is no such number."""


@dataclass(frozen=True)
class Index:
    """The cells of an index column as they stand in a file, each with its line.

    Whoever only trains or scores does not need them: they are held against the rules once a file
    of predictions is written or read.
    """

    file: Path
    column: str
    cells: tuple[tuple[int, str], ...]

    def numbers(self) -> tuple[int, ...]:
        """The numbers, in file order.

        Raises:
            DataError: one is empty, no whole number, or stands twice; all of them at once.
        """
        problems = list(self._problems())
        refuse(problems, str(self.file))
        return tuple(int(cell) for _line, cell in self.cells)

    def is_set_of(self, numbers: range) -> bool:
        """Whether its numbers are these, in any order."""
        return {whole_number(cell) for _line, cell in self.cells} == set(numbers)

    def _problems(self) -> Iterator[Problem]:
        seen: dict[int, int] = {}
        for line, cell in self.cells:
            number, where = whole_number(cell), at(self.file, line, self.column)
            remedy = (
                "give every row its own number, or remove the column to number rows by position"
            )
            if number is None:
                yield Problem(where, f"the index is {cell!r}", "a whole number from 0", remedy)
            elif number in seen:
                given = f"the index {number} appears in line {seen[number]} too"
                yield Problem(where, given, "distinct numbers", remedy)
            else:
                seen[number] = line
