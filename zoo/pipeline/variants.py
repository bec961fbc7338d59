"""Studies as pipelines: each variant as the entry of a suite of its own, all stages together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.methods import METHODS
from zoo.paths import Project
from zoo.pipeline.compile import Pipeline, PipelineStage, student_pipeline
from zoo.pipeline.recipes import entry_tasks, run_recipes
from zoo.spec.entry import entry_model
from zoo.spec.jobs import PretrainJob, TrainJob, TransferJob
from zoo.spec.load import LoadedSuite, Teaching
from zoo.spec.study import Study, StudyJob, StudyVariant
from zoo.spec.suite import Suite
from zoo.spec.vary import Base, Point, identity, point_name, points, train_sizes, values_of, varied

STUDY = "study"


@dataclass(frozen=True)
class Variant:
    """One variant of a study: `entry` is its name in `loaded`, a suite of its own.

    A variant whose runs are all runs of the varied entry is that entry, and not built again.
    """

    name: str
    entry: str
    values: dict[str, Any]
    loaded: LoadedSuite

    @property
    def runs(self) -> dict[str, str]:
        """What is declared of each run, by its name."""
        return {run.key: run.declared for run in run_recipes(self.loaded, self.entry)}


def expand(loaded: LoadedSuite, study_name: str) -> list[Variant]:
    """The variants of a study, the base first; a value that is the base's makes no variant."""
    study = loaded.studies[study_name]
    entry = loaded.entries[study.entry]
    base = Base(entry, loaded.suite, loaded.teachers, entry_model(METHODS.classes))
    unchanged = identity(study, {}, base)
    return [
        _variant(loaded, study_name, point, base)
        for point in points(study)
        if not point or identity(study, point, base) != unchanged
    ]


def compile_study(loaded: LoadedSuite, study_name: str) -> Pipeline:
    """The stages of all variants of a study, and last the one that joins their records."""
    study = loaded.studies[study_name]
    makers = {_first_digests(student_pipeline(loaded, study.entry).stages): study.entry}
    stages: list[PipelineStage] = []
    rows: list[StudyVariant] = []
    measured: dict[str, None] = {}
    variants = expand(loaded, study_name)
    for variant in variants:
        own = student_pipeline(variant.loaded, variant.entry).stages
        digests = _first_digests(own)
        maker = makers.setdefault(digests, variant.entry) if digests else variant.entry
        own = tuple(_made_by(maker, stage, variant) for stage in own)
        rows.append(_row(variant, maker, own))
        measured |= dict.fromkeys(_records(own, study))
        if variant.entry != study.entry:
            stages += _built(own, study, variant, maker)
    job = StudyJob(
        suite=loaded.name,
        entry=study_name,
        varied=study.entry,
        combine=study.combine,
        axes=tuple(study.axes),
        tasks=tuple(entry_tasks(variants[0].loaded, variants[0].entry)),
        latency=study.latency,
        report=study.report,
        variants=tuple(rows),
    )
    folder = Project(Path()).study(loaded.name, study_name).as_posix()
    stages.append(PipelineStage(STUDY, STUDY, job, tuple(measured), (folder,)))
    return Pipeline(loaded.name, study_name, tuple(stages))


def _variant(loaded: LoadedSuite, study_name: str, point: Point, base: Base) -> Variant:
    study = loaded.studies[study_name]
    name, entry = point_name(study, point), varied(study, point, base)
    full = f"{study_name}.{name}"
    suite = _varied_suite(loaded, study, point, base)
    own = LoadedSuite(
        loaded.name,
        suite,
        loaded.teachers,
        {**loaded.entries, full: entry},
        teaching=Teaching(loaded.teacher_seed, loaded.suite.tasks),
        own=loaded.own,
    )
    variant = Variant(name, full, values_of(study, point, base), own)
    if not _is_built(loaded, study, variant):
        return variant
    return replace(
        variant,
        entry=study.entry,
        loaded=replace(own, entries={**loaded.entries, study.entry: entry}),
    )


def _varied_suite(loaded: LoadedSuite, study: Study, point: Point, base: Base) -> Suite:
    sizes = train_sizes(study, point, base)
    tasks = {
        task: settings.model_copy(update={"train": sizes[task]}) if task in sizes else settings
        for task, settings in loaded.suite.tasks.items()
    }
    seeds = study.seeds or loaded.suite.seeds
    update = {"tasks": tasks, "seeds": seeds, "train_stage_per": "entry"}
    return loaded.suite.model_copy(update=update)


def _is_built(loaded: LoadedSuite, study: Study, variant: Variant) -> bool:
    """Whether the varied entry's own pipeline has all that the study asks of this variant."""
    if study.latency and variant.loaded.suite.seeds[0] != loaded.suite.seeds[0]:
        return False
    built = {run.key: run.declared for run in run_recipes(loaded, study.entry)}
    return variant.runs.items() <= built.items()


def _first_digests(stages: Sequence[PipelineStage]) -> tuple[str, ...]:
    """The identities of the weights that an entry's runs start from, where it makes its own."""
    jobs = (stage.job for stage in stages)
    return tuple(job.declared for job in jobs if isinstance(job, PretrainJob | TransferJob))


def _made_by(maker: str, stage: PipelineStage, variant: Variant) -> PipelineStage:
    """The stage where another entry makes the weights that the variant's runs start from."""
    if maker == variant.entry or not isinstance(stage.job, PretrainJob | TransferJob | TrainJob):
        return stage
    ours, theirs = (
        f"{Project(Path()).entry(variant.loaded.name, entry).root.as_posix()}/"
        for entry in (variant.entry, maker)
    )
    if not isinstance(stage.job, TrainJob):
        outputs = tuple(path.replace(ours, theirs) for path in stage.outputs)
        return replace(stage, outputs=outputs)
    dependencies = tuple(path.replace(ours, theirs) for path in stage.dependencies)
    job = stage.job.model_copy(update={"start": maker})
    return replace(stage, job=job, dependencies=dependencies)


def _row(variant: Variant, maker: str, stages: Sequence[PipelineStage]) -> StudyVariant:
    records = {variant.entry: tuple(variant.runs.values())}
    for stage in stages:
        if isinstance(stage.job, TransferJob):
            records[maker] = (*records.get(maker, ()), stage.job.declared)
    return StudyVariant(name=variant.name, values=variant.values, records=records)


def _records(stages: Sequence[PipelineStage], study: Study) -> Iterator[str]:
    """The outputs that the study's tables are made of."""
    kinds = ("transfer", "train", "score", *(("latency",) if study.latency else ()))
    for stage in stages:
        if stage.kind in kinds:
            weights = ("/checkpoint", "/transferred", ".safetensors")
            yield from (path for path in stage.outputs if not path.endswith(weights))


def _built(
    stages: Sequence[PipelineStage], study: Study, variant: Variant, maker: str
) -> Iterator[PipelineStage]:
    """The stages that build a variant, by names of their own; DVC allows no dots in them."""
    for stage in stages:
        elsewhere = maker != variant.entry and isinstance(stage.job, PretrainJob | TransferJob)
        unwanted = not study.latency and stage.kind in ("export", "latency")
        if not elsewhere and not unwanted:
            yield replace(stage, name=f"{stage.name}-{variant.name.replace('.', '_')}")
