"""The robustness stage: predictions and metrics of every run on altered examples."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo.data.adversarial import read_adversarial
from zoo.data.adversarial_input import lacks_adversarial
from zoo.data.batches import encode
from zoo.data.examples import Split
from zoo.data.sources import content_sha256, load_evaluation
from zoo.data.typos import mistyped_split
from zoo.errors import DataError, Problem
from zoo.evaluation.predict import forward_of, predict
from zoo.evaluation.predictions import Origin, write_predictions
from zoo.evaluation.scoring import score_predictions
from zoo.models.build import Head
from zoo.models.checkpoint import load_checkpoint
from zoo.models.identity import Wanted, read_identity
from zoo.paths import Project, data_folder, new_folder
from zoo.records.environment import Environment, capture_environment
from zoo.records.predicted import seal_of
from zoo.records.robustness import ROBUSTNESS_FOLDER, RobustnessRecord
from zoo.records.text import write_record
from zoo.spec.own_task import OwnData
from zoo.spec.recipe import RunRecipe
from zoo.spec.robustness import Adversarial, Perturbation
from zoo.spec.robustness_job import RobustnessJob

Altered = tuple[Perturbation, Split]
"""How a dev split is altered, and its altered examples."""


def score_robustness(project: Project, job: RobustnessJob) -> None:
    """Score every run of an entry on altered examples; adversarial ones only where they are.

    Raises:
        CheckpointError: a run is not built.
        DataError: a split is missing, or the adversarial examples are malformed.
    """
    environment = capture_environment(project.root)
    altered = {}
    for run in job.runs:
        if run.task not in altered:
            altered[run.task] = [*_altered(project, job, run)]
    with new_folder(project.entry(job.suite, job.entry).root / ROBUSTNESS_FOLDER) as folder:
        for run in job.runs:
            checkpoint = project.entry(job.suite, job.entry).checkpoint(run.task, run.seed)
            _score_run(folder, checkpoint, job, run, altered[run.task], environment)


def _altered(project: Project, job: RobustnessJob, run: RunRecipe) -> Iterator[Altered]:
    """The altered examples of a run's task."""
    typos, adversarial = job.robustness.typos, job.robustness.adversarial
    if typos is not None:
        for split in load_evaluation(run.definition, run.settings, run.data).values():
            yield "typos", mistyped_split(split, typos)
    if adversarial is not None and not lacks_adversarial(project, job.suite):
        for (task, _), split in read_adversarial(_file(adversarial)).items():
            if task == run.task:
                yield "adversarial", split


def _file(adversarial: Adversarial) -> Path:
    root = data_folder()
    if root is None:
        remedy = "set ZOO_DATA to the folder that contains the file"
        raise DataError(Problem(adversarial.path, "ZOO_DATA is not set", remedy=remedy))
    return root / adversarial.path


def _score_run(
    folder: Path,
    checkpoint: Path,
    job: RobustnessJob,
    run: RunRecipe,
    altered: Sequence[Altered],
    environment: Environment,
) -> None:
    if not altered:
        return
    task = run.definition
    model, tokenizer = load_checkpoint(
        checkpoint, Head(task), Wanted.run(job.suite, job.entry, run)
    )
    identity = read_identity(checkpoint)
    for perturbation, split in altered:
        encoded = encode(task, split, run.settings, tokenizer)
        predictions = predict(forward_of(model), encoded, run.settings)
        scored = score_predictions(task, split, predictions)
        record = RobustnessRecord(
            suite=job.suite,
            entry=job.entry,
            task=run.task,
            seed=run.seed,
            declared=run.declared,
            digest=identity.digest,
            environment=environment,
            perturbation=perturbation,
            typos=job.robustness.typos if perturbation == "typos" else None,
            split=split.name,
            examples=len(split.examples),
            data_sha256=content_sha256(split),
            weights_sha256=identity.weights_sha256,
            predictions_sha256="0" * 64,  # known once the predictions are written
            primary=task.primary,
            metrics=scored.metrics,
            thresholds=scored.thresholds,
            own=run.data if isinstance(run.data, OwnData) else None,
        )
        stored = folder / "predictions" / record.predictions
        origin = Origin(identity.digest, seal_of(record))
        written = {"predictions_sha256": write_predictions(stored, predictions, origin)}
        write_record(folder, record.model_copy(update=written))
