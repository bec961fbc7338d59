"""Compile a suite into pipeline stages: jobs, dependencies, outputs; pure, no files."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from zoo.pipeline import inputs, kinds
from zoo.pipeline.kinds import StageKind
from zoo.pipeline.outputs import RECORDS, Output, OutputKind, Steps
from zoo.resolve.entry import ResolvedEntry, ResolvedSuite
from zoo.resolve.projections import (
    brought_to,
    learnt_on_corpus,
    taken_up_on_corpus,
    taken_up_on_tasks,
)
from zoo.spec.jobs import Job, PretrainJob, TrainJob
from zoo.spec.load import BOARD_PIPELINE, INPUTS_PIPELINE
from zoo.spec.measuring import (
    BoardJob,
    ExportJob,
    GateJob,
    LatencyJob,
    RobustnessJob,
    ScoreJob,
    WordGateJob,
)
from zoo.spec.recipe import AdaptedSource, RunRecipe
from zoo.spec.teacher import Teacher


@dataclass(frozen=True)
class PipelineStage:
    """One DVC stage; its job is in the pipeline's params.json under its name."""

    kind: StageKind
    name: str
    job: Job
    dependencies: tuple[Output, ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True)
class Pipeline:
    """The stages of one entry, in execution order."""

    suite: str
    entry: str
    stages: tuple[PipelineStage, ...]


def compile_suite(suite: ResolvedSuite) -> list[Pipeline]:
    """The pipelines of a suite in execution order; the board comes last."""
    pipelines = [*_inputs_pipeline(suite), *map(entry_pipeline, suite.entries.values())]
    return [*pipelines, _board_pipeline(suite, pipelines)]


def entry_pipeline(entry: ResolvedEntry) -> Pipeline:
    """The pipeline of one teacher or student."""
    stages = [
        *_pretrain_stages(entry),
        *_word_gate_stages(entry),
        *_transfer_stages(entry),
        *_train_stages(entry),
        _score_stage(entry),
        *_robustness_stages(entry),
        *_gate_stages(entry),
        _export_stage(entry),
        *_latency_stages(entry),
    ]
    return Pipeline(entry.suite_name, entry.name, tuple(stages))


def record_outputs(stages: Iterable[PipelineStage]) -> Iterator[Output]:
    """The outputs that tables are built from."""
    return (output for stage in stages for output in stage.outputs if output.kind in RECORDS)


def _inputs_pipeline(suite: ResolvedSuite) -> Iterator[Pipeline]:
    """The inputs checked before every build: none if all that a suite reads is generated."""
    job = inputs.inputs_job(suite)
    if job.inputs:
        outputs = tuple(inputs.looked_at(suite.name, name) for name in job.inputs)
        stage = PipelineStage(kinds.INPUTS, INPUTS_PIPELINE, job, (), outputs)
        yield Pipeline(suite.name, INPUTS_PIPELINE, (stage,))


def _pretrain_stages(entry: ResolvedEntry) -> Iterator[PipelineStage]:
    """The stage that fetches initial weights: for every teacher, and for students given some."""
    recipe, origin, teacher = entry.recipe, entry.origin, entry.teacher
    source = recipe.student.given if recipe.student else recipe.teacher.source
    if source is None:
        return
    job = PretrainJob(
        suite=entry.suite_name,
        entry=entry.name,
        source=source,
        places=entry.places,
        origin=origin.name if origin else None,
        teacher=teacher.name if teacher else None,
        projections=bool(brought_to(entry)),
    )
    dependencies = [*inputs.of_source(entry, source)]
    outputs = [_output(entry, OutputKind.PRETRAINED)]
    if isinstance(source, AdaptedSource):
        outputs.append(_output(entry, OutputKind.TRANSFER))
    if origin:
        dependencies.append(_output(origin, OutputKind.TRANSFERRED))
    if origin and job.projections:
        dependencies.append(_output(origin, OutputKind.TRANSFERRED_PROJECTIONS))
        outputs.append(_output(entry, OutputKind.PRETRAINED_PROJECTIONS))
    if teacher:
        dependencies.append(_output(teacher, OutputKind.PRETRAINED))
    yield PipelineStage(kinds.PRETRAIN, "pretrain", job, tuple(dependencies), tuple(outputs))


def _word_gate_stages(entry: ResolvedEntry) -> Iterator[PipelineStage]:
    if isinstance(entry.spec, Teacher) and entry.spec.words is not None:
        words = entry.spec.words
        job = WordGateJob(
            suite=entry.suite_name, entry=entry.name, gate=words.gate, seed=words.seed
        )
        record = (_output(entry, OutputKind.TRANSFER),)
        outputs = (_output(entry, OutputKind.WORD_GATE),)
        yield PipelineStage(kinds.WORD_GATE, "word-gate", job, record, outputs)


def _words_of(teacher: ResolvedEntry) -> Iterator[Output]:
    """What a stage depends on that reads what a teacher predicts for masked tokens."""
    yield _output(teacher, OutputKind.PRETRAINED)
    if isinstance(teacher.recipe.teacher.source, AdaptedSource):
        yield _output(teacher, OutputKind.WORD_GATE)


def _transfer_stages(entry: ResolvedEntry) -> Iterator[PipelineStage]:
    if entry.transfer is None or entry.teacher is None:
        return
    job = entry.transfer.model_copy(update={"projections": taken_up_on_corpus(entry)})
    dependencies = [*inputs.of_corpus(entry, job.corpus)]
    if entry.reads_teachers_words:
        dependencies += _words_of(entry.teacher)
    else:
        dependencies.append(_output(entry.teacher, OutputKind.PRETRAINED))
    if job.student.given is not None:
        dependencies.append(_output(entry, OutputKind.PRETRAINED))
    if job.projections:
        dependencies.append(_output(entry, OutputKind.PRETRAINED_PROJECTIONS))
    record = _output(entry, OutputKind.TRANSFER)
    outputs = [_output(entry, OutputKind.TRANSFERRED), record]
    if learnt_on_corpus(entry):
        outputs.append(_output(entry, OutputKind.TRANSFERRED_PROJECTIONS))
    yield PipelineStage(kinds.TRANSFER, "transfer", job, tuple(dependencies), tuple(outputs))


def _train_stages(entry: ResolvedEntry) -> Iterator[PipelineStage]:
    for place, runs in _places(entry):
        job = TrainJob(
            suite=entry.suite_name,
            entry=entry.name,
            teacher=(entry.teacher or entry).name,
            runs=runs,
            started=entry.transfer.declared if entry.transfer else None,
            taught={task: entry.teaching_run(task).declared for task in _taught(entry, runs)},
            projections=taken_up_on_tasks(entry),
        )
        yield PipelineStage(
            kinds.TRAIN,
            "-".join(("train", *place)).replace(".", "_"),  # DVC allows no dots in names
            job,
            tuple(_train_dependencies(entry, job)),
            (_output(entry, OutputKind.RUNS, place), _output(entry, OutputKind.TRAINING, place)),
        )


def _places(entry: ResolvedEntry) -> Iterator[tuple[Steps, tuple[RunRecipe, ...]]]:
    """The runs of an entry, grouped as its stages train them."""
    steps = {"entry": 0, "task": 1, "run": 2}[entry.suite.train_stage_per]
    places: dict[Steps, list[RunRecipe]] = {}
    for run in entry.runs:
        place = (run.task, str(run.seed))[:steps]
        places.setdefault(place, []).append(run)
    return ((place, tuple(runs)) for place, runs in places.items())


def _train_dependencies(entry: ResolvedEntry, job: TrainJob) -> Iterator[Output]:
    first = [*inputs.of_training(entry, job.runs), *_start(entry, job)]
    yield from dict.fromkeys(first)
    taught, teacher = _taught(entry, job.runs), entry.teacher
    if teacher and taught:
        yield _output(teacher, OutputKind.GATE)
        for task in taught:
            yield _checkpoint(teacher, entry.teaching_run(task))


def _start(entry: ResolvedEntry, job: TrainJob) -> Iterator[Output]:
    """The weights and projections that runs start from, and the inputs of augmentation."""
    recipe, teacher = entry.recipe, entry.teacher
    if recipe.corpus is not None:
        yield _output(entry, OutputKind.TRANSFERRED)
    elif teacher is None or (recipe.student and recipe.student.given):
        yield _output(entry, OutputKind.PRETRAINED)
    else:
        yield _output(teacher, OutputKind.PRETRAINED)
    if teacher and any(run.recipe.augment is not None for run in job.runs):
        yield from _words_of(teacher)
    if job.projections and recipe.corpus is None:
        yield _output(entry, OutputKind.PRETRAINED_PROJECTIONS)
    elif job.projections:
        yield _output(entry, OutputKind.TRANSFERRED_PROJECTIONS)


def _taught(entry: ResolvedEntry, runs: Iterable[RunRecipe]) -> list[str]:
    """The runs' tasks that need the teacher."""
    return [task for task in dict.fromkeys(run.task for run in runs) if entry.is_taught(task)]


def _score_stage(entry: ResolvedEntry) -> PipelineStage:
    job = ScoreJob(
        suite=entry.suite_name,
        entry=entry.name,
        method=entry.method,
        teacher=(entry.teacher or entry).name,
        twin=entry.twin,
        runs=entry.runs,
    )
    checkpoints = (_output(entry, OutputKind.RUNS, place) for place, _ in _places(entry))
    read = inputs.of_tasks(entry, entry.runs)
    outputs = (_output(entry, OutputKind.SCORE),)
    return PipelineStage(kinds.SCORE, "score", job, (*read, *checkpoints), outputs)


def _robustness_stages(entry: ResolvedEntry) -> Iterator[PipelineStage]:
    robustness = entry.suite.robustness
    if not robustness.is_measured:
        return
    job = RobustnessJob(
        suite=entry.suite_name, entry=entry.name, runs=entry.runs, robustness=robustness
    )
    checkpoints = (_output(entry, OutputKind.RUNS, place) for place, _ in _places(entry))
    read = (*inputs.of_tasks(entry, entry.runs), *inputs.of_robustness(entry))
    outputs = (_output(entry, OutputKind.ROBUSTNESS),)
    yield PipelineStage(kinds.ROBUSTNESS, "robustness", job, (*read, *checkpoints), outputs)


def _gate_stages(entry: ResolvedEntry) -> Iterator[PipelineStage]:
    if isinstance(entry.spec, Teacher):
        job = GateJob(
            suite=entry.suite_name,
            entry=entry.name,
            gates=entry.spec.gates,
            seed=entry.suite.seeds[0],
            tasks=entry.tasks,
        )
        scores, outputs = (_output(entry, OutputKind.SCORE),), (_output(entry, OutputKind.GATE),)
        yield PipelineStage(kinds.GATE, "gate", job, scores, outputs)


def _export_stage(entry: ResolvedEntry) -> PipelineStage:
    job = ExportJob(
        suite=entry.suite_name,
        entry=entry.name,
        runs=entry.first_runs,
        export=entry.suite.bench.export,
    )
    checkpoints = (_checkpoint(entry, run) for run in job.runs)
    read = inputs.of_tasks(entry, job.runs)
    outputs = (_output(entry, OutputKind.EXPORT),)
    return PipelineStage(kinds.EXPORT, "export", job, (*read, *checkpoints), outputs)


def _latency_stages(entry: ResolvedEntry) -> Iterator[PipelineStage]:
    teacher, bench = entry.teacher, entry.suite.bench
    runs = tuple(run for run in entry.first_runs if not bench.tasks or run.task in bench.tasks)
    if teacher is None or not runs:
        return
    job = LatencyJob(
        suite=entry.suite_name,
        entry=entry.name,
        teacher=teacher.name,
        runs=runs,
        beside=tuple(entry.teaching_run(run.task) for run in runs),
        bench=bench,
    )
    dependencies = (
        *inputs.of_tasks(entry, runs),
        *(_checkpoint(entry, run) for run in runs),
        *(_checkpoint(teacher, run) for run in job.beside),
        _output(entry, OutputKind.EXPORT),
        _output(teacher, OutputKind.EXPORT),
    )
    outputs = (_output(entry, OutputKind.LATENCY),)
    yield PipelineStage(kinds.LATENCY, "latency", job, dependencies, outputs)


def _board_pipeline(suite: ResolvedSuite, pipelines: Iterable[Pipeline]) -> Pipeline:
    job = BoardJob(
        suite=suite.name,
        entry=BOARD_PIPELINE,
        entries=tuple(suite.entries),
        optional=suite.loaded.suite.optional_tasks,
    )
    records = tuple(output for each in pipelines for output in record_outputs(each.stages))
    outputs = (Output(OutputKind.BOARD, suite.name, BOARD_PIPELINE),)
    stage = PipelineStage(kinds.BOARD, BOARD_PIPELINE, job, records, outputs)
    return Pipeline(suite.name, BOARD_PIPELINE, (stage,))


def _output(entry: ResolvedEntry, kind: OutputKind, place: Steps = ()) -> Output:
    return Output(kind, entry.suite_name, entry.name, place)


def _checkpoint(entry: ResolvedEntry, run: RunRecipe) -> Output:
    return _output(entry, OutputKind.RUNS, (run.task, str(run.seed)))
