"""A tokenised corpus on disk: memory-mapped shards of token ids, and packed blocks of them.

index.json         what the shards hold, and which tokenizer made them
documents.npy      int64: where each document begins in the stream of all tokens
shard-00000.npy    uint16, or uint32 for vocabularies above 65,536 pieces; little-endian
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from transformers import PreTrainedTokenizerBase

from zoo.data.pieces import tokenizer_digest
from zoo.data.reading import refuse
from zoo.errors import DataError, Problem, at
from zoo.files import read_file

SHARD_TOKENS = 1 << 24
_REMEDY = "tokenise the corpus again"

StoredArray = NDArray[np.generic]


class _Shard(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    tokens: int


class _Index(BaseModel):
    """What `index.json` says; `tokenizer` is the digest of the tokenizer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str
    vocabulary: int
    tokenizer: str
    cls_id: int
    sep_id: int
    tokens: int
    documents: int
    shards: tuple[_Shard, ...]


@dataclass(frozen=True)
class Block:
    """One packed block: (length,) piece ids and segment ids, both int64."""

    input_ids: NDArray[np.int64]
    token_type_ids: NDArray[np.int64]


class ShardWriter:
    """Collects the pieces of documents and writes a shard whenever enough have come together."""

    def __init__(self, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokens = 0
        self._folder = folder
        self._tokenizer = tokenizer
        self._dtype = np.dtype("<u2" if len(tokenizer) <= 1 << 16 else "<u4")
        self._starts: list[int] = []
        self._waiting: list[StoredArray] = []
        self._shards: list[_Shard] = []
        self._cls_id, self._sep_id = _frame_ids(tokenizer)

    def add(self, ids: list[int]) -> None:
        """Append a document; one without pieces is none."""
        if not ids:
            return
        self._starts.append(self.tokens)
        self._waiting.append(np.array(ids, dtype=self._dtype))
        self.tokens += len(ids)
        if self.tokens - sum(shard.tokens for shard in self._shards) >= SHARD_TOKENS:
            self._flush()

    def close(self) -> None:
        """Write what is left, then the index."""
        self._flush()
        np.save(self._folder / "documents.npy", np.array(self._starts, "<i8"), allow_pickle=False)
        index = _Index(
            dtype=self._dtype.str,
            vocabulary=len(self._tokenizer),
            tokenizer=tokenizer_digest(self._tokenizer),
            cls_id=self._cls_id,
            sep_id=self._sep_id,
            tokens=self.tokens,
            documents=len(self._starts),
            shards=tuple(self._shards),
        )
        (self._folder / "index.json").write_text(index.model_dump_json(indent=2) + "\n")

    def _flush(self) -> None:
        if not self._waiting:
            return
        pieces = np.concatenate(self._waiting)
        name = f"shard-{len(self._shards):05}.npy"
        np.save(self._folder / name, pieces, allow_pickle=False)
        self._shards.append(_Shard(name=name, tokens=len(pieces)))
        self._waiting = []


@dataclass(frozen=True)
class Shards:
    """A tokenised corpus, mapped into memory.

    `documents` (D,) are the tokens that documents begin at, counted over all shards, rising from 0.
    """

    folder: Path
    tokens: int
    vocabulary: int
    tokenizer: str
    cls_id: int
    sep_id: int
    documents: NDArray[np.int64] = field(repr=False, compare=False)
    arrays: tuple[StoredArray, ...] = field(repr=False, compare=False)

    @classmethod
    def open(cls, folder: Path, tokenizer: PreTrainedTokenizerBase | None = None) -> "Shards":
        """Open a folder that `write_shards` wrote; `tokenizer` must be the one it was given.

        Raises:
            DataError: a file is missing, truncated or does not fit the index, or another tokenizer
                made the shards; all problems of the folder at once.
        """
        index = _read_index(folder / "index.json")
        problems: list[Problem] = []
        if tokenizer is not None and tokenizer_digest(tokenizer) != index.tokenizer:
            problems.append(_foreign(folder, index, tokenizer))
        wanted = [(shard.name, index.dtype, shard.tokens) for shard in index.shards]
        wanted.append(("documents.npy", "<i8", index.documents))
        arrays = [_mapped(folder / name, dtype, size, problems) for name, dtype, size in wanted]
        if sum(shard.tokens for shard in index.shards) != index.tokens:
            given = f"{index.tokens} tokens, not the sum of the shards"
            problems.append(Problem(at(folder / "index.json"), given, remedy=_REMEDY))
        refuse(problems, str(folder))
        *pieces, documents = arrays
        return cls(
            folder=folder,
            tokens=index.tokens,
            vocabulary=index.vocabulary,
            tokenizer=index.tokenizer,
            cls_id=index.cls_id,
            sep_id=index.sep_id,
            documents=documents.astype(np.int64),
            arrays=tuple(pieces),
        )

    def blocks(self, length: int, pair: bool) -> "Blocks":
        """The corpus as blocks of `length` tokens, a remainder left out.

        Documents follow each other without a mark. A block is [CLS] a [SEP], or with `pair`
        [CLS] a [SEP] b [SEP] in two segments (for models with two segment embeddings).

        Raises:
            DataError: the corpus does not fill one block.
        """
        blocks = Blocks(self, length, pair)
        if not 2 <= blocks.body <= self.tokens:
            raise DataError(
                Problem(
                    str(self.folder),
                    f"{self.tokens} tokens of text do not fill a block of {length}",
                    f"a length from {length - blocks.body + 2} to "
                    f"{length - blocks.body + self.tokens}",
                    "provide more text or a shorter length",
                )
            )
        return blocks

    def pieces(self, begin: int, end: int) -> NDArray[np.int64]:
        """The tokens from `begin` to `end` of the stream of all documents; (end - begin,)."""
        parts = []
        bounds = self._bounds
        for number in range(bisect_right(bounds, begin) - 1, len(self.arrays)):
            if bounds[number] >= end:
                break
            low, high = max(begin - bounds[number], 0), end - bounds[number]
            parts.append(self.arrays[number][low:high])
        return np.concatenate(parts).astype(np.int64)

    @property
    def _bounds(self) -> list[int]:
        return list(accumulate((len(array) for array in self.arrays), initial=0))


@dataclass(frozen=True)
class Blocks:
    """Packed blocks of a corpus, by index."""

    shards: Shards
    length: int
    pair: bool

    @property
    def body(self) -> int:
        """Tokens of text in a block: all but the special ones."""
        return self.length - (3 if self.pair else 2)

    def __len__(self) -> int:
        return self.shards.tokens // self.body

    def __getitem__(self, index: int) -> Block:
        if not 0 <= index < len(self):
            raise IndexError(index)
        text = self.shards.pieces(index * self.body, (index + 1) * self.body)
        cls_id, sep_id = [self.shards.cls_id], [self.shards.sep_id]
        cut = self._cut(index) if self.pair else self.body
        second = [text[cut:], sep_id] if self.pair else []
        ids = np.concatenate([cls_id, text[:cut], sep_id, *second])
        return Block(ids, (np.arange(self.length) >= cut + 2).astype(np.int64))

    def _cut(self, index: int) -> int:
        """Between a quarter and three quarters, spread by Knuth's multiplicative hash."""
        spread = max(1, self.body // 2)
        return max(1, self.body // 4) + ((index * 2654435761 % (1 << 32)) * spread >> 32)


def _frame_ids(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    cls_id, sep_id = tokenizer.cls_token_id, tokenizer.sep_token_id
    if cls_id is None or sep_id is None:
        raise DataError(
            Problem(
                f"tokenizer {tokenizer.name_or_path or 'without a name'}",
                "it has no classifier token or no separator token",
                "a tokenizer of the BERT, RoBERTa, DistilBERT or ELECTRA family",
            )
        )
    return cls_id, sep_id


def _read_index(file: Path) -> _Index:
    content = read_file(file, remedy=_REMEDY, error=DataError)
    try:
        return _Index.model_validate_json(content)
    except ValidationError as error:
        problems = [
            Problem(at(file, key=".".join(map(str, each["loc"]))), each["msg"], remedy=_REMEDY)
            for each in error.errors(include_url=False)
        ]
        raise DataError(*problems) from error


def _foreign(folder: Path, index: _Index, tokenizer: PreTrainedTokenizerBase) -> Problem:
    digest = tokenizer_digest(tokenizer)
    return Problem(
        at(folder / "index.json", key="tokenizer"),
        f"made by tokenizer {index.tokenizer[:12]} ({index.vocabulary} tokens), "
        f"read with {digest[:12]} ({len(tokenizer)} tokens)",
        "the tokenizer that made the shards",
        _REMEDY,
    )


def _mapped(file: Path, dtype: str, size: int, problems: list[Problem]) -> StoredArray:
    """The array in `file`, not read yet; what is wrong with it joins `problems`."""
    try:
        array: StoredArray = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        problems.append(Problem(str(file), f"missing or truncated: {error}", remedy=_REMEDY))
        return np.empty(0, dtype)
    if (array.dtype.str, array.shape) != (dtype, (size,)):
        given = f"{array.dtype.str} of shape {array.shape}"
        problems.append(Problem(str(file), given, f"{dtype} of shape ({size},)", _REMEDY))
    return array
