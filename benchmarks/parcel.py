"""Files that travel between machines: one archive in parts, and the sha256 of each part and file.

parcel.json    parts and files
part-000       the first bytes of a gzipped tar archive, and so on
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Self

from zoo.errors import Problem, ZooError
from zoo.json_files import read_json
from zoo.paths import file_sha256, write_file

MANIFEST = "parcel.json"
MIB = 1 << 20
_CHUNK = 1 << 20
_AGAIN = "carry the part again, as it was packed"


@dataclass(frozen=True)
class Parcel:
    """What travels: the sha256 of every part, in their order, and of every file, by name."""

    parts: Mapping[str, str]
    files: Mapping[str, str]

    @classmethod
    def read(cls, folders: Sequence[Path]) -> Self:
        """The parcel whose parts lie in some folders.

        Raises:
            ZooError: no folder, or more than one, says what it is.
        """
        found = [folder / MANIFEST for folder in folders if (folder / MANIFEST).is_file()]
        if len(found) != 1:
            where = ", ".join(map(str, folders))
            given = f"{len(found)} files {MANIFEST}"
            raise ZooError(Problem(where, given, "one", "name the folders of one parcel"))
        content = read_json(found[0], dict)
        return cls(dict(content["parts"]), dict(content["files"]))


def pack(files: Mapping[str, Path], folder: Path, part_bytes: int) -> Parcel:
    """Put files into a folder as a parcel, in parts of at most so many bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {name: file_sha256(path) for name, path in files.items()}
    with _Parts(folder, part_bytes) as parts:
        # Weights hardly shrink: text does at any level.
        with gzip.GzipFile("", "wb", 1, parts, 0) as packed:
            _write_archive(files, packed)
        sealed = parts.sealed()
    parcel = Parcel(sealed, hashes)
    stated = {"parts": dict(parcel.parts), "files": dict(parcel.files)}
    write_file(folder / MANIFEST, json.dumps(stated, indent=1) + "\n")
    return parcel


def unpack(folders: Sequence[Path], place: Callable[[str], Path]) -> Parcel:
    """Join the parts, and leave every file where `place` says.

    Every part is checked before anything is written, and every file before it takes its place.

    Raises:
        ZooError: a part is missing, or a part or a file is not what was packed.
    """
    parcel = Parcel.read(folders)
    stream = io.BufferedReader(_Joined(_checked(parcel, folders)), _CHUNK)
    with gzip.GzipFile(fileobj=stream) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        for member in tar:
            _leave(tar, member, parcel, place)
    return parcel


def _write_archive(files: Mapping[str, Path], packed: IO[bytes]) -> None:
    with tarfile.open(fileobj=packed, mode="w|") as tar:
        for name, path in files.items():
            member = tarfile.TarInfo(name)
            member.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(member, file)


def _checked(parcel: Parcel, folders: Sequence[Path]) -> list[Path]:
    """The parts in their order."""
    problems, found = [], []
    for name, wanted in parcel.parts.items():
        paths = [folder / name for folder in folders if (folder / name).is_file()]
        if not paths:
            where = ", ".join(map(str, folders))
            problems.append(Problem(where, f"{name} is missing", remedy="carry it, too"))
        elif (sha256 := file_sha256(paths[0])) != wanted:
            problems.append(Problem(str(paths[0]), f"its sha256 is {sha256}", wanted, _AGAIN))
        else:
            found.append(paths[0])
    if problems:
        raise ZooError(*problems)
    return found


def _leave(
    tar: tarfile.TarFile, member: tarfile.TarInfo, parcel: Parcel, place: Callable[[str], Path]
) -> None:
    name, wanted = member.name, parcel.files.get(member.name)
    content = tar.extractfile(member)
    if wanted is None or content is None or ".." in PurePosixPath(name).parts:
        given = "is in the archive"
        raise ZooError(Problem(name, given, f"the files that {MANIFEST} lists", _AGAIN))
    payload = content.read()
    sha256 = hashlib.sha256(payload).hexdigest()
    if sha256 != wanted:
        raise ZooError(Problem(name, f"its sha256 is {sha256}", wanted, "pack the parcel again"))
    write_file(place(name), payload)


@dataclass
class _Parts(io.RawIOBase):
    """A stream that is written to files of a size."""

    folder: Path
    size: int
    _paths: list[Path] = field(default_factory=list)
    _file: IO[bytes] | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        left = memoryview(data).cast("B")  # type: ignore[arg-type]  # whatever gzip writes
        whole = len(left)
        while len(left):
            room = self.size - (self._file.tell() if self._file else self.size)
            if not room:
                self._next()
                continue
            assert self._file is not None
            left = left[self._file.write(left[:room]) :]
        return whole

    def sealed(self) -> dict[str, str]:
        """The sha256 of every part, once all is written."""
        self.close()
        return {path.name: file_sha256(path) for path in self._paths}

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()

    def _next(self) -> None:
        if self._file is not None:
            self._file.close()
        self._paths.append(self.folder / f"part-{len(self._paths):03}")
        self._file = self._paths[-1].open("wb")


class _Joined(io.RawIOBase):
    """A stream that is read from files, one after the other."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._chunks = _chunks(paths)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # whatever a reader gives
        if not len(self._left):
            self._left = memoryview(next(self._chunks, b""))
        count = min(len(target), len(self._left))
        target[:count], self._left = self._left[:count], self._left[count:]
        return count


def _chunks(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
