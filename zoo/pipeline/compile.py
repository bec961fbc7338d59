"""From a suite to the stages of its pipelines: jobs, dependencies, outputs; pure, no files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.methods import METHODS, method_name
from zoo.paths import Project
from zoo.spec.jobs import (
    BoardJob,
    ExportJob,
    GateJob,
    Job,
    LatencyJob,
    Measured,
    PretrainJob,
    ScoreJob,
    TrainJob,
    TransferJob,
)
from zoo.spec.load import LoadedSuite
from zoo.spec.recipe import Recipe, RunRecipe, StudentRecipe, TeacherRecipe, run_key
from zoo.spec.task import TASKS
from zoo.training.plan import student_stages

BOARD = "board"


@dataclass(frozen=True)
class PipelineStage:
    """One DVC stage. `kind` picks the code that runs it, `name` its job in params.json."""

    kind: str
    name: str
    job: Job
    dependencies: tuple[str, ...]
    outputs: tuple[str, ...]
    method: str | None = None


@dataclass(frozen=True)
class Pipeline:
    """The stages of one entry, in the order in which they can run."""

    suite: str
    entry: str
    stages: tuple[PipelineStage, ...]


def compile_suite(loaded: LoadedSuite) -> list[Pipeline]:
    """The pipelines of a suite: teachers, entries, the board."""
    pipelines = [_teacher_pipeline(loaded, name) for name in sorted(loaded.teachers)]
    pipelines += [_student_pipeline(loaded, name) for name in sorted(loaded.entries)]
    measured = [
        output
        for pipeline in pipelines
        for stage in pipeline.stages
        for output in stage.outputs
        if stage.kind in ("train", "score", "export", "latency")
        if not output.endswith("/checkpoint")
    ]
    return [*pipelines, _board_pipeline(loaded, tuple(measured))]


def entry_recipe(loaded: LoadedSuite, name: str) -> Recipe:
    """The resolved spec of a student's or a teacher's entry: its digest is the entry's identity."""
    suite = loaded.suite
    if name in loaded.teachers:
        return Recipe(teacher=_teacher_recipe(loaded, name))
    entry = loaded.entries[name]
    teacher = loaded.teachers[entry.teacher]
    reads_corpus = METHODS.reads_corpus(entry.method)
    return Recipe(
        teacher=_teacher_recipe(loaded, entry.teacher),
        student=StudentRecipe(shape=entry.student.shape(teacher.shape), start=entry.student.start),
        method=entry.method,
        optimise=entry.optimise or suite.optimise,
        tasks=entry.tasks,
        corpus=suite.corpus if reads_corpus else None,
        corpus_optimise=(entry.corpus_optimise or suite.corpus_optimise) if reads_corpus else None,
    )


def run_recipes(loaded: LoadedSuite, name: str) -> list[RunRecipe]:
    """The runs of an entry: every task with every seed."""
    suite, recipe = loaded.suite, entry_recipe(loaded, name)
    return [
        RunRecipe(
            recipe=recipe.only(task),
            task=task,
            settings=settings,
            data=suite.data.only(TASKS[task]),
            seed=seed,
            teacher_seed=suite.seeds[0],
        )
        for task, settings in suite.tasks.items()
        for seed in suite.seeds
    ]


def _teacher_recipe(loaded: LoadedSuite, name: str) -> TeacherRecipe:
    teacher = loaded.teachers[name]
    return TeacherRecipe(source=teacher.source, optimise=teacher.optimise, tasks=teacher.tasks)


def _teacher_pipeline(loaded: LoadedSuite, name: str) -> Pipeline:
    out = _Outputs(loaded.name, name)
    teacher, seed = loaded.teachers[name], loaded.suite.seeds[0]
    pretrain = PretrainJob(suite=loaded.name, entry=name, source=teacher.source)
    gate = GateJob(
        suite=loaded.name,
        entry=name,
        gates=teacher.gates,
        seed=seed,
        tasks=tuple(loaded.suite.tasks),
    )
    stages = [
        PipelineStage("pretrain", "pretrain", pretrain, (), (out.of("pretrained"),)),
        *_train_stages(loaded, name, name),
        _score_stage(loaded, name),
        PipelineStage("gate", "gate", gate, (out.of("score"),), (out.of("gate"),)),
        _export_stage(loaded, name),
    ]
    return Pipeline(loaded.name, name, tuple(stages))


def _student_pipeline(loaded: LoadedSuite, name: str) -> Pipeline:
    teacher = loaded.entries[name].teacher
    stages = [
        *_transfer_stages(loaded, name, teacher),
        *_train_stages(loaded, name, teacher),
        _score_stage(loaded, name),
        _export_stage(loaded, name),
        _latency_stage(loaded, name, teacher),
    ]
    return Pipeline(loaded.name, name, tuple(stages))


def _transfer_stages(loaded: LoadedSuite, name: str, teacher: str) -> Iterator[PipelineStage]:
    recipe = entry_recipe(loaded, name)
    if recipe.corpus is None or recipe.corpus_optimise is None:
        return
    assert recipe.student is not None
    job = TransferJob(
        suite=loaded.name,
        entry=name,
        teacher=teacher,
        source=recipe.teacher.source,
        student=recipe.student,
        method=recipe.method,
        corpus=recipe.corpus,
        optimise=recipe.corpus_optimise,
        seed=loaded.suite.seeds[0],
    )
    dependencies = (_Outputs(loaded.name, teacher).of("pretrained"),)
    outputs = (_Outputs(loaded.name, name).of("transferred"),)
    yield PipelineStage("transfer", "transfer", job, dependencies, outputs, _method(recipe))


def _train_stages(loaded: LoadedSuite, name: str, teacher: str) -> Iterator[PipelineStage]:
    runs = run_recipes(loaded, name)
    for stage_name, chunk in _chunks(loaded, runs):
        job = TrainJob(suite=loaded.name, entry=name, teacher=teacher, runs=tuple(chunk))
        out = _Outputs(loaded.name, name)
        outputs = [out.of(what, run.key) for run in chunk for what in ("checkpoint", "training")]
        yield PipelineStage(
            "train",
            stage_name,
            job,
            _train_dependencies(loaded, name, teacher, chunk),
            tuple(outputs),
            _method(chunk[0].recipe),
        )


def _chunks(loaded: LoadedSuite, runs: list[RunRecipe]) -> Iterator[tuple[str, list[RunRecipe]]]:
    per = loaded.suite.train_stage_per
    if per == "entry":
        yield "train", runs
        return
    keys = {
        "task": lambda run: run.task,
        "run": lambda run: run.key,
    }
    chunks: dict[str, list[RunRecipe]] = {}
    for run in runs:
        chunks.setdefault(keys[per](run), []).append(run)
    for key, chunk in chunks.items():
        yield f"train-{_slug(key)}", chunk


def _train_dependencies(
    loaded: LoadedSuite, name: str, teacher: str, chunk: list[RunRecipe]
) -> tuple[str, ...]:
    theirs, ours = _Outputs(loaded.name, teacher), _Outputs(loaded.name, name)
    recipe = chunk[0].recipe
    if recipe.student is None:
        return (ours.of("pretrained"),)
    start = theirs.of("pretrained") if recipe.corpus is None else ours.of("transferred")
    distilled = [
        theirs.of("checkpoint", run_key(task, chunk[0].teacher_seed))
        for task in dict.fromkeys(run.task for run in chunk)
        if _needs_teacher(recipe, task)
    ]
    gate = [theirs.of("gate")] if distilled else []
    return (start, *gate, *distilled)


def _needs_teacher(recipe: Recipe, task: str) -> bool:
    stages = student_stages(recipe, task)
    return any(stage.data == "task" and stage.needs_teacher for stage in stages)


def _score_stage(loaded: LoadedSuite, name: str) -> PipelineStage:
    runs = [_measured(run) for run in run_recipes(loaded, name)]
    entry = loaded.entries.get(name)
    job = ScoreJob(
        suite=loaded.name,
        entry=name,
        method=method_name(entry.method) if entry else "teacher",
        teacher=entry.teacher if entry else name,
        twin=(entry.twin or loaded.suite.twin) if entry else None,
        runs=tuple(runs),
    )
    out = _Outputs(loaded.name, name)
    checkpoints = tuple(out.of("checkpoint", run.key) for run in runs)
    return PipelineStage("score", "score", job, checkpoints, (out.of("score"),))


def _export_stage(loaded: LoadedSuite, name: str) -> PipelineStage:
    runs, out = _first_seed(loaded, name), _Outputs(loaded.name, name)
    job = ExportJob(suite=loaded.name, entry=name, runs=runs, limits=loaded.suite.bench.export)
    checkpoints = tuple(out.of("checkpoint", run.key) for run in runs)
    return PipelineStage("export", "export", job, checkpoints, (out.of("export"),))


def _latency_stage(loaded: LoadedSuite, name: str, teacher: str) -> PipelineStage:
    timed = loaded.suite.bench.tasks or tuple(loaded.suite.tasks)
    runs = tuple(run for run in _first_seed(loaded, name) if run.task in timed)
    ours = _Outputs(loaded.name, name)
    theirs = _Outputs(loaded.name, teacher)
    job = LatencyJob(
        suite=loaded.name,
        entry=name,
        teacher=teacher,
        runs=runs,
        teacher_seed=loaded.suite.seeds[0],
        bench=loaded.suite.bench,
    )
    dependencies = [
        *(out.of("checkpoint", run.key) for out in (ours, theirs) for run in runs),
        ours.of("export"),
        theirs.of("export"),
    ]
    return PipelineStage("latency", "latency", job, tuple(dependencies), (ours.of("latency"),))


def _board_pipeline(loaded: LoadedSuite, measured: tuple[str, ...]) -> Pipeline:
    job = BoardJob(
        suite=loaded.name,
        entry=BOARD,
        entries=(*sorted(loaded.teachers), *sorted(loaded.entries)),
    )
    stage = PipelineStage(BOARD, BOARD, job, measured, (f"build/{loaded.name}/board",))
    return Pipeline(loaded.name, BOARD, (stage,))


def _first_seed(loaded: LoadedSuite, name: str) -> tuple[Measured, ...]:
    first = loaded.suite.seeds[0]
    return tuple(_measured(run) for run in run_recipes(loaded, name) if run.seed == first)


def _measured(run: RunRecipe) -> Measured:
    return Measured(
        task=run.task, seed=run.seed, settings=run.settings, data=run.data, digest=run.digest
    )


def _method(recipe: Recipe) -> str | None:
    return method_name(recipe.method) if recipe.method is not None else None


def _slug(key: str) -> str:
    """DVC allows no dots in the names of stages."""
    return key.replace(".", "_")


class _Outputs:
    """The outputs of an entry's stages as DVC names them: relative to the project's root."""

    def __init__(self, suite: str, entry: str) -> None:
        self._folder = Project(Path()).entry(suite, entry)

    def of(self, what: str, run: str | None = None) -> str:
        """One output: a property of EntryFolder, or a file of one run."""
        found = getattr(self._folder, what)
        path: Path = found(run) if run is not None else found
        return path.as_posix()
