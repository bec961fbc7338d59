"""What a teacher answers to the sequences of a data set, kept in scratch as plain numbers.

answers/<suite>/<teacher>/<task>/<seed>/   of one checkpoint; locked while something is added
  <key>/index.json                         what it is of, and the sha256 of every file
  <key>/hidden-3-real.bin                  one place of the teacher, sequence after sequence

Files are added whole and never changed. One whose bytes are not those of the index, or that belongs
to another key, is as good as missing; removing any of it is safe at any time.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from zoo.disk import reported
from zoo.distil.term import Positions
from zoo.errors import ZooError
from zoo.models.tap import Tap
from zoo.paths import file_sha256, write_file
from zoo.spec.base import Sha256, Spec, canonical, digest

_INDEX = "index.json"


class KeptPart(NamedTuple):
    """One place of a teacher, at some positions of every sequence."""

    tap: Tap
    positions: Positions

    @property
    def file(self) -> str:
        """Its file."""
        return f"{self.tap.site}-{self.tap.layer}-{self.positions}.bin"


class StoreIndex(Spec):
    """What a store is of, and the files that it holds."""

    key: dict[str, str]
    steady: bool = True
    """Whether sequences get the same numbers in every batch; else nothing is kept."""
    files: dict[str, Sha256] = Field(default_factory=dict)


class TeacherStore:
    """The files that belong to one key."""

    def __init__(self, checkpoint: Path, key: Mapping[str, str]) -> None:
        self._checkpoint = checkpoint
        self._key = dict(key)
        self._folder = checkpoint / digest(self._key)[:16]
        self._mapped: dict[KeptPart, Tensor] = {}

    @property
    def steady(self) -> bool:
        """Whether its sequences get the same numbers in every batch, as far as is known."""
        return self._index().steady

    def opened(self, parts: Collection[KeptPart], dtype: torch.dtype) -> dict[KeptPart, Tensor]:
        """Those of `parts` that are there and sound, memory-mapped, each as one row of numbers."""
        files = self._index().files
        for part in parts:
            path = self._folder / part.file
            try:
                if part not in self._mapped and file_sha256(path) == files.get(part.file):
                    self._mapped[part] = _mapped(path, dtype)
            except (OSError, ZooError):
                continue  # not there, or not readable: it is made again
        self._note_use()
        return {part: self._mapped[part] for part in parts if part in self._mapped}

    @contextmanager
    def building(self) -> Iterator[None]:
        """Hold the lock of the checkpoint: whoever comes second waits, and finds what it wanted.

        What was left by an earlier checkpoint at this place, or by a killed builder, is removed.
        """
        with reported(self._checkpoint):
            self._checkpoint.mkdir(parents=True, exist_ok=True)
            # The folder itself: it needs no file that somebody would have to remove.
            handle = os.open(self._checkpoint, os.O_RDONLY)
        try:
            with reported(self._checkpoint):
                fcntl.flock(handle, fcntl.LOCK_EX)
                self._remove_stale()
            yield
        finally:
            os.close(handle)

    @contextmanager
    def adding(self, parts: Collection[KeptPart]) -> Iterator[Mapping[KeptPart, "Writer"]]:
        """Writers of new files, which are there once the block ends without an error."""
        with reported(self._folder):
            self._folder.mkdir(exist_ok=True)
        writers = {part: Writer(self._folder / f".{part.file}") for part in parts}
        try:
            with reported(self._folder):
                yield writers
                for writer in writers.values():
                    writer.close()
        except BaseException:
            for writer in writers.values():
                writer.discard()
            raise
        for part, writer in writers.items():
            writer.path.replace(self._folder / part.file)
        hashes = {part.file: writer.sha256 for part, writer in writers.items()}
        self._write(StoreIndex(key=self._key, files=self._index().files | hashes))

    def refuse(self) -> None:
        """Remove all files and note that there is nothing to keep: numbers depend on the batch."""
        for path in self._folder.glob("*.bin"):
            path.unlink()
        self._write(StoreIndex(key=self._key, steady=False))

    def room(self) -> int:
        """Bytes that the disk has left."""
        return shutil.disk_usage(self._checkpoint).free

    def bound(self, most_bytes: int) -> None:
        """Remove the stores that were not used for longest, until all hold at most `most_bytes`."""
        others = self._checkpoint.parents[3].glob(f"*/*/*/*/*/{_INDEX}")
        oldest = sorted((path for path in others if path.parent != self._folder), key=_used)
        held = _size(self._folder) + sum(_size(path.parent) for path in oldest)
        for path in oldest:
            if held <= most_bytes:
                return
            held -= _size(path.parent)
            shutil.rmtree(path.parent, ignore_errors=True)

    def _index(self) -> StoreIndex:
        """The index, empty where there is none of this key."""
        found = _read(self._folder)
        return found if found and found.key == self._key else StoreIndex(key=self._key)

    def _write(self, index: StoreIndex) -> None:
        write_file(self._folder / _INDEX, canonical(index) + "\n")

    def _note_use(self) -> None:
        try:
            os.utime(self._folder / _INDEX)
        except OSError:
            return  # there is none yet, or it is not ours to touch

    def _remove_stale(self) -> None:
        for folder in self._checkpoint.iterdir():
            index = _read(folder)
            if index is None or index.key.get("teacher") != self._key["teacher"]:
                shutil.rmtree(folder, ignore_errors=True)
        for left in self._folder.glob(".*.bin"):
            left.unlink()


class Writer:
    """A file that grows, and its sha256."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb")
        self._sha256 = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of all that was written."""
        return self._sha256.hexdigest()

    def append(self, values: Tensor) -> None:
        """Write more numbers."""
        raw = values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        self._file.write(raw.data)
        self._sha256.update(raw.data)

    def mapped(self, dtype: torch.dtype) -> Tensor:
        """What was written so far."""
        self._file.flush()
        return _mapped(self.path, dtype)

    def close(self) -> None:
        """Write out the rest."""
        self._file.close()

    def discard(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
        self._file.close()


def _mapped(path: Path, dtype: torch.dtype) -> Tensor:
    size = path.stat().st_size // dtype.itemsize
    return torch.from_file(str(path), shared=False, size=size, dtype=dtype)


def _read(folder: Path) -> StoreIndex | None:
    try:
        return StoreIndex.model_validate_json((folder / _INDEX).read_bytes())
    except (OSError, ValueError):
        return None


def _used(index: Path) -> float:
    try:
        return index.stat().st_mtime
    except OSError:
        return 0.0


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except OSError:
        return 0
