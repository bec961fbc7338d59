"""Vocabularies: the same in every process, of the stated size, and refused where unfit."""

import subprocess
import sys
from pathlib import Path

import pytest

from zoo.data import pocket
from zoo.errors import DataError
from zoo.spec.teacher import Vocabulary
from zoo.training.vocabulary import SPECIAL, make_tokenizer

PROGRAM = """
import hashlib
from zoo.data import pocket
from zoo.data.pieces import tokenizer_digest
from zoo.spec.teacher import Vocabulary
from zoo.training.vocabulary import make_tokenizer
for kind in ("words", "wordpiece"):
    made = make_tokenizer(Vocabulary(kind=kind), 200, pocket.corpus(60, 0), 64)
    print(tokenizer_digest(made))
"""


def test_two_processes_make_the_same_vocabularies() -> None:
    """Whatever the hash seed."""
    outputs = [
        subprocess.run(
            [sys.executable, "-P", "-c", PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0])) == 2


@pytest.mark.parametrize("kind", ["words", "wordpiece"])
@pytest.mark.parametrize("size", [80, 200])
def test_size_and_special_pieces(kind: str, size: int) -> None:
    """At most the stated pieces, the special ones first; text comes back as it was."""
    vocabulary = Vocabulary.model_validate({"kind": kind})
    tokenizer = make_tokenizer(vocabulary, size, pocket.corpus(60, 0), 64)
    assert len(tokenizer) <= size
    assert tokenizer.convert_ids_to_tokens(range(5)) == SPECIAL
    assert tokenizer.model_max_length == 64
    text = next(pocket.corpus(60, 0)).split("\n")[0]
    decoded = tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True)
    assert decoded.replace(" ", "") == text.replace(" ", "")


def test_whole_words_come_by_frequency_then_alphabet() -> None:
    """Characters first, alone and inside a word; ties are broken by the word itself."""
    tokenizer = make_tokenizer(Vocabulary(kind="words"), 100, ["bb aa bb", "aa ab"], 16)
    assert tokenizer.convert_ids_to_tokens(range(5, len(tokenizer))) == [
        *("a", "b", "##a", "##b"),
        *("aa", "bb", "ab"),
    ]


def test_a_vocabulary_file_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line below ZOO_DATA."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL, "one", "##two"]))
    declared = Vocabulary(kind="file", path="vocab.txt")
    tokenizer = make_tokenizer(declared, 10, [], 16)
    assert tokenizer("onetwo", add_special_tokens=False)["input_ids"] == [5, 6]


@pytest.mark.parametrize(
    ("pieces", "size", "expected"),
    [
        (None, 10, "there is no such vocabulary\n  allowed: a vocab.txt below $ZOO_DATA"),
        (["[PAD]", "one"], 10, r"lacks [UNK], [CLS], [SEP], [MASK]" + "\n  allowed: at most 10"),
        ([*SPECIAL, "one"], 5, "holds 6 pieces\n  allowed: at most 5 pieces with all of"),
    ],
)
def test_an_unfit_vocabulary_file_is_told(
    pieces: list[str] | None,
    size: int,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Missing, without special pieces, or larger than the declared table."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    if pieces is not None:
        (tmp_path / "vocab.txt").write_text("\n".join(pieces))
    with pytest.raises(DataError) as raised:
        make_tokenizer(Vocabulary(kind="file", path="vocab.txt"), size, [], 16)
    assert str(raised.value).startswith(f"{tmp_path}/vocab.txt: {expected}")
