"""The scoring stage: predictions, metrics and sizes of every run of an entry."""

from dataclasses import dataclass, replace
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from zoo.data.batches import encode
from zoo.data.examples import SpanExample, Split
from zoo.data.sources import content_sha256, load_evaluation, load_train
from zoo.errors import MeasurementError
from zoo.evaluation.labels import TRAINING_ASKED, Answered, refuse_label_order
from zoo.evaluation.metrics import majority
from zoo.evaluation.predict import forward_of, predict
from zoo.evaluation.predictions import Origin, Predictions, write_predictions
from zoo.evaluation.scoring import labels_of, score_predictions
from zoo.models.build import Head
from zoo.models.checkpoint import load_checkpoint
from zoo.models.configuration import shape_of
from zoo.models.cost import forward_flops, parameter_counts, stored_parameters
from zoo.models.identity import Wanted, read_identity
from zoo.paths import Project, new_folder
from zoo.records.environment import Environment, capture_environment
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
from zoo.records.text import seal, write_record
from zoo.spec.measuring import ScoreJob
from zoo.spec.own_task import OwnData
from zoo.spec.recipe import RunRecipe


def score_runs(project: Project, job: ScoreJob) -> None:
    """Score every run of an entry; the folder is created once all are done.

    Raises:
        CheckpointError: a run is not built.
        DataError: a split is missing.
        MeasurementError: the class order differs from the data's.
    """
    environment = capture_environment(project.root)
    with new_folder(project.entry(job.suite, job.entry).score) as folder:
        for run in job.runs:
            checkpoint = project.entry(job.suite, job.entry).checkpoint(run.task, run.seed)
            _score_run(folder, checkpoint, job, run, environment)


def _score_run(
    folder: Path, checkpoint: Path, job: ScoreJob, run: RunRecipe, environment: Environment
) -> None:
    task = run.definition
    wanted = Wanted.run(job.suite, job.entry, run)
    model, tokenizer = load_checkpoint(checkpoint, Head(task), wanted)
    identity = read_identity(checkpoint)
    train = load_train(task, run.settings, run.data)
    for name, split in load_evaluation(task, run.settings, run.data).items():
        encoded = encode(task, split, run.settings, tokenizer)
        predictions = predict(forward_of(model), encoded, run.settings)
        asked = _Trained(model, tokenizer, run, train)
        unlike = _unlike_training(job, run, predictions, asked)
        scored = score_predictions(task, split, predictions)
        record = ScoreRecord(
            suite=job.suite,
            entry=job.entry,
            task=run.task,
            seed=run.seed,
            declared=run.declared,
            digest=identity.digest,
            environment=environment,
            method=job.method,
            teacher=job.teacher,
            twin=job.twin,
            split=name,
            examples=len(split.examples),
            data_sha256=content_sha256(split),
            weights_sha256=identity.weights_sha256,
            predictions_sha256="0" * 64,  # known once the predictions are written
            primary=task.primary,
            metrics=scored.metrics,
            thresholds=scored.thresholds,
            majority=majority(task, _labels(train), _labels(split)),
            constant=len(set(predictions.answers)) == 1,
            unlike_training=unlike,
            own=run.data if isinstance(run.data, OwnData) else None,
        )
        stored = folder / "predictions" / record.predictions
        origin = Origin(identity.digest, seal(record))
        written = {"predictions_sha256": write_predictions(stored, predictions, origin)}
        write_record(folder, record.model_copy(update=written))
    write_record(folder, _size_record(model, checkpoint, job, run, environment))


@dataclass(frozen=True)
class _Trained:
    """A model and its training examples."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    run: RunRecipe
    split: Split

    def answered(self) -> Answered:
        """Its predictions on an evenly spread subset."""
        every = -(-len(self.split.examples) // TRAINING_ASKED)
        split = replace(self.split, examples=self.split.examples[::every])
        encoded = encode(self.run.definition, split, self.run.settings, self.tokenizer)
        found = predict(forward_of(self.model), encoded, self.run.settings)
        return found.gold, found.answers


def _unlike_training(
    job: ScoreJob, run: RunRecipe, predictions: Predictions, trained: _Trained
) -> bool:
    """Whether the scored split alone suggests that the model's class order is wrong.

    A teacher with a wrong order is stopped by its gate instead.

    Raises:
        MeasurementError: a student's class order differs from the data's.
    """
    where = f"{job.suite}/{job.entry}, seed {run.seed},"
    task, answers = run.definition, (predictions.gold, predictions.answers)
    try:
        return refuse_label_order(task, *answers, where, trained.answered)
    except MeasurementError:
        if job.method != "teacher":
            raise
        return False


def _labels(split: Split) -> list[float] | list[tuple[str, ...]]:
    if any(isinstance(example, SpanExample) for example in split.examples):
        return [e.answers for e in split.examples if isinstance(e, SpanExample)]
    return labels_of(split)


def _size_record(
    model: PreTrainedModel, checkpoint: Path, job: ScoreJob, run: RunRecipe, where: Environment
) -> SizeRecord:
    counts, weights = parameter_counts(model), checkpoint / "model.safetensors"
    identity, shape = read_identity(checkpoint), shape_of(model.config)
    return SizeRecord(
        suite=job.suite,
        entry=job.entry,
        task=run.task,
        seed=run.seed,
        declared=run.declared,
        digest=identity.digest,
        environment=where,
        weights_sha256=identity.weights_sha256,
        parameters=counts.total,
        embedding=counts.embedding,
        non_embedding=counts.non_embedding,
        checkpoint_bytes=weights.stat().st_size,
        stored_parameters=stored_parameters(weights),
        flops=forward_flops(model, run.settings.max_length),
        flops_length=run.settings.max_length,
        layers=shape.layers,
        hidden=shape.hidden,
        heads=shape.heads,
    )
