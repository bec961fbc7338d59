"""What a teacher answers to the sequences of a data set, kept in scratch as plain numbers.

answers/<suite>/<teacher>/<task>/<seed>/   of one checkpoint; locked while files come or go
  <key>/index.json                         what it is of, and the sha256 of every whole file
  <key>/hidden-3-real.bin                  one place of the teacher, sequence after sequence
  <key>/.logits-0-first.bin, .known        a file that grows, and which sequences are in it

Trainings that need the same file fill it together; one that has every sequence is hashed, gets its
name and never changes. A file whose bytes are not those of the index, or that belongs to another
key, is as good as missing, and so is a growing one that nobody fills; removing any of it is safe at
any time.
"""

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from zoo.disk import reported
from zoo.distil.term import Positions
from zoo.errors import ZooError
from zoo.locks import taken
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
    """What a store is of, and the whole files that it holds."""

    key: dict[str, str]
    steady: bool | None = None
    """Whether sequences get the same numbers in every batch, once it was tried; if not, nothing is
    kept."""
    files: dict[str, Sha256] = Field(default_factory=dict)


@dataclass(frozen=True)
class KeptFile:
    """The numbers of one part as one row, and (N,) which of the N sequences are among them.

    Both are mapped where the file grows: whatever a process adds, the others have.
    """

    values: Tensor
    known: Tensor
    lock: BinaryIO | None = None
    """Says that somebody fills it, for as long as it is open; None for a whole file."""


class TeacherStore:
    """The files that belong to one key: of `sequences` sequences, in one type of numbers."""

    def __init__(
        self, checkpoint: Path, key: Mapping[str, str], sequences: int, dtype: torch.dtype
    ) -> None:
        self._checkpoint = checkpoint
        self._key = dict(key)
        self._folder = checkpoint / digest(self._key)[:16]
        self._sequences, self._dtype = sequences, dtype
        self._files: dict[KeptPart, KeptFile] = {}

    @property
    def steady(self) -> bool | None:
        """Whether its sequences get the same numbers in every batch; None as long as untried."""
        return self._index().steady

    def whole(self, parts: Collection[KeptPart]) -> dict[KeptPart, KeptFile]:
        """Those of `parts` that are there and sound, memory-mapped; verified once."""
        hashes = self._index().files
        for part in parts:
            path = self._folder / part.file
            try:
                if part not in self._files and file_sha256(path) == hashes.get(part.file):
                    known = torch.ones(self._sequences, dtype=torch.uint8)
                    self._files[part] = KeptFile(_mapped(path, self._dtype, shared=False), known)
            except (OSError, ZooError):
                continue  # not there, or not readable: it is made again
        self._note_use()
        return {part: self._files[part] for part in parts if part in self._files}

    def files(self, parts: Collection[KeptPart]) -> dict[KeptPart, KeptFile]:
        """Those that were opened."""
        return {part: self._files[part] for part in parts}

    def growing(self, sizes: Mapping[KeptPart, int]) -> dict[KeptPart, KeptFile]:
        """Files to fill, of so many numbers each, or what others have filled of them so far.

        Raises:
            ZooError: the disk refuses them.
        """
        with self._locked():
            self._remove_stale()
            # Whoever filled them may have ended before the lock was ours.
            found = self.whole(sizes)
            lacking = {part: size for part, size in sizes.items() if part not in found}
            with reported(self._folder):
                self._folder.mkdir(exist_ok=True)
                self._files |= {part: self._begun(part, size) for part, size in lacking.items()}
            index = self._index()
            gone = {part.file for part in lacking}
            left = {name: each for name, each in index.files.items() if name not in gone}
            self._write(index.model_copy(update={"files": left}))
        return self.files(sizes)

    def seal(self, part: KeptPart) -> None:
        """Make a growing file that has every sequence a whole one.

        Raises:
            ZooError: the disk refuses, or somebody removed it.
        """
        with self._locked():
            index = self._index()
            if part.file not in index.files:
                growing = self._folder / f".{part.file}"
                hashed = {part.file: file_sha256(growing)}
                growing.replace(self._folder / part.file)
                _flags(growing).unlink(missing_ok=True)
                self._write(index.model_copy(update={"files": index.files | hashed}))
        filled = self._files[part]
        if filled.lock is not None:
            filled.lock.close()
        self._files[part] = KeptFile(filled.values, filled.known)

    def tried(self, *, steady: bool) -> None:
        """Note whether sequences get the same numbers in every batch; if not, remove all files.

        Raises:
            ZooError: the disk refuses.
        """
        with self._locked():
            index = self._index()
            if not steady:
                for path in [*self._folder.glob("*.bin"), *self._folder.glob(".*.known")]:
                    path.unlink()
                index = StoreIndex(key=self._key)
            self._write(index.model_copy(update={"steady": steady}))

    def room(self) -> int:
        """Bytes that the disk has left."""
        return shutil.disk_usage(_standing(self._checkpoint)).free

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

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of the checkpoint, for as long as files come or go."""
        with reported(self._checkpoint):
            self._checkpoint.mkdir(parents=True, exist_ok=True)
            # The folder itself: it needs no file that somebody would have to remove.
            handle = os.open(self._checkpoint, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)

    def _begun(self, part: KeptPart, size: int) -> KeptFile:
        path = self._folder / f".{part.file}"
        lock = _flags(path).open("a+b")
        if taken(lock):
            # What stands there was left by a process that was killed: it is not trusted.
            _reserve(lock, self._sequences)
            with path.open("wb") as file:
                _reserve(file, size * self._dtype.itemsize)
        fcntl.flock(lock, fcntl.LOCK_SH)
        known = _mapped(_flags(path), torch.uint8, shared=True)
        return KeptFile(_mapped(path, self._dtype, shared=True), known, lock)

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
        """Remove what an earlier checkpoint at this place left, or a process that was killed."""
        for folder in self._checkpoint.iterdir():
            index = _read(folder)
            if index is None or index.key.get("teacher") != self._key["teacher"]:
                shutil.rmtree(folder, ignore_errors=True)
        for flags in self._folder.glob(".*.known"):
            with flags.open("rb") as lock:
                if taken(lock):
                    flags.with_suffix(".bin").unlink(missing_ok=True)
                    flags.unlink()


def _flags(growing: Path) -> Path:
    return growing.with_suffix(".known")


def _reserve(file: BinaryIO, size: int) -> None:
    """Make a file of zeros; of a hole in it, a full disk would be a fatal signal when written."""
    file.truncate(0)
    os.posix_fallocate(file.fileno(), 0, size)


def _mapped(path: Path, dtype: torch.dtype, *, shared: bool) -> Tensor:
    size = path.stat().st_size // dtype.itemsize
    return torch.from_file(str(path), shared=shared, size=size, dtype=dtype)


def _standing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return folder if folder.exists() else _standing(folder.parent)


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
