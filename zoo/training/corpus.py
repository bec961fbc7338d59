"""A declared corpus as blocks of tokens: tokenised once per tokenizer, cached in scratch."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from zoo.data import corpus, pocket
from zoo.data.batches import CorpusFeed
from zoo.data.corpus import Blocks, HubText, Shards, TextFile
from zoo.data.pieces import tokenizer_digest
from zoo.data.sequences import Documents
from zoo.errors import DataError, Problem
from zoo.paths import Project, data_folder, file_sha256
from zoo.resolve.plan import Phase
from zoo.spec.base import content, digest
from zoo.spec.corpus import Corpus, FolderCorpus, PocketCorpus


@dataclass(frozen=True)
class Fold:
    """A part of a corpus: every n-th document, which is held out, or all others."""

    every: int
    held_out: bool

    def of(self, documents: Iterable[str]) -> Iterator[str]:
        """The documents of this part."""
        for number, document in enumerate(documents, start=1):
            if (number % self.every == 0) is self.held_out:
                yield document

    def limit(self, most: int | None) -> int | None:
        """The tokens to read, where training reads at most `most`: about the same documents."""
        return most and max(1, most // (self.every - 1)) if self.held_out else most


def corpus_documents(declared: Corpus) -> Iterator[str]:
    """The documents of a declared corpus.

    Raises:
        DataError: its files are not there.
    """
    if isinstance(declared, PocketCorpus):
        return pocket.corpus(declared.documents, declared.seed)
    if isinstance(declared, FolderCorpus):
        return corpus.documents(TextFile(_declared_path(declared)))
    source = HubText(
        declared.id, declared.config, declared.revision, declared.split, declared.column
    )
    return corpus.documents(source)


def corpus_blocks(
    declared: Corpus,
    tokenizer: PreTrainedTokenizerBase,
    scratch: Path,
    *,
    length: int,
    pair: bool,
    fold: Fold | None = None,
) -> Blocks | Documents:
    """The corpus, or a fold of it, in blocks of `length` tokens; `pair`: of two segments each.

    Packed blocks without `pair` have no separator within; documents keep those of their sentences.
    """
    cut = content(declared)
    identity = digest(
        [
            *(cut, corpus_sha256(declared), tokenizer_digest(tokenizer)),
            *([asdict(fold)] if fold else []),
        ]
    )
    folder = scratch / "shards" / identity[:16]
    if (folder / "index.json").is_file():
        shards = Shards.open(folder, tokenizer)
    else:
        limit = None if isinstance(declared, PocketCorpus) else declared.max_tokens
        texts = _texts(declared, tokenizer)
        if fold is not None:
            texts, limit = fold.of(texts), fold.limit(limit)
        shards = corpus.write_shards(texts, tokenizer, folder, max_tokens=limit)
    if declared.packing == "documents":
        return Documents(shards, length, pair)
    return shards.blocks(length, pair)


def _texts(declared: Corpus, tokenizer: PreTrainedTokenizerBase) -> Iterator[str]:
    """The documents as they are tokenised: with separators between lines that stay sentences."""
    for document in corpus_documents(declared):
        if declared.packing == "documents":
            yield document.replace("\n", f" {tokenizer.sep_token} ")
        else:
            yield document


def corpus_sha256(declared: Corpus) -> str:
    """Identity of a corpus' text, whatever is declared of it.

    Files count as they lie, packed or not; a data set of the hub by its commit, which cannot
    change.

    Raises:
        DataError: its files are not there.
    """
    if isinstance(declared, PocketCorpus):
        whole = hashlib.sha256()
        for document in corpus_documents(declared):
            whole.update(f"{document}\0".encode())
        return whole.hexdigest()
    if isinstance(declared, FolderCorpus):
        return digest([file_sha256(file) for file in corpus.text_files(_declared_path(declared))])
    return digest(declared.model_dump(mode="json", exclude={"packing", "max_tokens"}))


def _declared_path(declared: FolderCorpus) -> Path:
    folder = data_folder()
    if folder is None:
        raise DataError(
            Problem(
                f"corpus {declared.path}",
                "ZOO_DATA is not set",
                remedy="set ZOO_DATA to the folder that contains it",
            )
        )
    return folder / declared.path


def corpus_feed(
    project: Project,
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerBase,
    seed: int,
    *,
    pair: bool,
    fold: Fold | None = None,
) -> Callable[[Phase], CorpusFeed]:
    """The batches of each phase that reads a corpus; with `pair` two segments a sequence."""

    def feed(phase: Phase) -> CorpusFeed:
        length = phase.optimise.max_length
        blocks = corpus_blocks(
            corpus, tokenizer, project.scratch, length=length, pair=pair, fold=fold
        )
        masking = phase.stage.masking
        return CorpusFeed(
            blocks,
            tokenizer,
            phase.optimise.batch_size,
            seed,
            (masking.fraction, masking.smoothing),
        )

    return feed
