"""A suite that extends another: its own keys and files, over those of the other suite."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from zoo.errors import SpecError, at, suggestion
from zoo.paths import Project
from zoo.spec.finding import Finding
from zoo.spec.reader import STUDIES, SUITE_FILE, SpecReader
from zoo.spec.yaml import Document, read_yaml

_KEY = "extends"


def stated_extension(document: Document | None) -> str | None:
    """The suite that a suite.yaml names to extend; validation tells of a wrong type."""
    content = document.content if document else None
    stated = content.get(_KEY) if isinstance(content, dict) else None
    return stated if isinstance(stated, str) else None


def refused_extension(stated: str, known: Collection[str], ways: Sequence[str]) -> Finding | None:
    """Why a suite cannot be extended; `ways` are the suites that lead to it, itself the last."""
    if stated not in known:
        near = suggestion(stated, known)
        return Finding((_KEY,), f"there is no suite {stated!r}", ", ".join(known), near)
    if stated in ways:
        circle = " <- ".join((*ways[ways.index(stated) :], stated))
        remedy = "let one of them stand alone"
        return Finding((_KEY,), f"{stated!r} extends itself: {circle}", remedy=remedy)
    return None


def inherit_files(reader: SpecReader, theirs: Mapping[str, Document]) -> None:
    """Give a reader the documents of the extended suite that no own file replaces."""
    own = reader.documents[SUITE_FILE]
    place = at(own.file, own.line((_KEY,)))
    reader.documents[SUITE_FILE] = own.over(
        theirs[SUITE_FILE].inherited_by(place, f"set it in {own.file}")
    )
    for file, document in theirs.items():
        taken = file != SUITE_FILE and not file.startswith(STUDIES)
        if taken and not (reader.folder / file).is_file():
            remedy = f"replace the file by {reader.shown(file)}"
            reader.documents[file] = document.inherited_by(place, remedy)


def extended_folders(project: Project, suite: str) -> Iterator[Path]:
    """The folders of the suites that a suite extends, nearest first, as far as can be read."""
    seen = {suite}
    while True:
        path = project.specs / suite / SUITE_FILE
        try:
            stated = stated_extension(read_yaml(path, str(path)))
        except SpecError:
            return
        if stated is None or stated in seen or not (project.specs / stated).is_dir():
            return
        suite = stated
        seen.add(suite)
        yield project.specs / suite
