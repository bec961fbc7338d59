"""A corpus is tokenised once, and again only when its text or tokenizer is another."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny
from zoo.data import corpus as corpus_module
from zoo.data import pocket
from zoo.data.corpus import Blocks, Shards
from zoo.data.sequences import Documents
from zoo.errors import DataError
from zoo.spec.corpus import Corpus, FolderCorpus, PocketCorpus
from zoo.training.corpus import corpus_blocks, corpus_documents

TEXT = "\n\n".join(pocket.corpus(8, 0))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The shards that were written."""
    folders: list[Path] = []
    write = corpus_module.write_shards

    def noted(documents: Iterable[str], *given: Any, **stated: Any) -> Shards:
        folders.append(given[-1])
        return write(documents, *given, **stated)

    monkeypatch.setattr(corpus_module, "write_shards", noted)
    return folders


def blocks(declared: Corpus, scratch: Path, length: int = 16) -> Blocks | Documents:
    return corpus_blocks(declared, tiny.tokenizer(), scratch, length=length, pair=True)


def test_the_second_time_is_read_from_scratch(tmp_path: Path, written: list[Path]) -> None:
    """Same blocks; another length is cut from the same shards, another seed is another text."""
    first, again = (blocks(PocketCorpus(documents=10), tmp_path) for _ in range(2))
    assert len(written) == 1
    assert len(first) == len(again) > 0
    assert all(np.array_equal(first[i].input_ids, again[i].input_ids) for i in range(len(first)))
    packed = PocketCorpus(documents=10, packing="blocks")
    assert blocks(packed, tmp_path)[0].input_ids.shape == (16,)
    assert blocks(packed, tmp_path, 24)[0].input_ids.shape == (24,)
    assert len(written) == 2
    blocks(PocketCorpus(documents=10, seed=1), tmp_path)
    assert len(written) == 3


def test_a_changed_generator_or_file_is_read_anew(
    tmp_path: Path, written: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same declaration over another text never finds the old shards."""
    blocks(PocketCorpus(documents=10), tmp_path)
    with monkeypatch.context() as changed:
        other = list(pocket.corpus(10, 5))
        changed.setattr(pocket, "corpus", lambda _documents, _seed: iter(other))
        blocks(PocketCorpus(documents=10), tmp_path)
    assert len(written) == 2
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    (tmp_path / "text.txt").write_text(TEXT)
    declared = FolderCorpus(path="text.txt")
    blocks(declared, tmp_path)
    blocks(declared, tmp_path)
    assert len(written) == 3
    (tmp_path / "text.txt").write_text(TEXT + "\n\nmore")
    os.utime(tmp_path / "text.txt", (1, 1))
    blocks(declared, tmp_path)
    assert len(written) == 4


def test_a_folder_corpus_needs_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which variable to set."""
    monkeypatch.delenv("ZOO_DATA", raising=False)
    with pytest.raises(DataError) as raised:
        list(corpus_documents(FolderCorpus(path="text/all.txt")))
    assert str(raised.value) == (
        "corpus text/all.txt: ZOO_DATA is not set\n"
        "  fix: set ZOO_DATA to the folder that contains it"
    )
