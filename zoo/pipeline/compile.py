"""From a suite to the stages of its pipelines: jobs, dependencies, outputs; pure, no files."""

from collections.abc import Iterator
from dataclasses import dataclass

from zoo.methods import method_name
from zoo.pipeline.inputs import InputFiles, inputs_job
from zoo.pipeline.outputs import Outputs
from zoo.pipeline.projections import (
    brought_to,
    learnt_on_corpus,
    taken_up_on_corpus,
    taken_up_on_tasks,
)
from zoo.pipeline.recipes import entry_recipe, is_taught, run_recipes, teacher_run, transfer_job
from zoo.spec.jobs import Job, PretrainJob, TrainJob
from zoo.spec.lineage import build_order, origin_of
from zoo.spec.load import BOARD, INPUTS, LoadedSuite
from zoo.spec.measuring import BoardJob, ExportJob, GateJob, LatencyJob, Measured, ScoreJob
from zoo.spec.recipe import Recipe, RunRecipe, run_key


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
    """The pipelines of a suite in the order in which they can run; the board comes last."""
    pipelines = [
        *_inputs_pipeline(loaded),
        *(
            (_teacher_pipeline if name in loaded.teachers else student_pipeline)(loaded, name)
            for name in build_order(loaded.teachers, loaded.entries)
        ),
    ]
    measured = [
        output
        for pipeline in pipelines
        for stage in pipeline.stages
        for output in stage.outputs
        if stage.kind in ("transfer", "train", "score", "export", "latency")
        if not output.endswith(("/checkpoint", "/transferred", ".safetensors"))
    ]
    return [*pipelines, _board_pipeline(loaded, tuple(measured))]


def _inputs_pipeline(loaded: LoadedSuite) -> Iterator[Pipeline]:
    """What is looked at before every build: nothing, where all that a suite reads is generated."""
    job = inputs_job(loaded)
    if job.inputs:
        outputs = tuple(InputFiles(loaded.name).of(name) for name in job.inputs)
        yield Pipeline(loaded.name, INPUTS, (PipelineStage(INPUTS, INPUTS, job, (), outputs),))


def _teacher_pipeline(loaded: LoadedSuite, name: str) -> Pipeline:
    out = Outputs(loaded.name, name)
    teacher, seed = loaded.teachers[name], loaded.suite.seeds[0]
    gate = GateJob(
        suite=loaded.name,
        entry=name,
        gates=teacher.gates,
        seed=seed,
        tasks=tuple(loaded.suite.tasks),
    )
    stages = [
        *_pretrain_stages(loaded, name),
        *_train_stages(loaded, name, name),
        _score_stage(loaded, name),
        PipelineStage("gate", "gate", gate, (out.of("score"),), (out.of("gate"),)),
        _export_stage(loaded, name),
    ]
    return Pipeline(loaded.name, name, tuple(stages))


def student_pipeline(loaded: LoadedSuite, name: str) -> Pipeline:
    """The pipeline of one student's entry."""
    teacher = loaded.entries[name].teacher
    stages = [
        *_pretrain_stages(loaded, name),
        *_transfer_stages(loaded, name, teacher),
        *_train_stages(loaded, name, teacher),
        _score_stage(loaded, name),
        _export_stage(loaded, name),
        *_latency_stages(loaded, name, teacher),
    ]
    return Pipeline(loaded.name, name, tuple(stages))


def _pretrain_stages(loaded: LoadedSuite, name: str) -> Iterator[PipelineStage]:
    """Where first weights are brought: always for a teacher, for a student that is given some."""
    recipe, entry = entry_recipe(loaded, name), loaded.entries.get(name)
    source = recipe.student.given if recipe.student else recipe.teacher.source
    if source is None:
        return
    origin = origin_of(entry or loaded.teachers[name])
    teacher = entry.teacher if entry else None
    job = PretrainJob(
        suite=loaded.name,
        entry=name,
        source=source,
        origin=origin,
        teacher=teacher,
        projections=bool(brought_to(loaded, name)),
    )
    ours = Outputs(loaded.name, name)
    dependencies = [*InputFiles(loaded.name).of_source(name, source)]
    if origin:
        dependencies.append(Outputs(loaded.name, origin).of("transferred"))
    outputs = [ours.of("pretrained")]
    if origin and job.projections:
        dependencies.append(Outputs(loaded.name, origin).of("transferred_projections"))
        outputs.append(ours.of("pretrained_projections"))
    if teacher:
        dependencies.append(Outputs(loaded.name, teacher).of("pretrained"))
    yield PipelineStage("pretrain", "pretrain", job, tuple(dependencies), tuple(outputs))


def _transfer_stages(loaded: LoadedSuite, name: str, teacher: str) -> Iterator[PipelineStage]:
    job = transfer_job(loaded, name)
    if job is None:
        return
    job = job.model_copy(update={"projections": taken_up_on_corpus(loaded, name)})
    ours = Outputs(loaded.name, name)
    dependencies = [
        *InputFiles(loaded.name).of_corpus(job.corpus),
        Outputs(loaded.name, teacher).of("pretrained"),
    ]
    if job.student.given is not None:
        dependencies.append(ours.of("pretrained"))
    if job.projections:
        dependencies.append(ours.of("pretrained_projections"))
    outputs = [ours.of("transferred"), ours.of("transfer", str(job.seed))]
    if learnt_on_corpus(loaded, name):
        outputs.append(ours.of("transferred_projections"))
    method = method_name(job.method)
    yield PipelineStage("transfer", "transfer", job, tuple(dependencies), tuple(outputs), method)


def _train_stages(loaded: LoadedSuite, name: str, teacher: str) -> Iterator[PipelineStage]:
    runs, projections = run_recipes(loaded, name), taken_up_on_tasks(loaded, name)
    transfer = transfer_job(loaded, name) if name in loaded.entries else None
    for stage_name, chunk in _chunks(loaded, runs):
        job = TrainJob(
            suite=loaded.name,
            entry=name,
            teacher=teacher,
            runs=tuple(chunk),
            started=transfer.declared if transfer else None,
            taught={
                run.task: teacher_run(loaded, teacher, run.task).declared
                for run in chunk
                if is_taught(run.recipe, run.definition)
            },
            projections=projections,
        )
        out = Outputs(loaded.name, name)
        outputs = [out.of(what, run.key) for run in chunk for what in ("checkpoint", "training")]
        yield PipelineStage(
            "train",
            stage_name,
            job,
            _train_dependencies(loaded, job, chunk),
            tuple(outputs),
            _method(chunk[0].recipe),
        )


def _chunks(loaded: LoadedSuite, runs: list[RunRecipe]) -> Iterator[tuple[str, list[RunRecipe]]]:
    per = loaded.suite.train_stage_per
    if per == "entry":
        yield "train", runs
        return
    keys = {"task": lambda run: run.task, "run": lambda run: run.key}
    chunks: dict[str, list[RunRecipe]] = {}
    for run in runs:
        chunks.setdefault(keys[per](run), []).append(run)
    for key, chunk in chunks.items():
        yield f"train-{_slug(key)}", chunk


def _train_dependencies(
    loaded: LoadedSuite, job: TrainJob, chunk: list[RunRecipe]
) -> tuple[str, ...]:
    theirs, ours = Outputs(loaded.name, job.teacher), Outputs(loaded.name, job.entry)
    recipe = chunk[0].recipe
    read = [path for run in chunk for path in InputFiles(loaded.name).of_training(run)]
    if recipe.student is None:
        return (*dict.fromkeys(read), ours.of("pretrained"))
    given = ours if recipe.student.given is not None else theirs
    start = given.of("pretrained") if recipe.corpus is None else ours.of("transferred")
    distilled = [
        theirs.of("checkpoint", run_key(task, chunk[0].teacher_seed))
        for task, definition in {run.task: run.definition for run in chunk}.items()
        if is_taught(recipe, definition)
    ]
    gate = [theirs.of("gate")] if distilled else []
    augments = any(run.recipe.augment is not None for run in chunk)
    first = dict.fromkeys([*read, start, *([theirs.of("pretrained")] if augments else [])])
    if job.projections:
        learnt = "pretrained" if recipe.corpus is None else "transferred"
        first[ours.of(f"{learnt}_projections")] = None
    return (*first, *gate, *distilled)


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
    out = Outputs(loaded.name, name)
    checkpoints = (out.of("checkpoint", run.key) for run in runs)
    read = InputFiles(loaded.name).of_runs(runs)
    return PipelineStage("score", "score", job, (*read, *checkpoints), (out.of("score"),))


def _export_stage(loaded: LoadedSuite, name: str) -> PipelineStage:
    runs, out = _first_seed(loaded, name), Outputs(loaded.name, name)
    job = ExportJob(suite=loaded.name, entry=name, runs=runs, export=loaded.suite.bench.export)
    checkpoints = (out.of("checkpoint", run.key) for run in runs)
    read = InputFiles(loaded.name).of_runs(runs)
    return PipelineStage("export", "export", job, (*read, *checkpoints), (out.of("export"),))


def _latency_stages(loaded: LoadedSuite, name: str, teacher: str) -> Iterator[PipelineStage]:
    timed = loaded.suite.bench.tasks or tuple(loaded.suite.tasks)
    runs = tuple(run for run in _first_seed(loaded, name) if run.task in timed)
    if not runs:
        return
    ours = Outputs(loaded.name, name)
    theirs = Outputs(loaded.name, teacher)
    job = LatencyJob(
        suite=loaded.name,
        entry=name,
        teacher=teacher,
        runs=runs,
        beside=tuple(_measured(teacher_run(loaded, teacher, run.task)) for run in runs),
        bench=loaded.suite.bench,
    )
    dependencies = [
        *InputFiles(loaded.name).of_runs(runs),
        *(ours.of("checkpoint", run.key) for run in runs),
        *(theirs.of("checkpoint", run_key(run.task, loaded.teacher_seed)) for run in runs),
        ours.of("export"),
        theirs.of("export"),
    ]
    yield PipelineStage("latency", "latency", job, tuple(dependencies), (ours.of("latency"),))


def _board_pipeline(loaded: LoadedSuite, measured: tuple[str, ...]) -> Pipeline:
    job = BoardJob(
        suite=loaded.name,
        entry=BOARD,
        entries=build_order(loaded.teachers, loaded.entries),
    )
    stage = PipelineStage(BOARD, BOARD, job, measured, (f"build/{loaded.name}/board",))
    return Pipeline(loaded.name, BOARD, (stage,))


def _first_seed(loaded: LoadedSuite, name: str) -> tuple[Measured, ...]:
    first = loaded.suite.seeds[0]
    return tuple(_measured(run) for run in run_recipes(loaded, name) if run.seed == first)


def _measured(run: RunRecipe) -> Measured:
    return Measured(
        task=run.task, seed=run.seed, settings=run.settings, data=run.data, declared=run.declared
    )


def _method(recipe: Recipe) -> str | None:
    return method_name(recipe.method) if recipe.method is not None else None


def _slug(key: str) -> str:
    """DVC allows no dots in the names of stages."""
    return key.replace(".", "_")
