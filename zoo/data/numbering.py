"""The index of a file, collected while its rows are read."""

from pathlib import Path

from zoo.data.index import Index
from zoo.data.tables import TableRow


class Numbering:
    """The cells of the index column of a file: the first of `names` that is there, if any is."""

    def __init__(self, file: Path, names: tuple[str, ...]) -> None:
        self._file = file
        self._names = names
        self._column: str | None = None
        self._cells: list[tuple[int, str]] = []

    def add(self, row: TableRow) -> None:
        """Take up the next row that is kept."""
        if not self._cells:
            self._column = next((name for name in self._names if name in row.cells), None)
        if self._column is not None:
            self._cells.append((row.line, row.cells[self._column].strip()))

    @property
    def index(self) -> Index | None:
        """The index of the rows so far."""
        if self._column is None:
            return None
        return Index(self._file, self._column, tuple(self._cells))
