"""Checks of third-party models, before anything is trained."""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from zoo.errors import CheckpointError, Problem, at
from zoo.json_files import read_json
from zoo.models.configuration import longest_input, shape_of
from zoo.spec.shape import Shape

_TOLD = 3
"""Pieces that a message names; it says how many there are."""
LOST_SHARE = 0.01
"""Published uncased vocabularies hold a few pieces that never occur; cased ones a quarter."""
_NORMALISES = {
    "lowercase": "do_lower_case",
    "strip_accents": "strip_accents",
    "handle_chinese_chars": "tokenize_chinese_chars",
}
"""Settings of BERT's normalizer, and their names in tokenizer_config.json."""
_ROLE = re.compile(r"\[.+\]|<.+>")
"""How special pieces are written; they stand in no text."""
_OTHER_TOKENIZER = "use the tokenizer that these weights were trained with"


def shape_problems(
    folder: Path, config: PretrainedConfig, declared: Shape, remedy: str
) -> Iterator[Problem]:
    """Fields of the declared shape that are not those of config.json."""
    found = shape_of(config)
    differing = [
        f"{name}: declared {getattr(declared, field)}, found {getattr(found, field)}"
        for name in Shape.model_fields
        # A shape leaves the usual number of token types unsaid.
        if getattr(declared, field := "segments" if name == "token_types" else name)
        != getattr(found, field)
    ]
    if differing:
        given = f"its shape differs from the declared one; {'; '.join(differing)}"
        yield Problem(str(folder), given, remedy=remedy)


def number_problems(folder: Path, model: PreTrainedModel) -> Iterator[Problem]:
    """Parameters with a number that is none."""
    broken = [
        name
        for name, parameter in model.named_parameters()
        if not bool(torch.isfinite(parameter).all())
    ]
    if broken:
        given = f"NaN or infinity in {len(broken)} tensors, first {broken[0]}"
        remedy = "download the weights again, or use an earlier checkpoint without them"
        yield Problem(str(folder), given, "finite weights", remedy)


def tokenizer_problems(
    folder: Path, tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig
) -> Iterator[Problem]:
    """What in a tokenizer does not fit its model."""
    lacking = [
        role for role in ("pad_token", "cls_token", "sep_token") if getattr(tokenizer, role) is None
    ]
    for role in lacking:
        yield Problem(
            at(folder / "tokenizer_config.json", key=role),
            "not defined by this tokenizer",
            "the token that the model was trained with, such as [PAD], [CLS] and [SEP]",
            "define it there",
        )
    if "pad_token" not in lacking:
        yield from _padding(folder, tokenizer, config)
    if not lacking:
        yield from _frame(folder, tokenizer)
    yield from _segments(folder, tokenizer, config)
    yield from _beyond(folder, tokenizer, config.vocab_size)
    yield from _other_numbers(folder, tokenizer)
    yield from _other_reading(folder, tokenizer)
    yield from lost_pieces(str(folder), tokenizer)


def lost_pieces(where: str, tokenizer: PreTrainedTokenizerBase) -> Iterator[Problem]:
    """A cased vocabulary whose tokenizer lower-cases all text."""
    normalizer = tokenizer.backend_tokenizer.normalizer
    if normalizer is None:
        return
    pieces = [piece for piece in tokenizer.get_vocab() if not _ROLE.fullmatch(piece)]
    read = {piece: text for piece in pieces if (text := _text(tokenizer, piece)).lower() != text}
    lost = sorted(
        piece for piece, text in read.items() if normalizer.normalize_str(text).strip() != text
    )
    if len(lost) > LOST_SHARE * len(pieces):
        yield Problem(
            where,
            f"{len(lost)} of {len(pieces)} tokens can never occur, such as {_few(lost)}: the"
            " vocabulary is cased, and this tokenizer lower-cases all text",
            "a cased vocabulary with a tokenizer that keeps case",
            'set "do_lower_case": false in tokenizer_config.json (next to a vocab.txt), or'
            " lowercase: false in the normalizer of tokenizer.json",
        )


def _padding(
    folder: Path, tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig
) -> Iterator[Problem]:
    """Both must name one token: RoBERTa numbers positions from it, and it reveals another order."""
    stated, found = config.pad_token_id, tokenizer.pad_token_id
    where = at(folder / "config.json", key="pad_token_id")
    if stated is None:
        if config.model_type == "roberta":
            given = "is not set, and positions are numbered from it"
            yield Problem(
                where, given, "a number", f"set it to {found} if the model was trained so"
            )
        return
    if stated != found:
        yield Problem(
            where,
            f"is {stated}, and the tokenizer's {tokenizer.pad_token} is {found}",
            "the same number: the tokenizer may belong to another model",
            f"{_OTHER_TOKENIZER}; if it is this one, set {found}",
        )
    positions = shape_of(config).positions
    if longest_input(config) < positions:
        given = f"is {stated}, which leaves {longest_input(config)} of {positions} positions"
        yield Problem(where, given, "0 or 1", "use another model")


def _frame(folder: Path, tokenizer: PreTrainedTokenizerBase) -> Iterator[Problem]:
    """Special tokens around a text and between two."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    one, two = backend.encode("a").ids, backend.encode("a", "a").ids
    whole = all(ids and (ids[0], ids[-1]) == (first, last) for ids in (one, two))
    if not whole or two.count(last) < 2:
        cls, sep = tokenizer.cls_token, tokenizer.sep_token
        given = f"reads two texts as {' '.join(tokenizer.convert_ids_to_tokens(two))}"
        yield Problem(
            at(folder / "tokenizer.json", key="post_processor"),
            given,
            f"special tokens around each: {cls} a {sep} a {sep}",
            "add the post-processor that this model was trained with (BertProcessing,"
            " RobertaProcessing or TemplateProcessing of tokenizers)",
        )


def _segments(
    folder: Path, tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig
) -> Iterator[Problem]:
    rows = shape_of(config).segments
    largest = max(tokenizer.backend_tokenizer.encode("a", "a").type_ids)
    if 1 < rows <= largest:
        given = f"gives token type {largest}"
        remedy = "correct its post-processor"
        yield Problem(str(folder / "tokenizer.json"), given, f"0 to {rows - 1}", remedy)


def _beyond(folder: Path, tokenizer: PreTrainedTokenizerBase, rows: int) -> Iterator[Problem]:
    """Tokens that the embeddings have no row for."""
    known = tokenizer.get_vocab()
    beyond = sorted((number, piece) for piece, number in known.items() if number >= rows)
    if beyond:
        told = _few([f"{piece!r} is {number}" for number, piece in beyond], quoted=False)
        yield Problem(
            str(folder),
            f"{len(beyond)} tokens of the tokenizer are outside the {rows} embeddings: {told}",
            f"ids from 0 to {rows - 1}",
            "remove the added tokens, or train the model with them"
            " (resize_token_embeddings of transformers)",
        )


def _other_numbers(folder: Path, tokenizer: PreTrainedTokenizerBase) -> Iterator[Problem]:
    """A vocab.txt with other ids than the loaded tokenizer."""
    file = folder / "vocab.txt"
    if not file.is_file():
        return
    content = file.read_bytes()
    lines = content.decode("utf-8-sig", errors="replace").split("\n")
    stated: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        stated.setdefault(line.removesuffix("\r"), []).append(number)
    known = tokenizer.get_vocab()
    differing = [
        f"{piece!r} is {numbers[0]} there and {known.get(piece, 'missing')} in the tokenizer"
        for piece, numbers in stated.items()
        # Blank pieces, as U+2028, never occur: all text is cut at them.
        if piece.strip() and known.get(piece) not in numbers
    ]
    if differing and content.startswith(codecs.BOM_UTF8):
        given = "begins with a byte order mark, which becomes part of the first token"
        yield Problem(
            str(file), given, "UTF-8 without a byte order mark", "save the file without it"
        )
    elif differing:
        given = f"{len(differing)} tokens have different ids: {_few(differing, quoted=False)}"
        yield Problem(str(file), given, "the ids of tokenizer.json", _OTHER_TOKENIZER)


def _other_reading(folder: Path, tokenizer: PreTrainedTokenizerBase) -> Iterator[Problem]:
    """What tokenizer.json says and transformers, which asks tokenizer_config.json, does not do."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        return
    stated = read_json(file, error=CheckpointError, endless=True).get("normalizer") or {}
    found = json.loads(tokenizer.backend_tokenizer.to_str())["normalizer"] or {}
    for key, setting in _NORMALISES.items():
        if key in stated and key in found and stated[key] != found[key]:
            yield Problem(
                at(file, key=f"normalizer.{key}"),
                f"is {json.dumps(stated[key])}, but tokenizer_config.json sets it to"
                f" {json.dumps(found[key])}",
                "consistent files",
                f'set "{setting}" in tokenizer_config.json as in training',
            )


def _text(tokenizer: PreTrainedTokenizerBase, piece: str) -> str:
    text: str = tokenizer.convert_tokens_to_string([piece])
    return text.removeprefix("##").strip()


def _few(told: list[str], *, quoted: bool = True) -> str:
    shown = [repr(one) if quoted else one for one in told[:_TOLD]]
    return ", ".join([*shown, *(["..."] if len(told) > _TOLD else [])])
