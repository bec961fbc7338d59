"""Shards: a corpus tokenised once and read back exactly, as packed blocks; damage is told."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from transformers import BertTokenizer

from zoo.data import shards as shards_module
from zoo.data.corpus import Shards, write_shards
from zoo.data.pieces import tokenizer_digest
from zoo.errors import DataError

WORDS = [*"abcdefghij", "caf\u00e9"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
DOCUMENTS = ["a b\nc", "d e f", "g caf\u00e9"]


@pytest.fixture
def tokenizer() -> BertTokenizer:
    """Knows eleven words."""
    return BertTokenizer(
        vocab={word: place for place, word in enumerate([*SPECIAL, *WORDS])}, strip_accents=False
    )


def write(tokenizer: BertTokenizer, folder: Path, texts: list[str] = DOCUMENTS) -> Shards:
    return write_shards(texts, tokenizer, folder, max_tokens=None)


@pytest.mark.parametrize("shard_tokens", [1, 4, 1 << 24])
def test_shards_give_back_every_piece(
    shard_tokens: int, tokenizer: BertTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream equals a plain loop over the documents, wherever shards are cut."""
    monkeypatch.setattr(shards_module, "SHARD_TOKENS", shard_tokens)
    shards = write(tokenizer, tmp_path / "shards", [*DOCUMENTS, "", "b"])
    wanted = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in [*DOCUMENTS, "b"]]
    stream = [piece for ids in wanted for piece in ids]
    assert len(shards.arrays) == {1: 4, 4: 2, 1 << 24: 1}[shard_tokens]
    assert shards.documents.tolist() == [0, 3, 6, 8]
    assert shards.tokens == len(stream) == 9
    for begin in range(9):
        for end in range(begin + 1, 10):
            assert shards.pieces(begin, end).tolist() == stream[begin:end]


def test_small_vocabularies_take_two_bytes_and_large_ones_four(tmp_path: Path) -> None:
    """Files are little-endian and mapped, not read."""
    for size, dtype in ((1 << 16, "<u2"), ((1 << 16) + 1, "<u4")):
        words = [*SPECIAL, *(f"w{number}" for number in range(size - len(SPECIAL)))]
        large = BertTokenizer(vocab={word: place for place, word in enumerate(words)})
        shards = write(large, tmp_path / dtype[1:], [f"{words[-1]} w0"])
        assert isinstance(shards.arrays[0], np.memmap)
        assert shards.arrays[0].dtype.str == dtype
        assert shards.pieces(0, 2).tolist() == [size - 1, len(SPECIAL)]


def test_max_tokens_stops_reading(tokenizer: BertTokenizer, tmp_path: Path) -> None:
    """The last document is cut; the rest is not read."""

    def long() -> Iterator[str]:
        for _ in range(1000):
            yield "a b c " * 1000
        pytest.fail("the corpus was read to its end")

    shards = write_shards(long(), tokenizer, tmp_path / "shards", max_tokens=3500)
    assert (shards.tokens, shards.documents.tolist()) == (3500, [0, 3000])


@pytest.mark.parametrize("pair", [False, True])
def test_blocks_cover_the_stream_between_special_tokens(
    pair: bool, tokenizer: BertTokenizer, tmp_path: Path
) -> None:
    """Without [CLS] and [SEP] the blocks are the stream, in order, each token once."""
    text = " ".join(WORDS[number * 7 % 10] for number in range(200))
    shards = write(tokenizer, tmp_path / "shards", [text])
    blocks = shards.blocks(16, pair)
    cls_id, sep_id = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert len(blocks) == 200 // (13 if pair else 14)
    kept, cuts = [], set()
    for index in range(len(blocks)):
        block = blocks[index]
        ids = block.input_ids.tolist()
        assert (ids[0], ids[-1], len(ids)) == (cls_id, sep_id, 16)
        assert ids.count(sep_id) == (2 if pair else 1)
        second = 16 if not pair else ids.index(sep_id) + 1
        assert block.token_type_ids.tolist() == [0] * second + [1] * (16 - second)
        assert block.input_ids.dtype == block.token_type_ids.dtype == np.int64
        assert not pair or 3 <= second - 2 <= 9
        cuts.add(second)
        kept += [piece for piece in ids if piece not in (cls_id, sep_id)]
        assert ids == blocks[index].input_ids.tolist()
    assert kept == shards.pieces(0, len(kept)).tolist()
    assert len(cuts) > (3 if pair else 0)
    with pytest.raises(IndexError):
        blocks[len(blocks)]


@pytest.mark.parametrize(("length", "pair"), [(4, True), (3, False), (12, True), (11, False)])
def test_lengths_that_the_corpus_cannot_fill_are_refused(
    length: int, pair: bool, tokenizer: BertTokenizer, tmp_path: Path
) -> None:
    """Eight tokens fill blocks of a body of two to eight."""
    shards = write(tokenizer, tmp_path / "shards")
    special = 3 if pair else 2
    expected = (
        f"{tmp_path / 'shards'}: 8 tokens of text do not fill a block of {length}\n"
        f"  allowed: a length from {special + 2} to {special + 8}\n"
        "  fix: provide more text or a shorter length"
    )
    with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
        shards.blocks(length, pair)
    for body in range(2, 9):
        for block in [shards.blocks(body + special, pair)[0]]:
            assert (block.input_ids != tokenizer.sep_token_id).sum() == body + 1


def test_digest_ignores_truncation_but_not_the_vocabulary(tokenizer: BertTokenizer) -> None:
    """Using a tokenizer does not make it another one."""
    before = tokenizer_digest(tokenizer)
    tokenizer("a b c", truncation=True, max_length=4, padding="max_length")
    assert tokenizer_digest(tokenizer) == before
    words = [*SPECIAL, *reversed(WORDS)]
    other = BertTokenizer(vocab={word: place for place, word in enumerate(words)})
    assert tokenizer_digest(other) != before


def test_truncation_left_by_an_earlier_call_does_not_cut(
    tokenizer: BertTokenizer, tmp_path: Path
) -> None:
    """The backend's state is shared by all calls; shards are whole all the same."""
    tokenizer("a b c", truncation=True, max_length=4, padding="max_length")
    assert write(tokenizer, tmp_path / "shards").tokens == 8


def test_foreign_tokenizer_is_refused(tokenizer: BertTokenizer, tmp_path: Path) -> None:
    """Shards are read with the tokenizer that made them."""
    write(tokenizer, tmp_path / "shards")
    other = BertTokenizer(vocab={word: place for place, word in enumerate([*SPECIAL, "x"])})
    expected = (
        f"{tmp_path / 'shards' / 'index.json'}: tokenizer: made by tokenizer "
        f"{tokenizer_digest(tokenizer)[:12]} (16 tokens), read with "
        f"{tokenizer_digest(other)[:12]} (6 tokens)\n"
        "  allowed: the tokenizer that made the shards\n  fix: tokenise the corpus again"
    )
    with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
        Shards.open(tmp_path / "shards", other)
    assert Shards.open(tmp_path / "shards").tokens == 8


def test_truncated_and_missing_shards_are_told_together(
    tokenizer: BertTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file that does not fit the index is named."""
    monkeypatch.setattr(shards_module, "SHARD_TOKENS", 1)
    folder = tmp_path / "shards"
    write(tokenizer, folder)
    first = folder / "shard-00000.npy"
    first.write_bytes(first.read_bytes()[:-1])
    (folder / "shard-00001.npy").unlink()
    np.save(folder / "shard-00002.npy", np.arange(3, dtype="<u4"))
    np.save(folder / "documents.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError) as error:
        Shards.open(folder)
    wheres = [Path(problem.where).name for problem in error.value.problems]
    assert wheres == [first.name, "shard-00001.npy", "shard-00002.npy", "documents.npy"]
    texts = [problem.given for problem in error.value.problems]
    assert texts[0] == "missing or truncated: mmap length is greater than file size"
    assert texts[1].startswith("missing or truncated: [Errno 2]")
    assert texts[2] == "<u4 of shape (3,)"
    assert texts[3].startswith("missing or truncated: Array can't be memory-mapped")
    assert error.value.problems[2].allowed == "<u2 of shape (2,)"
    assert {problem.remedy for problem in error.value.problems} == {"tokenise the corpus again"}


def test_damaged_index_is_told(tokenizer: BertTokenizer, tmp_path: Path) -> None:
    """An index that is missing, lacks keys or does not add up."""
    folder = tmp_path / "shards"
    write(tokenizer, folder)
    file = folder / "index.json"
    index = json.loads(file.read_text())
    file.write_text(json.dumps(index | {"tokens": 9}))
    expected = "index.json: 9 tokens, not the sum of the shards\n  fix: tokenise"
    with pytest.raises(DataError, match=expected):
        Shards.open(folder)
    file.write_text(json.dumps({**index, "dtype": None} | {"vocabulary": "many"}))
    with pytest.raises(DataError, match=r"index\.json: dtype: .*\n.*\n.*index\.json: vocabulary: "):
        Shards.open(folder)
    file.unlink()
    with pytest.raises(DataError, match="there is no such file\n  fix: token"):
        Shards.open(folder)


def test_tokenizer_that_knows_no_word_is_refused_and_leaves_nothing(
    tokenizer: BertTokenizer, tmp_path: Path
) -> None:
    """`BertTokenizer(vocab_file=...)` would train a model on [UNK] alone."""
    blind = BertTokenizer(vocab_file=str(tmp_path / "vocab.txt"))
    with pytest.raises(DataError) as error:
        write(blind, tmp_path / "shards")
    assert str(error.value) == (
        "tokenizer without a name of 5 tokens: 8 of 8 tokens are [UNK]\n"
        "  allowed: a tokenizer whose vocabulary covers the text\n"
        "  fix: load it with from_pretrained(folder) or BertTokenizer(path); the argument "
        "vocab_file= is silently ignored"
    )
    assert list(tmp_path.iterdir()) == []
    assert write(tokenizer, tmp_path / "shards", ["a zz zz zz zz zz zz zz zz"]).tokens == 9


def test_corpus_without_text_and_tokenizer_without_frame_are_refused(
    tokenizer: BertTokenizer, tmp_path: Path
) -> None:
    """Nothing is written for either."""
    with pytest.raises(DataError, match="shards: the corpus is empty\n  allowed: at least one"):
        write(tokenizer, tmp_path / "shards", [])
    tokenizer.sep_token = None
    with pytest.raises(DataError, match="without a name: it has no classifier token or no separ"):
        write(tokenizer, tmp_path / "shards")
    assert list(tmp_path.iterdir()) == []
