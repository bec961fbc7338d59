"""Resolve a suite's entries: each once, with everything that follows from its spec."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from zoo.distil.method import Setting
from zoo.distil.stage import Stage
from zoo.methods import METHODS, stages_of
from zoo.paths import Project
from zoo.resolve.plan import Phase, corpus_phases, task_phases
from zoo.spec.entry import Entry
from zoo.spec.jobs import TransferJob
from zoo.spec.lineage import build_order, origin_of
from zoo.spec.load import LoadedSuite, load_suite, load_suites
from zoo.spec.recipe import (
    AdaptedSource,
    Given,
    Recipe,
    ResolvedSource,
    RunRecipe,
    StudentRecipe,
    TeacherRecipe,
    TransferredSource,
)
from zoo.spec.shape import Shape
from zoo.spec.suite import Suite
from zoo.spec.teacher import (
    TEACHER,
    DistilledSource,
    FolderSource,
    HubSource,
    PretrainedSource,
    Source,
    Teacher,
)
from zoo.spec.weights import DistilledWeights, FolderWeights, HubWeights, ModelPlace
from zoo.spec.words import WordTraining

StagesByTask = Mapping[str, tuple[Stage, ...]]


@dataclass(frozen=True)
class ResolvedEntry:
    """A teacher's or student's entry with everything that follows from its spec."""

    loaded: LoadedSuite
    """Its suite, as declared or as varied by a study."""
    name: str
    spec: Teacher | Entry
    recipe: Recipe
    """The recipe of the whole entry; `runs` have the parts relevant to their tasks."""
    stages: StagesByTask
    """The stages of its method on each of its tasks, in the suite's order; none for a teacher."""
    runs: tuple[RunRecipe, ...]
    """One run per task and seed."""
    transfer: TransferJob | None
    """Training of its student on the corpus, if any."""
    teacher: "ResolvedEntry | None"
    """Its teacher; None for a teacher."""
    origin: "ResolvedEntry | None"
    """The entry whose transferred weights it starts from, if any."""

    @property
    def suite_name(self) -> str:
        """The name of its suite."""
        return self.loaded.name

    @property
    def suite(self) -> Suite:
        """Its suite."""
        return self.loaded.suite

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks it is trained on, in the suite's order."""
        return tuple(self.stages)

    @property
    def method(self) -> str:
        """The name of its method; `teacher` for a teacher."""
        return self.spec.method.name if isinstance(self.spec, Entry) else TEACHER

    @property
    def places(self) -> tuple[ModelPlace, ...]:
        """Where the files of its first weights may be instead of the hub; no recipe knows."""
        spec = self.spec
        stated = spec.student.given if isinstance(spec, Entry) else spec.source
        return stated.places if isinstance(stated, HubWeights) else ()

    @property
    def twin(self) -> str | None:
        """The undistilled entry it is compared with."""
        return (self.spec.twin or self.suite.twin) if isinstance(self.spec, Entry) else None

    @property
    def first_runs(self) -> tuple[RunRecipe, ...]:
        """The run of each task that is exported, timed and distilled from: the first seed's."""
        return tuple(run for run in self.runs if run.seed == self.suite.seeds[0])

    @property
    def declared_runs(self) -> dict[str, str]:
        """What is declared of each run, by its name."""
        return {run.key: run.declared for run in self.runs}

    def is_taught(self, task: str) -> bool:
        """Whether a stage on this task uses the teacher fine-tuned on it."""
        return _is_taught(self.stages[task])

    @property
    def reads_teachers_words(self) -> bool:
        """Whether a stage on the corpus needs what its teacher predicts for masked tokens."""
        stages = (stage for stages in self.stages.values() for stage in stages)
        return any(stage.data == "corpus" and stage.reads_teachers_words for stage in stages)

    def plan(self, task: str) -> tuple[Phase, ...]:
        """All stages of a student up to a task, for display."""
        recipe, stages = self.recipe, self.stages[task]
        optimise = recipe.corpus_optimise
        on_corpus = corpus_phases(stages, optimise, recipe.stages) if optimise else ()
        return (*on_corpus, *task_phases(stages, recipe, task))

    def teaching_run(self, task: str) -> RunRecipe:
        """The teacher's run on a task, which it is distilled from and compared with."""
        assert self.teacher is not None
        return next(run for run in self.teacher.first_runs if run.task == task)


@dataclass(frozen=True)
class ResolvedSuite:
    """All entries of a suite, in build order."""

    loaded: LoadedSuite
    entries: dict[str, ResolvedEntry]

    @property
    def name(self) -> str:
        """The suite's name."""
        return self.loaded.name

    @cached_property
    def declared_runs(self) -> set[tuple[str, str]]:
        """What is declared of each entry's runs."""
        return {(entry.name, run.declared) for entry in self.entries.values() for run in entry.runs}


def read_suites(project: Project) -> dict[str, ResolvedSuite]:
    """Every suite of a project, by name.

    Raises:
        SpecError: all problems of all files.
    """
    loaded = load_suites(project, METHODS)
    return {name: resolve_suite(suite) for name, suite in loaded.items()}


def read_suite(project: Project, name: str) -> ResolvedSuite:
    """One suite of a project.

    Raises:
        UsageError: unknown suite.
        SpecError: all problems of its files.
    """
    return resolve_suite(load_suite(project, name, METHODS))


def resolve_suite(loaded: LoadedSuite) -> ResolvedSuite:
    """Every teacher and entry of a suite, each after its dependencies."""
    found = dict[str, ResolvedEntry]()
    for name in build_order(loaded.teachers, loaded.entries):
        if name in loaded.teachers:
            found[name] = _resolved_teacher(loaded, name, loaded.teachers[name], found)
        else:
            found[name] = resolved_student(loaded, name, loaded.entries[name], found)
    return ResolvedSuite(loaded, found)


def _resolved_teacher(
    loaded: LoadedSuite, name: str, teacher: Teacher, made: Mapping[str, ResolvedEntry]
) -> ResolvedEntry:
    stated, origin = teacher.source, _origin(teacher, made)
    source = _with_words(teacher, _source(stated, origin))
    recipe = Recipe(
        teacher=TeacherRecipe(source=source, optimise=teacher.optimise, tasks=teacher.tasks)
    )
    stages: StagesByTask = dict.fromkeys(loaded.suite.tasks, ())
    runs = tuple(_runs(loaded, recipe, stages, loaded.suite.seeds[0]))
    return ResolvedEntry(loaded, name, teacher, recipe, stages, runs, None, None, origin)


def _source(stated: Source, origin: ResolvedEntry | None) -> PretrainedSource | Given:
    if isinstance(stated, DistilledSource):
        return _transferred(origin, stated.shape)
    return stated.unplaced() if isinstance(stated, HubSource) else stated


def _with_words(teacher: Teacher, source: PretrainedSource | Given) -> ResolvedSource:
    """The source of a teacher, with the training of its masked-language-model head."""
    if teacher.words is None:
        return source
    assert not isinstance(source, PretrainedSource)  # cross.py refuses it
    stated = teacher.words.model_dump(exclude={"gate"})
    return AdaptedSource(base=source, words=WordTraining.model_validate(stated))


def resolved_student(
    loaded: LoadedSuite, name: str, entry: Entry, made: Mapping[str, ResolvedEntry]
) -> ResolvedEntry:
    """A student's entry of a suite; `made` holds its teacher and the entry it starts from."""
    teacher, origin = made[entry.teacher], _origin(entry, made)
    stages = _stages(loaded, entry, teacher.recipe.shape)
    recipe = _student_recipe(loaded.suite, entry, stages, teacher, origin)
    seed = teacher.suite.seeds[0]
    return ResolvedEntry(
        loaded,
        name,
        entry,
        recipe,
        stages,
        tuple(_runs(loaded, recipe, stages, seed)),
        _transfer(loaded, name, entry, recipe, _any(stages), seed),
        teacher,
        origin,
    )


def _origin(spec: Teacher | Entry, made: Mapping[str, ResolvedEntry]) -> ResolvedEntry | None:
    name = origin_of(spec)
    return None if name is None else made[name]


def _stages(loaded: LoadedSuite, entry: Entry, teacher: Shape) -> StagesByTask:
    """The method's stages on each of the entry's tasks; tasks of one kind share theirs."""
    student, by_kind = entry.student.shape(teacher), dict[str, tuple[Stage, ...]]()
    tasks = [task for task in loaded.suite.tasks if entry.only is None or task in entry.only]
    for kind in dict.fromkeys(loaded.definition(task).kind.value for task in tasks):
        by_kind[kind] = stages_of(entry.method, Setting(student, teacher, kind))
    return {task: by_kind[loaded.definition(task).kind.value] for task in tasks}


def _any(stages: StagesByTask) -> tuple[Stage, ...]:
    """The stages of an arbitrary task, for what does not depend on tasks: corpus and start."""
    return next(iter(stages.values()))


def _student_recipe(
    suite: Suite,
    entry: Entry,
    stages: StagesByTask,
    teacher: ResolvedEntry,
    origin: ResolvedEntry | None,
) -> Recipe:
    reads_corpus = METHODS.reads_corpus(entry.method)
    augments = any(map(_augments, stages.values()))
    return Recipe(
        teacher=teacher.recipe.teacher,
        student=_student(entry, _any(stages), teacher.recipe.shape, origin),
        method=entry.method,
        optimise=entry.optimise or suite.optimise,
        tasks=entry.tasks,
        corpus=suite.corpus if reads_corpus else None,
        corpus_optimise=(entry.corpus_optimise or suite.corpus_optimise) if reads_corpus else None,
        stages=entry.stages,
        augment=(entry.augment or suite.augment) if augments else None,
    )


def _student(
    entry: Entry, stages: tuple[Stage, ...], teacher: Shape, origin: ResolvedEntry | None
) -> StudentRecipe:
    shape, start = entry.student.shape(teacher), entry.student.start
    if not stages[0].surgery.reads_student:
        # Nothing is copied into it: its first stage derives it from the teacher.
        return StudentRecipe(shape=shape, start="fresh")
    if isinstance(start, HubWeights):
        return StudentRecipe(
            shape=shape, start=HubSource(**start.unplaced().model_dump(), shape=shape)
        )
    if isinstance(start, FolderWeights):
        return StudentRecipe(shape=shape, start=FolderSource(**start.model_dump(), shape=shape))
    if isinstance(start, DistilledWeights):
        return StudentRecipe(shape=shape, start=_transferred(origin, shape))
    return StudentRecipe(shape=shape, start=start)


def _transferred(origin: ResolvedEntry | None, shape: Shape) -> TransferredSource:
    """The output of an entry's corpus stages, identified by all that it depends on."""
    assert origin is not None
    assert origin.transfer is not None  # lineage.py refuses an entry without a corpus stage
    return TransferredSource(transfer=origin.transfer.declared, shape=shape)


def _runs(
    loaded: LoadedSuite, recipe: Recipe, stages: StagesByTask, teacher_seed: int
) -> Iterator[RunRecipe]:
    for task, of_task in stages.items():
        remaining = _on(recipe, task, of_task)
        settings = loaded.suite.tasks[task].settings
        for seed in loaded.suite.seeds_of(task):
            yield RunRecipe(
                recipe=remaining,
                task=task,
                settings=settings,
                data=loaded.data_of(task),
                seed=seed,
                teacher_seed=teacher_seed,
            )


def _on(recipe: Recipe, task: str, stages: tuple[Stage, ...]) -> Recipe:
    """The part of the recipe that determines a run on this task."""
    only = recipe.only(task, taught=recipe.student is None or _is_taught(stages))
    return only if _augments(stages) else only.model_copy(update={"augment": None})


def _is_taught(stages: tuple[Stage, ...]) -> bool:
    return any(stage.data != "corpus" and stage.needs_teacher for stage in stages)


def _augments(stages: tuple[Stage, ...]) -> bool:
    return any(stage.data == "augmented" for stage in stages)


def _transfer(
    loaded: LoadedSuite,
    name: str,
    entry: Entry,
    recipe: Recipe,
    stages: tuple[Stage, ...],
    seed: int,
) -> TransferJob | None:
    if recipe.corpus is None or recipe.corpus_optimise is None:
        return None
    assert recipe.student is not None
    on_corpus = {stage.name for stage in stages if stage.data == "corpus"}
    return TransferJob(
        suite=loaded.name,
        entry=name,
        teacher=entry.teacher,
        source=recipe.teacher.source,
        student=recipe.student,
        method=entry.method,
        corpus=recipe.corpus,
        optimise=recipe.corpus_optimise,
        stages={key: change for key, change in recipe.stages.items() if key in on_corpus},
        seed=seed,
    )
