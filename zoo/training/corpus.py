"""A declared corpus as blocks of pieces: tokenised once per tokenizer, kept in scratch."""

from collections.abc import Iterator
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from zoo.data import corpus, pocket
from zoo.data.corpus import Blocks, HubText, Shards, TextFile
from zoo.data.pieces import tokenizer_digest
from zoo.errors import DataError, Problem
from zoo.paths import data_folder
from zoo.spec.base import digest
from zoo.spec.corpus import Corpus, FolderCorpus, PocketCorpus


def corpus_documents(declared: Corpus) -> Iterator[str]:
    """The documents of a declared corpus.

    Raises:
        DataError: its files are not there.
    """
    if isinstance(declared, PocketCorpus):
        return pocket.corpus(declared.documents, declared.seed)
    if isinstance(declared, FolderCorpus):
        folder = data_folder()
        if folder is None:
            raise DataError(
                Problem(
                    f"corpus {declared.path}",
                    "ZOO_DATA is not set",
                    remedy="set ZOO_DATA to the folder that holds it",
                )
            )
        return corpus.documents(TextFile(folder / declared.path))
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
) -> Blocks:
    """The corpus in blocks of `length` pieces; `pair` cuts each into two segments."""
    identity = digest([declared.model_dump(mode="json"), tokenizer_digest(tokenizer)])
    folder = scratch / "shards" / identity[:16]
    if (folder / "index.json").is_file():
        return Shards.open(folder, tokenizer).blocks(length, pair)
    limit = None if isinstance(declared, PocketCorpus) else declared.max_tokens
    shards = corpus.write_shards(corpus_documents(declared), tokenizer, folder, max_tokens=limit)
    return shards.blocks(length, pair)
