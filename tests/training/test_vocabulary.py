"""Vocabularies: the same in every process, of the stated size, and refused where unfit."""

import subprocess
import sys
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

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
        (None, 10, "vocabulary not found\n  allowed: a vocab.txt below $ZOO_DATA"),
        (["[PAD]", "one"], 10, r"lacks [UNK], [CLS], [SEP], [MASK]" + "\n  allowed: at most 10"),
        ([*SPECIAL, "one"], 5, "contains 6 tokens\n  allowed: at most 5 tokens with all of"),
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


def from_bytes(folder: Path, content: bytes, size: int = 20) -> PreTrainedTokenizerBase:
    (folder / "vocab.txt").write_bytes(content)
    return make_tokenizer(Vocabulary(kind="file", path="vocab.txt"), size, [], 16)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_is_what_ends_with_a_line_feed(
    mark: bytes, end: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U+2028 and U+0085 are pieces of Chinese BERT's vocabulary; a byte order mark is no piece."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    pieces = [*SPECIAL, "cat", "\u2028", "\u0085", "dog"]
    tokenizer = from_bytes(tmp_path, mark + end.join(piece.encode() for piece in pieces) + end)
    assert tokenizer.convert_ids_to_tokens(range(len(tokenizer))) == pieces
    assert tokenizer("cat dog")["input_ids"] == [2, 5, 8, 3]


def test_special_pieces_may_stand_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their numbers are their lines'."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    tokenizer = from_bytes(tmp_path, "\n".join(["cat", "dog", *SPECIAL]).encode())
    assert tokenizer("cat")["input_ids"] == [4, 0, 5]
    assert tokenizer.pad_token_id == 2


def test_lines_that_are_no_piece_are_told_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blank ones, blanks around a piece, doubles and bytes of another encoding."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    lines = [piece.encode() for piece in [*SPECIAL, "cat", "", "dog ", "cat", "\tsat"]]
    with pytest.raises(DataError) as raised:
        from_bytes(tmp_path, b"\n".join([*lines, b"caf\xe9"]))
    file = f"{tmp_path}/vocab.txt"
    assert str(raised.value) == (
        f"{file}:11: byte 0xe9 is not UTF-8\n"
        "  allowed: UTF-8, with or without a byte order mark\n"
        "  fix: download the file again, or convert it to UTF-8\n"
        f"{file}:7: is blank\n  allowed: one token per line\n  fix: remove this line\n"
        f"{file}:8: 'dog ' has surrounding spaces\n  allowed: one token per line\n"
        "  fix: remove them\n"
        f"{file}:9: 'cat' appears in line 6 too\n  allowed: each token once\n"
        "  fix: remove one of them\n"
        f"{file}:10: '\\tsat' has surrounding spaces\n  allowed: one token per line\n"
        "  fix: remove them"
    )


def test_a_cased_vocabulary_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All text is read in small letters here."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    with pytest.raises(DataError) as raised:
        from_bytes(tmp_path, "\n".join([*SPECIAL, "Cat", "Dog", "cat"]).encode())
    assert str(raised.value) == (
        f"{tmp_path}/vocab.txt: 2 of 8 tokens have capitals, such as 'Cat', and can never occur:"
        " teachers pretrained here lower-case all text\n"
        "  allowed: an uncased vocabulary\n"
        "  fix: use another file, or kind: wordpiece"
    )
