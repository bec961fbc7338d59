"""Word vectors in GloVe's text layout, and the nearest neighbours of words among them."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.data.reading import refuse, text_lines
from zoo.errors import DataError, Problem, at

MOST_VECTORS = 400_000
"""Lines that are read of a file; such files begin with the most frequent words."""

_AT_ONCE = 64
"""Words whose neighbours are looked for together: each row is as long as the file."""


@dataclass(frozen=True)
class WordVectors:
    """Words with their vectors, (W, D) float32 of length 1."""

    words: tuple[str, ...]
    vectors: NDArray[np.float32] = field(repr=False, compare=False)

    @classmethod
    def read(cls, file: Path) -> "WordVectors":
        """The first `MOST_VECTORS` lines of `file`: on each a word and its numbers, blanks between.

        Raises:
            DataError: the file is missing or holds no vectors, or lines of it are not such a line;
                all problems of the file at once.
        """
        problems: list[Problem] = []
        found = dict(_vectors(file, problems))
        refuse(problems, str(file))
        if not found:
            raise DataError(Problem(at(file), "there are no word vectors", "a word a line"))
        return cls(tuple(found), np.stack(list(found.values())))

    def neighbours(self, words: Iterable[str], count: int) -> dict[str, tuple[str, ...]]:
        """The `count` words most like each of `words` by cosine, in the file's order.

        A word is looked up as it is written, or else in small letters; it is not its own
        neighbour, and one that the file lacks has none.
        """
        rows = {word: row for row, word in enumerate(self.words)}
        known = {word: rows.get(word, rows.get(word.lower())) for word in words}
        found = [(word, row) for word, row in known.items() if row is not None]
        nearest: dict[str, tuple[str, ...]] = {}
        for begin in range(0, len(found), _AT_ONCE):
            some = found[begin : begin + _AT_ONCE]
            near = self._nearest(np.array([row for _, row in some]), count)
            for (word, _), others in zip(some, near, strict=True):
                nearest[word] = tuple(self.words[other] for other in others)
        return nearest

    def _nearest(self, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """(R,) rows -> (R, count) rows of their neighbours."""
        likeness = self.vectors[rows] @ self.vectors.T
        likeness[np.arange(len(rows)), rows] = -np.inf
        count = min(count, len(self.words) - 1)
        best = np.argpartition(-likeness, max(count - 1, 0), axis=1)[:, :count]
        return np.sort(best, axis=1).astype(np.int64)


def _vectors(file: Path, problems: list[Problem]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The words of `file` with their vectors; the first vector says how long all are."""
    size = 0
    for line, text in text_lines(file, problems):
        if line > MOST_VECTORS:
            return
        word, *cells = text.rstrip().split(" ")
        size = size or len(cells)
        vector = _vector(cells, size)
        if vector is not None:
            yield word, vector
        else:
            allowed = f"a word and {size} numbers, not all of them 0, with one blank between each"
            given = f"{_shortened(text)!r} is no word vector"
            problems.append(Problem(at(file, line), given, allowed, "mend or remove the line"))


def _vector(cells: list[str], size: int) -> NDArray[np.float32] | None:
    try:
        vector = np.array([float(cell) for cell in cells])
    except ValueError:
        return None
    length = float(np.linalg.norm(vector))
    if len(cells) != size or not 0.0 < length < math.inf:
        return None
    return (vector / length).astype(np.float32)


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
