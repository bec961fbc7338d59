"""Plain text corpora, read as documents and tokenised once into shards."""

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from zoo.data import hub
from zoo.data.pieces import piece_ids
from zoo.data.reading import decoded, raw_lines
from zoo.data.shards import Block, Blocks, Shards, ShardWriter
from zoo.errors import DataError, Problem, at
from zoo.files import MISSING, unreadable
from zoo.paths import new_folder

__all__ = ["Block", "Blocks", "HubText", "Shards", "TextFile", "documents", "write_shards"]

_OPENERS: dict[str, Callable[[Path], AbstractContextManager[Any]]] = {
    ".txt": lambda path: path.open("rb"),
    ".txt.gz": gzip.open,
    ".txt.xz": lzma.open,
}
_MARKS = {b"\x1f\x8b": ".txt.gz", b"\xfd7zXZ\0": ".txt.xz", b"PK\3\4": ".zip", b"BZh": ".bz2"}
"""What packed files begin with."""
_DAMAGE = (OSError, EOFError, lzma.LZMAError, zlib.error)


@dataclass(frozen=True)
class TextFile:
    """A text file, plain or packed (`.txt`, `.txt.gz`, `.txt.xz`), or a folder of such files."""

    path: Path


@dataclass(frozen=True)
class HubText:
    """A column of a data set of the hub; each row is a document."""

    name: str
    config: str | None
    revision: str
    split: str = "train"
    column: str = "text"


def documents(source: TextFile | HubText) -> Iterator[str]:
    """The documents of a corpus, one after the other; their paragraphs are lines.

    In files a blank line ends a document, and so does the end of the file. The files of a folder
    come in the order of their names; files of other kinds are skipped. Nothing is read ahead.

    Raises:
        DataError: a file is missing, of another kind, damaged or not UTF-8, or the hub fails.
    """
    if isinstance(source, HubText):
        data = hub.HubData(source.name, source.config, source.split, source.revision)
        for text in hub.stream(data, source.column):
            if text.strip():
                yield text.strip()
        return
    for file in text_files(source.path):
        yield from _file_documents(file)


def write_shards(
    documents: Iterable[str],
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    max_tokens: int | None,
) -> Shards:
    """Tokenise `documents` into `folder`, which is replaced as a whole; at most `max_tokens`.

    Tokens are word pieces without special ones; the last document is cut where they end.

    Raises:
        DataError: there is no text, or the tokenizer does not fit it.
    """
    with new_folder(folder) as fresh:
        writer = ShardWriter(fresh, tokenizer)
        for ids in piece_ids(documents, tokenizer):
            left = None if max_tokens is None else max_tokens - writer.tokens
            writer.add(ids[:left])
            if writer.tokens == max_tokens:
                break
        if writer.tokens == 0:
            raise DataError(Problem(str(folder), "the corpus is empty", "at least one document"))
        writer.close()
    return Shards.open(folder, tokenizer)


def text_files(path: Path) -> list[Path]:
    """The files of a corpus, in the order of their names.

    Raises:
        DataError: there are none.
    """
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [file for file in inside if file.is_file() and _kind(file)]
    if files:
        return files
    given = unreadable(path) or "a file of another kind"
    if path.is_dir():
        given = "this folder contains no text files"
    elif given == MISSING:
        given = "there is no such file or folder"
    remedy = "name a text file or a folder of text files"
    raise DataError(Problem(str(path), given, ", ".join(_OPENERS), remedy))


def _kind(file: Path) -> str:
    return next((suffix for suffix in _OPENERS if file.name.endswith(suffix)), "")


def _file_documents(file: Path) -> Iterator[str]:
    for filled, lines in groupby(_lines(file), key=bool):
        if filled:
            yield "\n".join(lines)


def _lines(file: Path) -> Iterator[str]:
    """The stripped lines of `file`; a stream cannot be read on after damage, so it is said here."""
    try:
        _refuse_other_packing(file)
        with _OPENERS[_kind(file)](file) as stream:
            for line, raw in enumerate(raw_lines(stream), start=1):
                text = decoded(raw, file, line)
                if isinstance(text, Problem):
                    raise DataError(text)
                yield text.strip()
    except _DAMAGE as error:
        remedy = "download the file again: it is truncated or damaged"
        raise DataError(Problem(at(file), f"cannot be read: {error}", remedy=remedy)) from error


def _refuse_other_packing(file: Path) -> None:
    """Hold the first bytes against the name; of a text that is not packed its reader tells."""
    kind = _kind(file)
    with file.open("rb") as stream:
        begin = stream.read(max(map(len, _MARKS)))
    found = next((packed for mark, packed in _MARKS.items() if begin.startswith(mark)), kind)
    if found != kind:
        given = f"is named {kind}, but packed as {found.rpartition('.')[2]}"
        remedy = f"rename it to {found}" if found in _OPENERS else "unpack it"
        raise DataError(Problem(at(file), given, ", ".join(_OPENERS), remedy))
