"""Studies as pipelines: each variant as its own entry, with all stages in one pipeline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zoo.methods import METHODS
from zoo.pipeline import inputs, kinds
from zoo.pipeline.compile import Pipeline, PipelineStage, entry_pipeline, record_outputs
from zoo.pipeline.outputs import FIRST_WEIGHTS, Output, OutputKind
from zoo.resolve.entry import ResolvedEntry, ResolvedSuite, resolved_student
from zoo.spec.entry import entry_model
from zoo.spec.jobs import PretrainJob, TrainJob, TransferJob
from zoo.spec.robustness import Robustness
from zoo.spec.study import AttentionJob, Study, StudyJob, StudyVariant
from zoo.spec.suite import Suite
from zoo.spec.vary import Base, Point, identity, point_name, points, train_sizes, values_of, varied


@dataclass(frozen=True)
class Variant:
    """One variant of a study; if its runs are all runs of one entry, it has that entry's name."""

    name: str
    values: dict[str, Any]
    entry: ResolvedEntry

    @property
    def runs(self) -> dict[str, str]:
        """The declaration of each run, by name."""
        return self.entry.declared_runs


def expand(suite: ResolvedSuite, study_name: str) -> list[Variant]:
    """The variants of a study, the base first; the base's own values make no further variant."""
    loaded, study = suite.loaded, suite.loaded.studies[study_name]
    entry = loaded.entries[study.entry]
    base = Base(entry, loaded.suite, loaded.teachers, entry_model(METHODS.classes))
    unchanged = identity(study, {}, base)
    return [
        _variant(suite, study_name, point, base)
        for point in points(study)
        if not point or identity(study, point, base) != unchanged
    ]


def compile_study(suite: ResolvedSuite, study_name: str) -> Pipeline:
    """The stages of all variants of a study, and finally the one that joins their records."""
    study = suite.loaded.studies[study_name]
    makers = {_first_weights(entry_pipeline(suite.entries[study.entry]).stages): study.entry}
    stages: list[PipelineStage] = []
    rows: list[StudyVariant] = []
    measured: dict[Output, None] = {}
    variants = expand(suite, study_name)
    for variant in variants:
        name, own = variant.entry.name, entry_pipeline(variant.entry).stages
        first = _first_weights(own)
        shared = makers.setdefault(first, name) if first else name
        maker = name if name in suite.entries else shared
        own = tuple(_made_by(maker, stage, name) for stage in own)
        rows.append(_row(variant, maker, own))
        measured |= dict.fromkeys(_records(own, study))
        if name not in suite.entries:
            stages += _built(own, study, variant, maker)
        if study.attention:
            stages.append(_attention_stage(study_name, variant))
            measured |= dict.fromkeys(stages[-1].outputs)
    job = StudyJob(
        suite=suite.name,
        entry=study_name,
        varied=study.entry,
        combine=study.combine,
        axes=tuple(study.axes),
        tasks=variants[0].entry.tasks,
        latency=study.latency,
        report=study.report,
        attention=study.attention,
        variants=tuple(rows),
    )
    outputs = (Output(OutputKind.STUDY, suite.name, study_name),)
    stages.append(PipelineStage(kinds.STUDY, kinds.STUDY.name, job, tuple(measured), outputs))
    return Pipeline(suite.name, study_name, tuple(stages))


def _attention_stage(study_name: str, variant: Variant) -> PipelineStage:
    """The stage that compares a variant's attention, whichever pipeline builds its runs."""
    entry, teacher = variant.entry, variant.entry.teacher
    assert teacher is not None, "a variant is a student"
    job = AttentionJob(
        suite=entry.suite_name,
        entry=entry.name,
        study=study_name,
        teacher=teacher.name,
        runs=entry.runs,
        beside=tuple(entry.teaching_run(task) for task in entry.tasks),
    )
    pairs = (*((entry.name, run) for run in job.runs), *((teacher.name, r) for r in job.beside))
    read = (
        *inputs.of_tasks(entry, entry.runs),
        *(
            Output(OutputKind.RUNS, entry.suite_name, name, (run.task, str(run.seed)))
            for name, run in pairs
        ),
    )
    outputs = (Output(OutputKind.ATTENTION, entry.suite_name, study_name, (entry.name,)),)
    name = f"attention-{variant.name.replace('.', '_')}"
    return PipelineStage(kinds.STUDY_ATTENTION, name, job, read, outputs)


def _variant(suite: ResolvedSuite, study_name: str, point: Point, base: Base) -> Variant:
    study = suite.loaded.studies[study_name]
    name, spec = point_name(study, point), varied(study, point, base)
    loaded = replace(suite.loaded, suite=_varied_suite(suite.loaded.suite, study, point, base))
    entry = resolved_student(loaded, f"{study_name}.{name}", spec, suite.entries)
    built = _built_as(entry, suite, study)
    if built is not None:
        entry = resolved_student(loaded, built, spec, suite.entries)
    return Variant(name, values_of(study, point, base), entry)


def _varied_suite(suite: Suite, study: Study, point: Point, base: Base) -> Suite:
    sizes = train_sizes(study, point, base)
    # Seeds that the study states are those of all its tasks.
    seeds = {"seeds": None} if study.seeds else {}
    tasks = {
        task: settings.model_copy(update={"train": sizes.get(task, settings.train), **seeds})
        for task, settings in suite.tasks.items()
    }
    update = {
        "tasks": tasks,
        "seeds": study.seeds or suite.seeds,
        "train_stage_per": "entry",
        "robustness": Robustness(),
    }
    return suite.model_copy(update=update)


def _built_as(variant: ResolvedEntry, suite: ResolvedSuite, study: Study) -> str | None:
    """The entry, the varied one if possible, whose pipeline builds this variant's runs."""
    entries = (suite.entries[study.entry], *suite.entries.values())
    return next((entry.name for entry in entries if _is_built(entry, study, variant)), None)


def _is_built(entry: ResolvedEntry, study: Study, variant: ResolvedEntry) -> bool:
    """Whether an entry's own pipeline covers all that the study needs of this variant."""
    if study.latency and variant.suite.seeds[0] != entry.suite.seeds[0]:
        return False
    return variant.declared_runs.items() <= entry.declared_runs.items()


def _first_weights(stages: Sequence[PipelineStage]) -> tuple[str, ...]:
    """The declaration of an entry's initial weights, if it makes its own."""
    jobs = (stage.job for stage in stages)
    return tuple(job.declared for job in jobs if isinstance(job, PretrainJob | TransferJob))


def _made_by(maker: str, stage: PipelineStage, entry: str) -> PipelineStage:
    """The stage of another entry that makes the initial weights of the runs of `entry`."""
    if maker == entry:
        return stage
    if isinstance(stage.job, PretrainJob | TransferJob):
        return replace(stage, outputs=_of_other(stage.outputs, entry, maker))
    if isinstance(stage.job, TrainJob):
        job = stage.job.model_copy(update={"start": maker})
        return replace(stage, job=job, dependencies=_of_other(stage.dependencies, entry, maker))
    return stage


def _of_other(outputs: Sequence[Output], entry: str, maker: str) -> tuple[Output, ...]:
    first = (*FIRST_WEIGHTS, OutputKind.TRANSFER)
    return tuple(
        replace(one, entry=maker) if one.entry == entry and one.kind in first else one
        for one in outputs
    )


def _row(variant: Variant, maker: str, stages: Sequence[PipelineStage]) -> StudyVariant:
    records = {variant.entry.name: tuple(variant.runs.values())}
    for stage in stages:
        if isinstance(stage.job, TransferJob):
            records[maker] = (*records.get(maker, ()), stage.job.declared)
    return StudyVariant(name=variant.name, values=variant.values, records=records)


def _records(stages: Sequence[PipelineStage], study: Study) -> Iterator[Output]:
    """The outputs that the study's tables are built from."""
    unwanted = {OutputKind.EXPORT} if study.latency else {OutputKind.EXPORT, OutputKind.LATENCY}
    return (output for output in record_outputs(stages) if output.kind not in unwanted)


def _built(
    stages: Sequence[PipelineStage], study: Study, variant: Variant, maker: str
) -> Iterator[PipelineStage]:
    """The stages that build a variant, under unique names; DVC allows no dots in them."""
    for stage in stages:
        elsewhere = maker != variant.entry.name and stage.kind in (kinds.PRETRAIN, kinds.TRANSFER)
        unwanted = not study.latency and stage.kind in (kinds.EXPORT, kinds.LATENCY)
        if not elsewhere and not unwanted:
            yield replace(stage, name=f"{stage.name}-{variant.name.replace('.', '_')}")
