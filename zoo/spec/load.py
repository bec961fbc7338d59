"""Reading suites: every problem of every file, each with file, line, key and what is allowed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from zoo.errors import Problem, SpecError, UsageError, suggestion
from zoo.files import MISSING, unreadable
from zoo.paths import Project
from zoo.spec.cross import Catalogue, entry_findings, suite_findings, teacher_findings
from zoo.spec.cross_study import Neighbours, study_findings, variant_names
from zoo.spec.cross_tasks import known_tasks, own_task_findings, unknown_tasks
from zoo.spec.data import DataSource, task_of
from zoo.spec.entry import Entry, entry_model
from zoo.spec.extend import inherit_files, refused_extension, stated_extension
from zoo.spec.idle import idle_of_entry, idle_of_suite, idle_of_teacher
from zoo.spec.lineage import Lineage
from zoo.spec.own_task import OwnTask
from zoo.spec.reader import (
    ENTRIES,
    STUDIES,
    SUITE_FILE,
    TASK_FILES,
    TEACHERS,
    SpecReader,
    file_of,
    spec_names,
)
from zoo.spec.study import Study
from zoo.spec.suite import Suite
from zoo.spec.task import TASKS, Task
from zoo.spec.teacher import Teacher
from zoo.spec.yaml import Document

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
    inherited: Mapping[str, str] = field(default_factory=dict)
    """The suites of those teachers and entries whose files are in another suite's folder."""
    documents: Mapping[str, Document] = field(default_factory=dict, repr=False)
    """Its files by their path below its folder, with those that it inherits."""

    def home(self, name: str) -> str:
        """The suite in whose folder a teacher or an entry is declared."""
        return self.inherited.get(name, self.name)

    def data_of(self, task: str) -> DataSource:
        """Where a task's examples come from."""
        return self.own[task].data if task in self.own else self.suite.data.of(TASKS[task])

    def definition(self, task: str) -> Task:
        """What a task is."""
        return task_of(task, self.data_of(task))


def suite_names(project: Project) -> list[str]:
    """The suites of a project, by name."""
    return sorted(folder.name for folder in project.specs.glob("*/") if _holds_suite(folder))


def _holds_suite(folder: Path) -> bool:
    """Whether something is called suite.yaml there; reading it tells what it is."""
    return unreadable(folder / SUITE_FILE) != MISSING


def load_suites(project: Project, catalogue: Catalogue) -> dict[str, LoadedSuite]:
    """Load every suite.

    Raises:
        SpecError: with all problems of all files.
    """
    suites = _Suites(project, catalogue)
    loaded: dict[str, LoadedSuite] = {}
    problems = list(_folders_without_suite(project))
    for name in suites.names:
        try:
            loaded[name] = suites.load(name)
        except SpecError as error:
            problems.extend(error.problems)
    if not loaded and not problems:
        problems.append(
            Problem(str(project.specs), "there is no suite here", "a folder that holds suite.yaml")
        )
    if problems:
        raise SpecError(*dict.fromkeys(problems))  # a broken suite's, also where it is extended
    return loaded


def load_suite(project: Project, name: str, catalogue: Catalogue) -> LoadedSuite:
    """Load one suite.

    Raises:
        UsageError: there is no such suite.
        SpecError: with all problems of all its files, and of the suite that it extends.
    """
    suites = _Suites(project, catalogue)
    if name not in suites.names:
        allowed, near = ", ".join(suites.names), suggestion(name, suites.names)
        raise UsageError(Problem(name, "there is no such suite", allowed, near))
    return suites.load(name)


def _folders_without_suite(project: Project) -> Iterator[Problem]:
    for folder in sorted(project.specs.glob("[!.]*/")):
        if not _holds_suite(folder):
            shown = project.relative(folder)
            yield Problem(
                shown, "there is no suite.yaml here", remedy="add it, or remove the folder"
            )


class _Suites:
    """The suites of a project, each loaded once, after the one that it extends."""

    def __init__(self, project: Project, catalogue: Catalogue) -> None:
        self.names = suite_names(project)
        self._project = project
        self._catalogue = catalogue
        self._entry_model = entry_model(catalogue.classes)
        self._loaded: dict[str, LoadedSuite] = {}
        self._ways: list[str] = []
        """The suites that are being loaded, each for the one before."""

    def load(self, name: str) -> LoadedSuite:
        """One suite.

        Raises:
            SpecError: with all its problems.
        """
        if name not in self._loaded:
            self._ways.append(name)
            try:
                self._loaded[name] = self._read(name)
            finally:
                self._ways.pop()
        return self._loaded[name]

    def _read(self, name: str) -> LoadedSuite:
        reader = SpecReader(self._project, self._project.specs / name, KEPT)
        reader.check_name("", name)
        reader.refuse_overlooked()
        document = reader.read(SUITE_FILE, Suite)
        extends = stated_extension(document)
        base = self._extended(reader, extends) if extends else None
        whole = document is not None and (extends is None or base is not None)
        suite = reader.validated(SUITE_FILE, Suite) if whole else None
        teachers = reader.read_all(TEACHERS, Teacher, base.teachers if base else {})
        entries = reader.read_all(ENTRIES, self._entry_model, base.entries if base else {})
        studies = reader.read_all(STUDIES, Study, {})
        own = reader.read_all(TASK_FILES, OwnTask, _still_listed(base, suite))
        if suite is not None and _tasks_fit(reader, suite, own):
            homes = _homes(reader, base) if base else {}
            loaded = LoadedSuite(
                name, suite, teachers, entries, studies, own, homes, reader.documents
            )
            _Fit(reader, loaded, self._catalogue, self._entry_model).note()
        if suite is None or reader.problems:
            raise SpecError(*reader.problems)
        return loaded

    def _extended(self, reader: SpecReader, name: str) -> LoadedSuite | None:
        """The suite that a suite extends, whose files join its own; None if it has problems."""
        refused = refused_extension(name, self.names, self._ways)
        if refused is not None:
            reader.note(SUITE_FILE, [refused])
            return None
        try:
            base = self.load(name)
        except SpecError as error:
            reader.keep(f"../{name}", error.problems)
            return None
        inherit_files(reader, base.documents)
        return base


def _homes(reader: SpecReader, base: LoadedSuite) -> dict[str, str]:
    """The suite of every teacher and entry that no own file replaces."""
    return {
        name: base.home(name)
        for place, specs in ((TEACHERS, base.teachers), (ENTRIES, base.entries))
        for name in sorted(set(specs) - set(spec_names(reader.folder, place)))
    }


def _still_listed(base: LoadedSuite | None, suite: Suite | None) -> dict[str, OwnTask]:
    """The tasks that an extended suite declares, as far as the extending suite lists them."""
    declared = base.own if base else {}
    return {name: task for name, task in declared.items() if suite and name in suite.tasks}


def _tasks_fit(reader: SpecReader, suite: Suite, own: Mapping[str, OwnTask]) -> bool:
    """Whether every task is known: with others nothing more can be said."""
    names = {*own, *spec_names(reader.folder, TASK_FILES)}
    reader.note(SUITE_FILE, unknown_tasks(suite, names))
    for name in own:
        reader.note(file_of(TASK_FILES, name), own_task_findings(name, suite))
    files = (SUITE_FILE, *(file_of(TASK_FILES, name) for name in sorted(names)))
    return not any(map(reader.problems_of, files))


class _Fit:
    """Notes what does not fit between the files of a suite."""

    def __init__(
        self,
        reader: SpecReader,
        loaded: LoadedSuite,
        catalogue: Catalogue,
        model: type[Entry],
    ) -> None:
        self._reader, self._loaded, self._catalogue = reader, loaded, catalogue
        self._model = model
        self._tasks = known_tasks(loaded.own)
        # The names are of all files, also broken ones.
        self._teacher_names = {*loaded.teachers, *spec_names(reader.folder, TEACHERS)}
        self._entry_names = {*loaded.entries, *spec_names(reader.folder)}

    def note(self) -> None:
        """Note it file by file: suite, teachers, entries, studies."""
        self._note_suite()
        lineage = Lineage(
            self._loaded.teachers, self._loaded.entries, self._entry_names, self._catalogue
        )
        self._note_teachers(lineage)
        self._note_entries(lineage)
        self._note_studies()

    def _note_suite(self) -> None:
        suite, teachers = self._loaded.suite, self._loaded.teachers
        fit = suite_findings(suite, self._tasks, self._entry_names, self._teacher_names, teachers)
        self._reader.note(SUITE_FILE, chain(fit, idle_of_suite(suite, self._tasks)))

    def _note_teachers(self, lineage: Lineage) -> None:
        suite = self._loaded.suite
        for name, teacher in self._loaded.teachers.items():
            fit = chain(teacher_findings(teacher, suite), lineage.of_teacher(name))
            self._reader.note(file_of(TEACHERS, name), chain(fit, idle_of_teacher(teacher, suite)))

    def _note_entries(self, lineage: Lineage) -> None:
        suite, teachers, catalogue = self._loaded.suite, self._loaded.teachers, self._catalogue
        for name, entry in self._loaded.entries.items():
            if entry.teacher in self._teacher_names and entry.teacher not in teachers:
                continue  # a broken teacher is reported in its own file
            own = entry_findings(entry, suite, teachers, catalogue, self._entry_names, self._tasks)
            idle = idle_of_entry(entry, suite, teachers, catalogue, self._tasks)
            self._reader.note(file_of(ENTRIES, name), chain(own, lineage.of_entry(name), idle))

    def _note_studies(self) -> None:
        """Of entries that are right themselves."""
        sound = {
            name: entry
            for name, entry in self._loaded.entries.items()
            if not self._reader.problems_of(file_of(ENTRIES, name))
            and not self._reader.problems_of(file_of(TEACHERS, entry.teacher))
        }
        taken = {*self._entry_names, *self._teacher_names}
        for name, study in self._loaded.studies.items():
            beside = Neighbours(
                self._loaded.suite,
                self._loaded.teachers,
                sound,
                self._entry_names,
                taken | (set(self._loaded.studies) - {name}),
                self._catalogue,
                self._model,
                self._tasks,
            )
            found = study_findings(name, study, beside)
            self._reader.note(file_of(STUDIES, name), found)
            if not found and study.entry in sound:
                taken |= variant_names(name, study)
