"""What this machine has computed or checked before, by what it was made of and by which code.

Nothing here is published or taken from elsewhere: it only spares doing the same again.
"""

from functools import cache
from pathlib import Path
from types import ModuleType

from zoo.errors import ZooError
from zoo.paths import file_sha256, write_file
from zoo.spec.base import digest


@cache
def package_sha256(package: ModuleType) -> str:
    """sha256 of the code of a package."""
    folder = Path(str(package.__file__)).parent
    return digest([file_sha256(file) for file in sorted(folder.glob("*.py"))])


class Seen:
    """The keys of what was found sound, a line each, in one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._keys = set(file.read_text(encoding="utf-8").split())
        except (OSError, UnicodeDecodeError):
            self._keys = set()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def keep(self, keys: set[str]) -> None:
        """Remember these keys and no others; a machine that cannot checks again next time."""
        if keys != self._keys:
            try:
                write_file(self._file, "".join(f"{key}\n" for key in sorted(keys)))
            except ZooError:
                return
            self._keys = keys
