"""Texts tokenised into word pieces, in batches of bounded size."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tokenizers import Encoding
from transformers import PreTrainedTokenizerBase

from zoo.errors import DataError, Problem

BATCH_CHARACTERS = 1 << 20
UNKNOWN_SHARE = 0.9


def piece_ids(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase) -> Iterator[list[int]]:
    """The piece ids of each text, without special tokens, never truncated.

    Raises:
        DataError: (nearly) all pieces are unknown.
    """
    known = UnknownPieces(tokenizer)
    for batch in _batches(texts):
        _unbounded(tokenizer)
        encodings = tokenizer.backend_tokenizer.encode_batch_fast(batch, add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        known.add(ids)
        yield from ids


def located_pieces(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase) -> Iterator[Encoding]:
    """As `piece_ids`, each text with the character offsets of its pieces (`ids`, `offsets`).

    Raises:
        DataError: (nearly) all pieces are unknown.
    """
    known = UnknownPieces(tokenizer)
    for batch in _batches(texts):
        _unbounded(tokenizer)
        encodings = tokenizer.backend_tokenizer.encode_batch(batch, add_special_tokens=False)
        known.add(encoding.ids for encoding in encodings)
        yield from encodings


@dataclass
class UnknownPieces:
    """Counts unknown pieces: `BertTokenizer(vocab_file=...)` silently knows no words.

    `total` and `unknown` are numbers of pieces, special ones aside.
    """

    tokenizer: PreTrainedTokenizerBase
    total: int = 0
    unknown: int = 0

    def add(self, sequences: Iterable[list[int]]) -> None:
        """Count the pieces of a batch; special tokens do not count.

        Raises:
            DataError: at least nine in ten of all pieces so far are unknown.
        """
        unknown_id = self.tokenizer.unk_token_id
        special = set(self.tokenizer.all_special_ids) - {unknown_id}
        for ids in sequences:
            self.total += len(ids) - sum(ids.count(piece) for piece in special)
            self.unknown += ids.count(unknown_id)
        if self.total and self.unknown >= UNKNOWN_SHARE * self.total:
            raise DataError(
                Problem(
                    f"tokenizer {self.tokenizer.name_or_path or 'without a name'}"
                    f" of {len(self.tokenizer)} tokens",
                    f"{self.unknown} of {self.total} tokens are {self.tokenizer.unk_token}",
                    "a tokenizer whose vocabulary covers the text",
                    "load it with from_pretrained(folder) or BertTokenizer(path); the argument "
                    "vocab_file= is silently ignored",
                )
            )


def special_id(tokenizer: PreTrainedTokenizerBase, role: str) -> int:
    """The number of a special piece, by its role: pad_token, mask_token, ...

    Raises:
        DataError: the tokenizer has none.
    """
    found = getattr(tokenizer, f"{role}_id")
    if not isinstance(found, int):
        raise DataError(
            Problem(
                f"tokenizer {tokenizer.name_or_path or 'without a name'} "
                f"of {len(tokenizer)} tokens",
                f"has no {role}",
                "the special tokens that a stage on text needs",
                f'set "{role}" in its tokenizer_config.json',
            )
        )
    return found


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """The sha256, in hex, of all that decides which pieces a text gets.

    Truncation and padding do not: they are left on the tokenizer by whoever used it last.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["truncation"] = state["padding"] = None
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _unbounded(tokenizer: PreTrainedTokenizerBase) -> None:
    """Undo the truncation that any earlier call may have left on the shared backend."""
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
