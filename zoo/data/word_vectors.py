"""Word vectors in GloVe's text format, and the nearest neighbours of words among them."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.data.reading import NUMBER, plain_number, refuse, text_lines, whole_number
from zoo.errors import DataError, Problem, at
from zoo.json_files import shortened

MOST_VECTORS = 400_000
"""Maximum vectors read from a file; such files begin with the most frequent words."""

_FIRST = 100
"""Lines that determine the size of a vector."""
_BETWEEN = re.compile("[ \t]+")
_MEANT = frozenset({"nan", "inf", "-inf"})
"""What is meant as a number, though it is none."""

_AT_ONCE = 64
"""Words whose neighbours are looked for together: each row is as long as the file."""


@dataclass(frozen=True)
class WordVectors:
    """Words with their vectors, (W, D) float32 of length 1."""

    words: tuple[str, ...]
    vectors: NDArray[np.float32] = field(repr=False, compare=False)

    @classmethod
    def read(cls, file: Path) -> "WordVectors":
        """The first `MOST_VECTORS` vectors of `file`: on each line a word and its numbers.

        Blanks or tabs stand between. A word may hold blanks; of one that stands twice the first
        counts. A first line that tells how many words and numbers there are, as word2vec and
        fastText write it, is passed over.

        Raises:
            DataError: the file is missing or holds no vectors, or lines of it are not such a line;
                all problems of the file at once.
        """
        problems: list[Problem] = []
        found: dict[str, NDArray[np.float32]] = {}
        for word, vector in _vectors(file, problems):
            found.setdefault(word, vector)
        refuse(problems, str(file))
        if not found:
            raise DataError(Problem(at(file), "there are no word vectors", "one word per line"))
        return cls(tuple(found), np.stack(list(found.values())))

    def neighbours(self, words: Iterable[str], count: int) -> dict[str, tuple[str, ...]]:
        """The `count` words most like each of `words` by cosine (-1 to 1), in the file's order.

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
        # A word is nearest to itself.
        likeness[np.arange(len(rows)), rows] = -np.inf
        count = min(count, len(self.words) - 1)
        best = np.argpartition(-likeness, max(count - 1, 0), axis=1)[:, :count]
        return np.sort(best, axis=1).astype(np.int64)


def _vectors(file: Path, problems: list[Problem]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The words of `file` with their vectors, in its order; malformed lines join problems."""
    rows = text_lines(file, problems)
    first = [(line, _cells(text)) for line, text in islice(rows, _FIRST)]
    size = _size([cells for _line, cells in first[1:] or first])
    if len(first) > 1 and _is_header(first[0][1], size):
        first = first[1:]
    rest = ((line, _cells(text)) for line, text in rows)
    for line, cells in islice(chain(first, rest), MOST_VECTORS):
        vector = _vector(cells, size)
        if vector is not None:
            yield " ".join(cells[:-size]), vector
        else:
            allowed = f"a word and {size} numbers, not all of them 0, separated by single spaces"
            given = f"{shortened(' '.join(cells), 40)} is not a word vector"
            problems.append(Problem(at(file, line), given, allowed, "correct or remove the line"))


def _cells(text: str) -> list[str]:
    """What stands between blanks and tabs; words may hold other spaces, as U+00A0 and U+0085."""
    return _BETWEEN.split(text.rstrip(" \t"))


def _size(lines: Sequence[list[str]]) -> int:
    """How many numbers most lines end with; of equally many lines those that come first decide.

    The first of a line may be a number and yet the word.
    """
    ends = Counter(min(_numbers(cells), len(cells) - 1) for cells in lines)
    return max(ends, key=lambda size: (size > 0, ends[size]), default=0)


def _numbers(cells: Sequence[str]) -> int:
    """How many cells, from the end, are meant as numbers."""
    return sum(1 for _cell in takewhile(_is_number, reversed(cells)))


def _is_number(cell: str) -> bool:
    return cell.lower() in _MEANT or NUMBER.fullmatch(cell) is not None


def _is_header(cells: list[str], size: int) -> bool:
    return len(cells) == 2 and whole_number(cells[0]) is not None and cells[1] == str(size)


def _vector(cells: list[str], size: int) -> NDArray[np.float32] | None:
    """The last cells as a vector of length 1; None where the line has another width."""
    word = cells[:-size] if size else []
    if not any(word) or (len(word) > 1 and _is_number(word[-1])):
        return None
    numbers = [plain_number(cell) for cell in cells[-size:]]
    vector = np.array([number for number in numbers if number is not None])
    with np.errstate(over="ignore"):  # of a vector too long for its length
        length = float(np.linalg.norm(vector))
    if len(vector) != size or not 0.0 < length < math.inf:
        return None
    return (vector / length).astype(np.float32)
