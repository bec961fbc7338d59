"""Tokenizers that users bring fit the model beside them, or are refused with the numbers."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertTokenizer, PreTrainedTokenizerFast

from tests import tiny
from zoo.errors import CheckpointError
from zoo.models.build import MASKED_LM, build
from zoo.models.checkpoint import load_tokenizer
from zoo.training.fetch import load_declared

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "cat", "sat", "on", "a", "mat", "dog", "ran", "to", "it"]
CASED = [word.capitalize() for word in WORDS]
ROLES = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
SHAPE = tiny.STUDENT.model_copy(update={"vocabulary": 25})
OTHER = "use the tokenizer that these weights were trained with"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model and its tokenizer, as trained by hand with the tokenizers library."""
    build(SHAPE, MASKED_LM, seed=4).save_pretrained(tmp_path)
    by_hand([*SPECIAL, *WORDS]).save_pretrained(tmp_path)
    return tmp_path


def by_hand(pieces: list[str], *, framed: bool = True, **roles: Any) -> PreTrainedTokenizerFast:
    numbers = {piece: number for number, piece in enumerate(pieces)}
    made = Tokenizer(models.WordPiece(numbers, unk_token=ROLES["unk_token"]))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    if framed:
        made.post_processor = processors.BertProcessing(
            ("[SEP]", numbers["[SEP]"]), ("[CLS]", numbers["[CLS]"])
        )
    return PreTrainedTokenizerFast(tokenizer_object=made, **{**ROLES, **roles})


def vocabulary_only(folder: Path, content: bytes, **settings: Any) -> None:
    """Leave nothing of a tokenizer but vocab.txt, and tokenizer_config.json where it says more."""
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    (folder / "vocab.txt").write_bytes(content)
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def lines(*pieces: str) -> bytes:
    return "".join(f"{piece}\n" for piece in pieces).encode()


def refused(folder: Path) -> str:
    with pytest.raises(CheckpointError) as raised:
        load_declared(folder, SHAPE, student=False)
    return str(raised.value)


def test_a_tokenizer_that_fits_is_taken(folder: Path) -> None:
    """It reads what it read."""
    tokenizer = load_declared(folder, SHAPE, student=False).tokenizer
    assert tokenizer("the cat", "sat")["input_ids"] == [2, 5, 6, 3, 7, 3]


def test_pieces_beyond_the_embeddings_are_refused(folder: Path) -> None:
    """How many, and the first with their numbers."""
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens([f"superb{place}" for place in range(14)])
    tokenizer.save_pretrained(folder)
    assert refused(folder) == (
        f"{folder}: 4 tokens of the tokenizer are outside the 25 embeddings: 'superb10' is 25,"
        " 'superb11' is 26, 'superb12' is 27, ...\n"
        "  allowed: ids from 0 to 24\n"
        "  fix: remove the added tokens, or train the model with them (resize_token_embeddings of"
        " transformers)"
    )


@pytest.mark.parametrize("role", ["pad_token", "cls_token", "sep_token"])
def test_a_missing_special_piece_is_refused(folder: Path, role: str) -> None:
    """The key that names it."""
    by_hand([*SPECIAL, *WORDS], **{role: None}).save_pretrained(folder)
    assert refused(folder) == (
        f"{folder}/tokenizer_config.json: {role}: not defined by this tokenizer\n"
        "  allowed: the token that the model was trained with, such as [PAD], [CLS] and [SEP]\n"
        "  fix: define it there"
    )


def test_a_tokenizer_that_puts_nothing_around_a_text_is_refused(folder: Path) -> None:
    """No post-processor, as tokenizers trained by hand."""
    by_hand([*SPECIAL, *WORDS], framed=False).save_pretrained(folder)
    assert refused(folder) == (
        f"{folder}/tokenizer.json: post_processor: reads two texts as a a\n"
        "  allowed: special tokens around each: [CLS] a [SEP] a [SEP]\n"
        "  fix: add the post-processor that this model was trained with (BertProcessing,"
        " RobertaProcessing or TemplateProcessing of tokenizers)"
    )


@pytest.mark.parametrize(
    ("single", "pair"),
    [
        ("[CLS] $A", "[CLS] $A $B"),
        ("$A [SEP]", "$A [SEP] $B [SEP]"),
        ("[CLS] $A [SEP]", "[CLS] $A $B [SEP]"),
    ],
)
def test_every_special_piece_is_needed(folder: Path, single: str, pair: str) -> None:
    """First, last and between."""
    tokenizer = by_hand([*SPECIAL, *WORDS])
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save_pretrained(folder)
    assert "tokenizer.json: post_processor: reads two texts as " in refused(folder)


def test_a_token_type_without_a_row_is_refused(folder: Path) -> None:
    """It would be an index error in training."""
    tokenizer = by_hand([*SPECIAL, *WORDS])
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:2 [SEP]:2",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save_pretrained(folder)
    assert refused(folder) == (
        f"{folder}/tokenizer.json: gives token type 2\n"
        "  allowed: 0 to 1\n"
        "  fix: correct its post-processor"
    )


def test_pieces_in_another_order_are_told_by_the_padding(folder: Path) -> None:
    """The configuration names the padding piece by its number."""
    by_hand([*reversed([*SPECIAL, *WORDS])]).save_pretrained(folder)
    assert refused(folder) == (
        f"{folder}/config.json: pad_token_id: is 0, and the tokenizer's [PAD] is 14\n"
        "  allowed: the same number: the tokenizer may belong to another model\n"
        f"  fix: {OTHER}; if it is this one, set 14"
    )


def test_pieces_in_another_order_are_told_by_the_vocabulary(folder: Path) -> None:
    """A vocab.txt beside tokenizer.json says which number is whose."""
    (folder / "vocab.txt").write_bytes(lines(*SPECIAL, *reversed(WORDS)))
    assert refused(folder) == (
        f"{folder}/vocab.txt: 10 tokens have different ids: 'it' is 5 there and 14 in the"
        " tokenizer, 'to' is 6 there and 13 in the tokenizer, 'ran' is 7 there and 12 in the"
        " tokenizer, ...\n"
        "  allowed: the ids of tokenizer.json\n"
        f"  fix: {OTHER}"
    )


def test_a_cased_vocabulary_that_is_read_in_small_letters_is_refused(folder: Path) -> None:
    """vocab.txt alone says nothing of capitals, and transformers takes it as uncased."""
    vocabulary_only(folder, lines(*SPECIAL, *CASED, *WORDS))
    assert refused(folder) == (
        f"{folder}: 10 of 20 tokens can never occur, such as 'A', 'Cat', 'Dog', ...: the vocabulary"
        " is cased, and this tokenizer lower-cases all text\n"
        "  allowed: a cased vocabulary with a tokenizer that keeps case\n"
        '  fix: set "do_lower_case": false in tokenizer_config.json (next to a vocab.txt), or'
        " lowercase: false in the normalizer of tokenizer.json"
    )


def test_a_cased_vocabulary_is_read_as_stated(folder: Path) -> None:
    """With what the message says to do."""
    vocabulary_only(folder, lines(*SPECIAL, *CASED, *WORDS), do_lower_case=False)
    tokenizer = load_declared(folder, SHAPE, student=False).tokenizer
    assert tokenizer.tokenize("The cat Sat") == ["The", "cat", "Sat"]


def test_a_tokenizer_that_is_read_otherwise_than_it_says_is_refused(folder: Path) -> None:
    """transformers builds BERT's from tokenizer_config.json, whatever tokenizer.json says."""
    cased = {piece: number for number, piece in enumerate([*SPECIAL, *WORDS])}
    BertTokenizer(vocab=cased, do_lower_case=False).save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    stated = json.loads(path.read_text())
    del stated["do_lower_case"]
    path.write_text(json.dumps(stated))
    assert refused(folder) == (
        f"{folder}/tokenizer.json: normalizer.lowercase: is false, but tokenizer_config.json sets "
        "it to true\n"
        "  allowed: consistent files\n"
        '  fix: set "do_lower_case" in tokenizer_config.json as in training'
    )


def test_a_byte_order_mark_is_refused(folder: Path) -> None:
    """It would make [PAD] an unknown piece."""
    vocabulary_only(folder, b"\xef\xbb\xbf" + lines(*SPECIAL, *WORDS))
    assert (
        f"{folder}/vocab.txt: begins with a byte order mark, which becomes part of the first "
        "token\n  allowed: UTF-8 without a byte order mark\n  fix: save the file without it"
    ) in refused(folder)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_pieces_shift_no_number(folder: Path, end: str) -> None:
    """U+2028 is a line of Chinese BERT's vocabulary; no text holds it as a piece."""
    pieces = [*SPECIAL, "the", "\u2028", "\u0085", "cat", *WORDS[2:]]
    vocabulary_only(folder, "".join(f"{piece}{end}" for piece in pieces).encode())
    tokenizer = load_declared(folder, SHAPE, student=False).tokenizer
    assert tokenizer("the cat")["input_ids"] == [2, 5, 8, 3]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            lines(*SPECIAL, "the", "", "cat", "cat ", *WORDS[2:]),
            "'cat ' is 8 there and missing in",
        ),
        (lines(*SPECIAL, *WORDS) + b"caf\xe9\n", "no readable tokenizer here: "),
        (b"", "the vocabulary has "),
    ],
)
def test_vocabularies_that_are_read_otherwise_are_refused(
    folder: Path, content: bytes, told: str
) -> None:
    """Blanks around a piece, latin-1, nothing at all."""
    vocabulary_only(folder, content)
    assert told in refused(folder)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b"\xff\xfe", b""])
def test_a_tokenizer_that_is_none_is_told(folder: Path, content: bytes) -> None:
    """Whatever the library raises."""
    (folder / "tokenizer.json").write_bytes(content)
    said = refused(folder)
    assert said.startswith(f"{folder}: no readable tokenizer here: ")
    assert said.endswith(
        "\n  allowed: tokenizer.json, or the vocabulary files of the family, in UTF-8\n"
        "  fix: add the tokenizer files that belong to these weights"
    )


def test_the_padding_of_roberta_counts_positions(folder: Path) -> None:
    """Without a number none can be counted; a late one leaves too few."""
    shape = SHAPE.model_copy(update={"family": "roberta"})
    build(shape, MASKED_LM, seed=4).save_pretrained(folder)
    path = folder / "config.json"
    stated = json.loads(path.read_text())
    said = []
    for number in (None, 5):
        path.write_text(json.dumps({**stated, "pad_token_id": number}))
        with pytest.raises(CheckpointError) as raised:
            load_declared(folder, shape, student=False)
        said.append(str(raised.value))
    assert said[0].startswith(
        f"{path}: pad_token_id: is not set, and positions are numbered from it\n"
        "  allowed: a number\n  fix: set it to 0 if the model was trained so"
    )
    assert said[1].endswith(
        f"{path}: pad_token_id: is 5, which leaves 60 of 64 positions\n"
        "  allowed: 0 or 1\n  fix: use another model"
    )


def test_an_unstated_padding_follows_the_tokenizer(folder: Path) -> None:
    """BERT asks for no number."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pad_token_id": None}))
    by_hand(["[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]", *WORDS]).save_pretrained(folder)
    assert load_declared(folder, SHAPE, student=False).model.config.pad_token_id == 4
