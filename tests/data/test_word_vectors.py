"""Neighbours of words are the nearest ones, and broken files of vectors are told."""

from pathlib import Path

import numpy as np
import pytest

from zoo.data.word_vectors import WordVectors
from zoo.errors import DataError


def vectors(folder: Path, text: str) -> WordVectors:
    (folder / "vectors.txt").write_text(text, encoding="utf-8")
    return WordVectors.read(folder / "vectors.txt")


def test_neighbours_are_those_of_every_cosine(tmp_path: Path) -> None:
    """Against a loop over all pairs, for more words than are looked up at once."""
    random = np.random.default_rng(0)
    points = random.normal(size=(150, 5)) * random.uniform(0.1, 9.0, size=(150, 1))
    words = [f"w{index}" for index in range(150)]
    lines = [" ".join([word, *map(str, point)]) for word, point in zip(words, points, strict=True)]
    near = vectors(tmp_path, "\n".join(lines)).neighbours([*words, "unknown", "W3"], 4)
    for index, word in enumerate(words):
        cosines = [
            (float(point @ points[index] / np.linalg.norm(point)), other)
            for point, other in zip(points, words, strict=True)
            if other != word
        ]
        nearest = {other for _, other in sorted(cosines, reverse=True)[:4]}
        assert set(near[word]) == nearest
    assert near["W3"] == near["w3"]
    assert "unknown" not in near
    alone = vectors(tmp_path, "one 1 2\ntwo 2 1\n")
    assert alone.neighbours(["one"], 15) == {"one": ("two",)}


def test_broken_lines_of_vectors_are_told_at_once(tmp_path: Path) -> None:
    """Too few or many numbers, none, words for numbers, no direction, no end, no UTF-8."""
    file = tmp_path / "vectors.txt"
    lines = ["a 1 2", "b 1", "c 1 2 3", "d", "e one 2", "f 0 0", "g nan 2", "h 1e999 2", "i 2 1"]
    file.write_bytes("\n".join(lines).encode() + b"\nj \xff 2\n")
    with pytest.raises(DataError) as raised:
        WordVectors.read(file)
    places = [problem.where for problem in raised.value.problems]
    assert places == [f"{file}:{line}" for line in (2, 3, 4, 5, 6, 7, 8, 10)]
    assert str(raised.value.problems[0]) == (
        f"{file}:2: 'b 1' is no word vector\n"
        "  allowed: a word and 2 numbers, not all of them 0, with one blank between each\n"
        "  do: mend or remove the line"
    )


def test_missing_and_empty_vectors_are_told(tmp_path: Path) -> None:
    """Neither is taken for a file without neighbours."""
    with pytest.raises(DataError, match="there is no such file"):
        WordVectors.read(tmp_path / "vectors.txt")
    with pytest.raises(DataError) as raised:
        vectors(tmp_path, "")
    assert str(raised.value) == (
        f"{tmp_path}/vectors.txt: there are no word vectors\n  allowed: a word a line"
    )


def test_no_more_than_the_stated_lines_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such files begin with the most frequent words."""
    monkeypatch.setattr("zoo.data.word_vectors.MOST_VECTORS", 2)
    assert vectors(tmp_path, "a 1 2\nb 2 1\nc broken\n").words == ("a", "b")
