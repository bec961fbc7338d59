"""The files of one suite: read each for itself, with all that is wrong with them."""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from zoo.errors import Problem, SpecError, at
from zoo.paths import Project
from zoo.spec.base import NAME_PATTERN, WORDS, Spec
from zoo.spec.explain import explain
from zoo.spec.finding import Finding
from zoo.spec.yaml import Document, read_yaml

AnySpec = TypeVar("AnySpec", bound=Spec)
SUITE_FILE = "suite.yaml"
ENTRIES, TEACHERS, STUDIES, TASK_FILES = "", "teachers/", "studies/", "tasks/"
"""Where the files of a suite are, below its folder."""


def file_of(place: str, name: str) -> str:
    """The file of a spec, as a suite's documents are named."""
    return f"{place}{name}.yaml"


def spec_names(folder: Path, place: str = ENTRIES) -> list[str]:
    """The specs of a suite in one place; hidden files are editors' and half-written ones."""
    found = sorted((folder / place).glob("[!.]*.yaml"))
    return [path.stem for path in found if (place, path.name) != (ENTRIES, SUITE_FILE)]


class SpecReader:
    """Reads the spec files of a suite and keeps what is wrong with them.

    Files are named by their path below the suite's folder, those of an extended suite too.
    """

    def __init__(self, project: Project, folder: Path, kept: Mapping[str, str]) -> None:
        self.project = project
        self.folder = folder
        self.documents: dict[str, Document] = {}
        self._kept = kept
        self._problems: dict[str, list[Problem]] = {}

    @property
    def problems(self) -> list[Problem]:
        """All problems, file by file as they were read."""
        return [problem for found in self._problems.values() for problem in found]

    def problems_of(self, file: str) -> list[Problem]:
        """What is wrong with one file."""
        return self._problems.get(file, [])

    def read_all(
        self, place: str, model: type[AnySpec], inherited: Mapping[str, AnySpec]
    ) -> dict[str, AnySpec]:
        """The specs of one place that have no errors of their own, and those that none replaces."""
        names = spec_names(self.folder, place)
        read = {name: spec for name, spec in inherited.items() if name not in names}
        for name in names:
            file = file_of(place, name)
            self.check_name(file, name)
            value = self.validated(file, model) if self.read(file, model) else None
            if value is not None:
                read[name] = value
        return {name: read[name] for name in sorted(read, key=partial(file_of, place))}

    def read(self, file: str, model: type[Spec]) -> Document | None:
        """A file that holds a mapping; None if it does not."""
        problems = self._problems.setdefault(file, [])
        shown = self.shown(file)
        try:
            document = read_yaml(self.folder / file, shown)
        except SpecError as error:
            problems.extend(error.problems)
            return None
        if not isinstance(document.content, dict):
            given = "the file is empty" if document.content is None else "this is not a mapping"
            keys = ", ".join(model.model_fields)
            problems.append(Problem(at(shown, 1), given, f"the keys {keys}"))
            return None
        self.documents[file] = document
        return document

    def validated(self, file: str, model: type[AnySpec]) -> AnySpec | None:
        """The spec of a file that was read; None if it has errors."""
        document = self.documents[file]
        try:
            return model.model_validate(document.content, strict=True)
        except ValidationError as error:
            self._problems[file].extend(explain(error, document, model))
            return None

    def keep(self, file: str, problems: Iterable[Problem]) -> None:
        """Keep problems found elsewhere."""
        self._problems.setdefault(file, []).extend(problems)

    def note(self, file: str, found: Iterable[Finding]) -> None:
        """Keep findings on a file, in the order of its lines."""
        document = self.documents[file]
        in_order = sorted(found, key=lambda finding: document.order(finding.path))
        self.keep(file, map(document.problem, in_order))

    def shown(self, file: str) -> str:
        """The name of a file in messages."""
        return self.project.relative(self.folder / file)

    def check_name(self, file: str, name: str) -> None:
        """Refuse a name that no spec can have; `file` is empty for the suite's own."""
        if name in self._kept or not re.fullmatch(NAME_PATTERN, name):
            why = (
                f"is reserved for {self._kept[name]}"
                if name in self._kept
                else "cannot name a spec"
            )
            problem = Problem(self.shown(file), f"{name!r} {why}", WORDS[NAME_PATTERN], "rename it")
            self.keep(file, [problem])

    def refuse_overlooked(self) -> None:
        """Files that look like specs but would never be read."""
        folders = [self.folder / place for place in (ENTRIES, TEACHERS, STUDIES, TASK_FILES)]
        read = {path for folder in folders for path in folder.glob("[!.]*.yaml")}
        for path in sorted(self.folder.rglob("[!.]*")):
            if path.suffix.lower() in (".yml", ".yaml") and path not in read:
                remedy = f"rename it to {path.stem}.yaml" if path.parent in folders else "move it"
                problem = Problem(
                    self.project.relative(path),
                    "this file would be ignored",
                    "<entry>.yaml next to suite.yaml, teachers/<teacher>.yaml, "
                    "studies/<study>.yaml, tasks/<task>.yaml",
                    remedy,
                )
                self.keep(str(path), [problem])
