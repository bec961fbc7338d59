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
    assert sorted(places) == sorted(f"{file}:{line}" for line in (2, 3, 4, 5, 6, 7, 8, 10))
    assert str(raised.value.problems[1]) == (
        f"{file}:2: 'b 1' is not a word vector\n"
        "  allowed: a word and 2 numbers, not all of them 0, separated by single spaces\n"
        "  fix: correct or remove the line"
    )


def test_missing_and_empty_vectors_are_told(tmp_path: Path) -> None:
    """Neither is taken for a file without neighbours."""
    with pytest.raises(DataError, match="there is no such file"):
        WordVectors.read(tmp_path / "vectors.txt")
    with pytest.raises(DataError) as raised:
        vectors(tmp_path, "")
    assert str(raised.value) == (
        f"{tmp_path}/vectors.txt: there are no word vectors\n  allowed: one word per line"
    )


def test_no_more_than_the_stated_lines_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such files begin with the most frequent words."""
    monkeypatch.setattr("zoo.data.word_vectors.MOST_VECTORS", 2)
    assert vectors(tmp_path, "a 1 2\nb 2 1\nc broken\n").words == ("a", "b")


def found(folder: Path, text: str) -> dict[str, list[float]]:
    """Words with the ratio of their numbers to the last."""
    read = vectors(folder, text)
    numbers = [(row / row[-1]).round(4).tolist() for row in read.vectors]
    return dict(zip(read.words, numbers, strict=True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the 1 2\n. . . 3 4\nat a@b.com 1 3\ncat 3 4\n", ["the", ". . .", "at a@b.com", "cat"]),
        (". . . 3 4\nthe 1 2\n", [". . .", "the"]),
        ("at name@domain.com 1 3\nof 12 th 1 3\n", ["at name@domain.com", "of 12 th"]),
        ("3 2\nthe 1 2\ncat 3 4\ndog 3 9\n", ["the", "cat", "dog"]),
        ("2000000 2\n, 1 2 \nthe 3 4 \n", [",", "the"]),
        ("\ufeff3 2\r\nthe 1 2\r\n\r\n", ["the"]),
        ("2003 1 2\n3 3 4\n", ["2003", "3"]),
        ("a 1 2\n.\u00a0. 3 4\n\u0085x 2 2\n\u00a0 1 1\n", ["a", ".\u00a0.", "\u0085x", "\u00a0"]),
        ("\u2028 1 2\na\u2028b 1 2\n", ["\u2028", "a\u2028b"]),
        ("the\t1\t2\ncat\t3 4\n", ["the", "cat"]),
        ("the 1 2 \r\ncat 3 4\r\n\r\n  \r\n", ["the", "cat"]),
        ("the 1 2\rcat 3 4\r", ["the", "cat"]),
        ("the 1e-1 +2.\n", ["the"]),
    ],
)  # fmt: skip
def test_words_and_lines_as_the_known_files_have_them(
    text: str, words: list[str], tmp_path: Path
) -> None:
    """Blanks and other spaces in words, header lines, tabs, trailing blanks, all line ends."""
    assert list(found(tmp_path, text)) == words


def test_numbers_stay_with_their_words(tmp_path: Path) -> None:
    """The last cells are the numbers; of a word that stands twice the first counts."""
    text = "2 2\n. . . 3 4\nthe 1 2\nthe 9 1\n"
    assert found(tmp_path, text) == {". . .": [0.75, 1.0], "the": [0.5, 1.0]}


@pytest.mark.parametrize(
    "line",
    ["b 1", "1 2", "c 1 2 3", "d 0 0", "e nan 1", "f 1_0 1", "g \u0663 1", " 1 2", "h 1e400 1"],
)  # fmt: skip
def test_a_line_that_is_none_among_good_ones(line: str, tmp_path: Path) -> None:
    """Other widths, no direction, and what only Python takes for a number."""
    with pytest.raises(DataError) as raised:
        vectors(tmp_path, f"the 1 2\ncat 2 3\n{line}\ndog 2 1\n")
    (problem,) = raised.value.problems
    assert problem.where == f"{tmp_path}/vectors.txt:3"
    assert problem.allowed.startswith("a word and 2 numbers, not all of them 0")


def test_a_header_of_another_size_is_no_header(tmp_path: Path) -> None:
    """It is told, since the numbers of such a file cannot be trusted."""
    with pytest.raises(DataError, match=r"vectors\.txt:1: '3 5' is not a word vector"):
        vectors(tmp_path, "3 5\nthe 1 2\ncat 2 3\n")
