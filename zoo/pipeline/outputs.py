"""The outputs of an entry's stages, as DVC names them."""

from pathlib import Path

from zoo.paths import Project


class Outputs:
    """The outputs of an entry's stages as DVC names them: relative to the project's root."""

    def __init__(self, suite: str, entry: str) -> None:
        self._folder = Project(Path()).entry(suite, entry)

    def of(self, what: str, run: str | None = None) -> str:
        """One output: a property of EntryFolder, or a file of one run."""
        found = getattr(self._folder, what)
        path: Path = found(run) if run is not None else found
        return path.as_posix()
