"""The scoring stage: predictions, metrics and sizes of every run of an entry."""

from dataclasses import replace
from pathlib import Path

from zoo.data.examples import SpanExample, Split
from zoo.data.sources import load_evaluation, load_train
from zoo.errors import MeasurementError
from zoo.evaluation.built import BuiltRun, write_predicted
from zoo.evaluation.labels import TRAINING_ASKED, Answered, refuse_label_order
from zoo.evaluation.metrics import majority
from zoo.evaluation.predictions import Predictions
from zoo.evaluation.scoring import labels_of
from zoo.models.configuration import shape_of
from zoo.models.cost import forward_flops, parameter_counts, stored_parameters
from zoo.paths import Project, new_folder
from zoo.records.environment import Environment, capture_environment
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
from zoo.records.text import write_record
from zoo.spec.measuring import ScoreJob


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
            _score_run(folder, job, BuiltRun.load(project, job, run), environment)


def _score_run(folder: Path, job: ScoreJob, built: BuiltRun, environment: Environment) -> None:
    run, task = built.run, built.run.definition
    train = load_train(task, run.settings, run.data)
    for split in load_evaluation(task, run.settings, run.data).values():
        predictions = built.predictions(split)
        record = ScoreRecord(
            **built.stated(environment),
            **built.scores(split, predictions),
            method=job.method,
            teacher=job.teacher,
            twin=job.twin,
            majority=majority(task, _labels(train), _labels(split)),
            constant=len(set(predictions.answers)) == 1,
            unlike_training=_unlike_training(job, built, predictions, train),
        )
        write_predicted(folder, record, predictions)
    write_record(folder, _size_record(built, environment))


def _unlike_training(
    job: ScoreJob, built: BuiltRun, predictions: Predictions, train: Split
) -> bool:
    """Whether the scored split alone suggests that the model's class order is wrong.

    A teacher with a wrong order is stopped by its gate instead.

    Raises:
        MeasurementError: a student's class order differs from the data's.
    """

    def answered() -> Answered:
        """On an evenly spread subset of the training examples."""
        every = -(-len(train.examples) // TRAINING_ASKED)
        found = built.predictions(replace(train, examples=train.examples[::every]))
        return found.gold, found.answers

    where = f"{job.suite}/{job.entry}, seed {built.run.seed},"
    answers = predictions.gold, predictions.answers
    try:
        return refuse_label_order(built.run.definition, *answers, where, answered)
    except MeasurementError:
        if job.method != "teacher":
            raise
        return False


def _labels(split: Split) -> list[float] | list[tuple[str, ...]]:
    if any(isinstance(example, SpanExample) for example in split.examples):
        return [e.answers for e in split.examples if isinstance(e, SpanExample)]
    return labels_of(split)


def _size_record(built: BuiltRun, environment: Environment) -> SizeRecord:
    model, length = built.model, built.run.settings.max_length
    counts, weights = parameter_counts(model), built.checkpoint / "model.safetensors"
    shape = shape_of(model.config)
    return SizeRecord(
        **built.stated(environment),
        parameters=counts.total,
        embedding=counts.embedding,
        non_embedding=counts.non_embedding,
        checkpoint_bytes=weights.stat().st_size,
        stored_parameters=stored_parameters(weights),
        flops=forward_flops(model, length),
        flops_length=length,
        layers=shape.layers,
        hidden=shape.hidden,
        heads=shape.heads,
    )
