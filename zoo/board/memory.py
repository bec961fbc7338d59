"""A local cache of computations and checks, keyed by their inputs and code.

It is never published or shared: it only saves repeated work.
"""

from functools import cache
from pathlib import Path
from types import ModuleType

from zoo.errors import ZooError
from zoo.paths import file_sha256, write_file
from zoo.spec.base import digest


@cache
def package_sha256(package: ModuleType) -> str:
    """The sha256 of a package's code."""
    folder = Path(str(package.__file__)).parent
    return digest([file_sha256(file) for file in sorted(folder.glob("*.py"))])


class Seen:
    """The keys of passed checks, one per line of a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._keys = set(file.read_text(encoding="utf-8").split())
        except (OSError, UnicodeDecodeError):
            self._keys = set()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def keep(self, keys: set[str]) -> None:
        """Remember exactly these keys; if the file is not writable, they are checked again."""
        if keys != self._keys:
            try:
                write_file(self._file, "".join(f"{key}\n" for key in sorted(keys)))
            except ZooError:
                return
            self._keys = keys
