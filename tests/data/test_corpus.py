"""Corpora: the same documents from any packing, a folder or the hub; damage is told."""

import gzip
import lzma
import os
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import datasets
import pytest

from zoo.data.corpus import HubText, TextFile, documents
from zoo.errors import DataError

TEXT = "\ufeffa b\nc\n\n\n d e f \r\n \t \ng caf\u00e9\n"
DOCUMENTS = ["a b\nc", "d e f", "g caf\u00e9"]


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".txt", bytes), (".txt.gz", gzip.compress), (".txt.xz", lzma.compress)]
)
def test_documents_end_at_blank_lines_in_any_packing(
    suffix: str, pack: object, tmp_path: Path
) -> None:
    """A paragraph is a line; byte order marks, CRLF and spaces around lines do not count."""
    file = tmp_path / f"corpus{suffix}"
    file.write_bytes(pack(TEXT.encode()))
    assert list(documents(TextFile(file))) == DOCUMENTS


def test_folder_gives_its_files_in_order_and_skips_other_kinds(tmp_path: Path) -> None:
    """A document never runs on into the next file."""
    (tmp_path / "b.txt").write_text("second")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"first"))
    (tmp_path / "README.md").write_text("not text of the corpus")
    assert list(documents(TextFile(tmp_path))) == ["first", "second"]


def test_hub_rows_are_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The column is streamed at the pinned revision; empty rows are no documents."""
    rows = {"text": ["a b\n\nc", " ", "d "], "id": [1, 2, 3]}
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "hub.parquet")
    whole = datasets.Dataset.from_parquet(str(tmp_path / "hub.parquet"), cache_dir=str(tmp_path))
    calls: list[object] = []

    def load(*names: object, **named: object) -> datasets.IterableDataset:
        calls.append((names, named))
        return whole.to_iterable_dataset()

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert list(documents(HubText("some/corpus", "en", "abc"))) == ["a b\n\nc", "d"]
    named = {"split": "train", "revision": "abc", "streaming": True}
    assert calls == [(("some/corpus", "en"), named)]
    expected = (
        "some/corpus (configuration 'en', split 'train', revision 'abc'): no column 'body'; there "
        "are text, id\n  allowed: the columns body\n"
    )
    with pytest.raises(DataError, match=f"^{re.escape(expected)}"):
        list(documents(HubText("some/corpus", "en", "abc", column="body")))


def test_hub_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that fails says what to do instead of a traceback."""

    def load(*_: object, **__: object) -> Iterator[dict[str, str]]:
        yield {"text": "a"}
        raise ConnectionError("gone")

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(DataError, match="cannot be read from the hub: gone\n  fix: set ZOO_DATA"):
        list(documents(HubText("some/corpus", None, "abc")))


DAMAGED = {
    "cut.txt.xz": (lzma.compress(TEXT.encode() * 50)[:-30], "Compressed file ended before"),
    "cut.txt.gz": (gzip.compress(TEXT.encode() * 50)[:-9], "Compressed file ended before"),
    "not.txt.xz": (b"plain text", "Input format not supported by decoder"),
    "not.txt.gz": (b"plain text", "Not a gzipped file (b'pl')"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_named(name: str, tmp_path: Path) -> None:
    """Packed files that are cut off or are something else."""
    content, given = DAMAGED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        list(documents(TextFile(tmp_path / name)))
    assert str(error.value).startswith(f"{tmp_path / name}: cannot be read: {given}")
    assert str(error.value).endswith("\n  fix: download the file again: it is truncated or damaged")


def test_bytes_that_are_not_utf8_are_told_by_line(tmp_path: Path) -> None:
    """File and line."""
    (tmp_path / "a.txt").write_bytes(b"fine\n\ncaf\xe9\n")
    with pytest.raises(DataError, match=r"a\.txt:3: byte 0xe9 is not UTF-8\n"):
        list(documents(TextFile(tmp_path / "a.txt")))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("absent.txt", "there is no such file or folder"),
        ("a.zip", "a file of another kind"),
        ("folder", "this folder contains no text files"),
    ],
)
def test_paths_without_text_are_told(name: str, given: str, tmp_path: Path) -> None:
    """What is there, which kinds are read, what to do."""
    (tmp_path / "a.zip").write_bytes(b"PK")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError) as error:
        list(documents(TextFile(tmp_path / name)))
    assert str(error.value) == (
        f"{tmp_path / name}: {given}\n  allowed: .txt, .txt.gz, .txt.xz\n"
        "  fix: name a text file or a folder of text files"
    )


def test_real_corpus_is_read_as_a_stream() -> None:
    """The packed corpus gives its first documents without being unpacked whole."""
    named = os.environ.get("ZOO_DATA")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "data"
    if not (folder / "corpus").is_dir():
        pytest.skip("real data is absent: set ZOO_DATA")
    texts = list(islice(documents(TextFile(folder / "corpus")), 300))
    assert len(texts) == 300
    assert all(text == text.strip() and "\n\n" not in text for text in texts)
    assert sum(map(sys.getsizeof, texts)) < 1 << 23


@pytest.mark.parametrize("pack", [None, "gz", "xz"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_separators(pack: str | None, end: str, tmp_path: Path) -> None:
    """CR ends lines where there is no LF; U+2028 and U+0085 end none."""
    text = end.join(["\ufeffa\u2028b", "c\x85d", "", " \t", "e"]) + end
    packed = {None: bytes, "gz": gzip.compress, "xz": lzma.compress}[pack](text.encode())
    file = tmp_path / ("c.txt" + (f".{pack}" if pack else ""))
    file.write_bytes(packed)
    assert list(documents(TextFile(file))) == ["a\u2028b\nc\x85d", "e"]


UTF8 = "allowed: UTF-8, with or without a byte order mark\n  fix: "
NUL = f"contains a NUL character\n  {UTF8}convert the file to UTF-8: it may be UTF-16 or binary"
PACKED = "\n  allowed: .txt, .txt.gz, .txt.xz\n  fix: "
ENDED = (
    "FILE: cannot be read: Compressed file ended before the end-of-stream marker was reached\n"
    "  fix: download the file again: it is truncated or damaged"
)
LATIN = f"byte 0xe9 is not UTF-8\n  {UTF8}download the file again, or convert it to UTF-8"
GZIPPED, XZIPPED = gzip.compress(b"a b c\n" * 1000), lzma.compress(b"a b c\n" * 1000)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("c.txt", b"a\nb\0c\n", f"FILE:2: {NUL}"),
        ("c.txt", "a b".encode("utf-16-be"), f"FILE:1: {NUL}"),
        ("c.txt", b"a\n\xe9\n", f"FILE:2: {LATIN}"),
        ("c.txt", GZIPPED, f"FILE: is named .txt, but packed as gz{PACKED}rename it to .txt.gz"),
        (
            "c.txt.gz",
            XZIPPED,
            f"FILE: is named .txt.gz, but packed as xz{PACKED}rename it to .txt.xz",
        ),
        ("c.txt.xz", b"PK\3\4.", f"FILE: is named .txt.xz, but packed as zip{PACKED}unpack it"),
        ("c.txt.gz", GZIPPED[:40], ENDED),
        ("c.txt.xz", XZIPPED[:40], ENDED),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("c.") else "",
)  # fmt: skip
def test_what_is_no_text_is_told(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    """Each whole message."""
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError) as error:
        list(documents(TextFile(file)))
    assert str(error.value).replace(str(file), "FILE") == told
