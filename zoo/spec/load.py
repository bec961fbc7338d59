"""Reading suites: every problem of every file, each with file, line, key and what is allowed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from zoo.errors import Problem, SpecError, UsageError, at, suggestion
from zoo.paths import Project
from zoo.spec.base import NAME_PATTERN, WORDS, Spec
from zoo.spec.cross import Catalogue, entry_findings, suite_findings, teacher_findings
from zoo.spec.cross_study import Neighbours, study_findings, variant_names
from zoo.spec.cross_tasks import known_tasks, own_task_findings, unknown_tasks
from zoo.spec.data import DataSource, task_of
from zoo.spec.entry import Entry, entry_model
from zoo.spec.explain import explain
from zoo.spec.finding import Finding
from zoo.spec.idle import idle_of_entry, idle_of_suite, idle_of_teacher
from zoo.spec.lineage import Lineage
from zoo.spec.own_task import OwnTask
from zoo.spec.study import Study
from zoo.spec.suite import Suite
from zoo.spec.task import TASKS, Task
from zoo.spec.teacher import Teacher
from zoo.spec.yaml import Document, read_yaml

AnySpec = TypeVar("AnySpec", bound=Spec)
BOARD_PIPELINE, INPUTS_PIPELINE = "board", "inputs"
"""No entry and no teacher may be called so: these are the suite's own pipelines."""


KEPT = {BOARD_PIPELINE: "the suite's tables", INPUTS_PIPELINE: "what the suite reads"}


@dataclass(frozen=True)
class LoadedSuite:
    """One suite with its teachers, entries and studies, validated each for itself and together."""

    name: str
    suite: Suite
    teachers: dict[str, Teacher]
    entries: dict[str, Entry]
    studies: dict[str, Study] = field(default_factory=dict)
    own: Mapping[str, OwnTask] = field(default_factory=dict)
    """The tasks that this suite itself declares."""

    def data_of(self, task: str) -> DataSource:
        """Where a task's examples come from."""
        return self.own[task].data if task in self.own else self.suite.data.of(TASKS[task])

    def definition(self, task: str) -> Task:
        """What a task is."""
        return task_of(task, self.data_of(task))


def suite_names(project: Project) -> list[str]:
    """The suites of a project, by name."""
    return sorted(path.parent.name for path in project.specs.glob("*/suite.yaml"))


def load_suites(project: Project, catalogue: Catalogue) -> dict[str, LoadedSuite]:
    """Load every suite.

    Raises:
        SpecError: with all problems of all files.
    """
    loaded: dict[str, LoadedSuite] = {}
    problems = list(_folders_without_suite(project))
    for name in suite_names(project):
        try:
            loaded[name] = load_suite(project, name, catalogue)
        except SpecError as error:
            problems.extend(error.problems)
    if not loaded and not problems:
        problems.append(
            Problem(str(project.specs), "there is no suite here", "a folder that holds suite.yaml")
        )
    if problems:
        raise SpecError(*problems)
    return loaded


def load_suite(project: Project, name: str, catalogue: Catalogue) -> LoadedSuite:
    """Load one suite.

    Raises:
        UsageError: there is no such suite.
        SpecError: with all problems of all its files.
    """
    known = suite_names(project)
    if name not in known:
        raise UsageError(
            Problem(name, "there is no such suite", ", ".join(known), suggestion(name, known))
        )
    folder = project.specs / name
    reader = _Reader(project, catalogue)
    reader.check_name(folder, name)
    reader.refuse_overlooked(folder)
    suite = reader.read(folder / "suite.yaml", Suite)
    teacher_files = _spec_files(folder / "teachers")
    teachers = reader.read_all(teacher_files, Teacher)
    entry_files = [path for path in _spec_files(folder) if path.name != "suite.yaml"]
    entries = reader.read_all(entry_files, reader.entry_model)
    studies = reader.read_all(_spec_files(folder / "studies"), Study)
    own = reader.read_all(_spec_files(folder / "tasks"), OwnTask)
    if suite is not None and _tasks_fit(reader, folder, suite, own):
        loaded = LoadedSuite(name, suite, teachers, entries, studies, own=own)
        stems = [{path.stem for path in files} for files in (teacher_files, entry_files)]
        _fit_together(reader, folder, loaded, *stems)
        _fit_studies(reader, folder, loaded, *stems)
    if suite is None or reader.problems:
        raise SpecError(*reader.problems)
    return loaded


def _folders_without_suite(project: Project) -> Iterator[Problem]:
    for folder in sorted(project.specs.glob("[!.]*/")):
        if not (folder / "suite.yaml").is_file():
            shown = project.relative(folder)
            yield Problem(
                shown, "there is no suite.yaml here", remedy="add it, or remove the folder"
            )


def _spec_files(folder: Path) -> list[Path]:
    """The YAML files of a folder; hidden ones are editors' and half-written ones."""
    return sorted(folder.glob("[!.]*.yaml"))


def _tasks_fit(reader: "_Reader", folder: Path, suite: Suite, own: Mapping[str, OwnTask]) -> bool:
    """Whether every task is known: with others nothing more can be said."""
    files = _spec_files(folder / "tasks")
    reader.note(folder / "suite.yaml", unknown_tasks(suite, {path.stem for path in files}))
    for name in own:
        reader.note(folder / f"tasks/{name}.yaml", own_task_findings(name, suite))
    return not any(map(reader.problems_of, (folder / "suite.yaml", *files)))


def _fit_together(
    reader: "_Reader",
    folder: Path,
    loaded: LoadedSuite,
    teacher_names: set[str],
    entry_names: set[str],
) -> None:
    """Note what does not fit between files; the names are of all files, also broken ones."""
    suite, teachers = loaded.suite, loaded.teachers
    tasks = known_tasks(loaded.own)
    fit = suite_findings(suite, tasks, entry_names, teacher_names, teachers)
    reader.note(folder / "suite.yaml", chain(fit, idle_of_suite(suite, tasks)))
    lineage = Lineage(teachers, loaded.entries, entry_names, reader.catalogue)
    for key, teacher in teachers.items():
        idle = idle_of_teacher(teacher, suite)
        found = chain(teacher_findings(teacher, suite), lineage.of_teacher(key), idle)
        reader.note(folder / f"teachers/{key}.yaml", found)
    for key, entry in loaded.entries.items():
        broken = entry.teacher in teacher_names and entry.teacher not in teachers
        if not broken:  # a broken teacher is reported in its own file
            own = entry_findings(entry, suite, teachers, reader.catalogue, entry_names, tasks)
            idle = idle_of_entry(entry, suite, teachers, reader.catalogue, tasks)
            reader.note(folder / f"{key}.yaml", chain(own, lineage.of_entry(key), idle))


def _fit_studies(
    reader: "_Reader",
    folder: Path,
    loaded: LoadedSuite,
    teacher_names: set[str],
    entry_names: set[str],
) -> None:
    """Note what does not fit in studies of entries that are right themselves."""
    sound = {
        key: entry
        for key, entry in loaded.entries.items()
        if not reader.problems_of(folder / f"{key}.yaml")
        and not reader.problems_of(folder / f"teachers/{entry.teacher}.yaml")
    }
    taken = {*entry_names, *teacher_names}
    for key, study in loaded.studies.items():
        beside = Neighbours(
            loaded.suite,
            loaded.teachers,
            sound,
            entry_names,
            taken | (set(loaded.studies) - {key}),
            reader.catalogue,
            reader.entry_model,
            known_tasks(loaded.own),
        )
        found = study_findings(key, study, beside)
        reader.note(folder / f"studies/{key}.yaml", found)
        if not found and study.entry in sound:
            taken |= variant_names(key, study)


class _Reader:
    """Reads spec files and keeps what is wrong with them."""

    def __init__(self, project: Project, catalogue: Catalogue) -> None:
        self.project = project
        self.catalogue = catalogue
        self.entry_model = entry_model(catalogue.classes)
        self._documents: dict[Path, Document] = {}
        self._problems: dict[Path, list[Problem]] = {}

    @property
    def problems(self) -> list[Problem]:
        """All problems, file by file as they were read."""
        return [problem for found in self._problems.values() for problem in found]

    def problems_of(self, path: Path) -> list[Problem]:
        """What is wrong with one file."""
        return self._problems.get(path, [])

    def read_all(self, paths: Iterable[Path], model: type[AnySpec]) -> dict[str, AnySpec]:
        read: dict[str, AnySpec] = {}
        for path in paths:
            self.check_name(path, path.stem)
            value = self.read(path, model)
            if value is not None:
                read[path.stem] = value
        return read

    def read(self, path: Path, model: type[AnySpec]) -> AnySpec | None:
        self._problems.setdefault(path, [])
        shown = self.project.relative(path)
        try:
            document = self._documents[path] = read_yaml(path, shown)
        except SpecError as error:
            self._problems[path].extend(error.problems)
            return None
        if not isinstance(document.content, dict):
            given = "the file is empty" if document.content is None else "this is not a mapping"
            keys = ", ".join(model.model_fields)
            self._problems[path].append(Problem(at(shown, 1), given, f"the keys {keys}"))
            return None
        try:
            return model.model_validate(document.content, strict=True)
        except ValidationError as error:
            self._problems[path].extend(explain(error, document, model))
            return None

    def note(self, path: Path, found: Iterable[Finding]) -> None:
        """Keep findings on a file that was read, in the order of its lines."""
        document = self._documents[path]
        in_order = sorted(found, key=lambda finding: document.line(finding.path))
        self._problems[path].extend(map(document.problem, in_order))

    def check_name(self, path: Path, name: str) -> None:
        if name in KEPT or not re.fullmatch(NAME_PATTERN, name):
            why = f"is reserved for {KEPT[name]}" if name in KEPT else "cannot name a spec"
            problem = Problem(
                self.project.relative(path), f"{name!r} {why}", WORDS[NAME_PATTERN], "rename it"
            )
            self._problems.setdefault(path, []).append(problem)

    def refuse_overlooked(self, folder: Path) -> None:
        """Files that look like specs but would never be read."""
        places = (folder, *(folder / name for name in ("teachers", "studies", "tasks")))
        read = {path for place in places for path in _spec_files(place)}
        for path in sorted(folder.rglob("[!.]*")):
            if path.suffix.lower() in (".yml", ".yaml") and path not in read:
                remedy = f"rename it to {path.stem}.yaml" if path.parent in places else "move it"
                problem = Problem(
                    self.project.relative(path),
                    "this file would be ignored",
                    "<entry>.yaml next to suite.yaml, teachers/<teacher>.yaml, "
                    "studies/<study>.yaml, tasks/<task>.yaml",
                    remedy,
                )
                self._problems.setdefault(path, []).append(problem)
