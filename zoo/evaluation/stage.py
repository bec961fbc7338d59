"""The scoring stage: predictions, metrics and sizes of every run of an entry."""

from pathlib import Path

import numpy as np
from transformers import PreTrainedModel

from zoo.data.batches import encode
from zoo.data.examples import SpanExample, Split, TextExample
from zoo.data.sources import content_sha256, load_evaluation, load_train
from zoo.evaluation.metrics import majority, score
from zoo.evaluation.predict import Predictions, predict
from zoo.evaluation.predictions import write_predictions
from zoo.evaluation.spans import score_spans
from zoo.models.anatomy import embeddings_of
from zoo.models.build import Head
from zoo.models.checkpoint import load_checkpoint
from zoo.paths import Project, new_folder
from zoo.records.environment import Environment, capture_environment
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
from zoo.records.text import write_record
from zoo.spec.measuring import Measured, ScoreJob
from zoo.spec.task import TASKS, Task, TaskKind

Metrics = dict[str, float | None]


def score_runs(project: Project, job: ScoreJob) -> None:
    """Score every run of an entry; the folder appears when all are done."""
    environment = capture_environment(project.root)
    with new_folder(project.entry(job.suite, job.entry).score) as folder:
        for run in job.runs:
            checkpoint = project.entry(job.suite, job.entry).checkpoint(run.key)
            _score_run(folder, checkpoint, job, run, environment)


def _score_run(
    folder: Path, checkpoint: Path, job: ScoreJob, run: Measured, environment: Environment
) -> None:
    task = TASKS[run.task]
    model, tokenizer = load_checkpoint(checkpoint, Head(task))
    train = load_train(task, run.settings, run.data)
    for name, split in load_evaluation(task, run.settings, run.data).items():
        predictions = predict(model, encode(task, split, run.settings, tokenizer), run.settings)
        record = ScoreRecord(
            suite=job.suite,
            entry=job.entry,
            task=run.task,
            seed=run.seed,
            digest=run.digest,
            environment=environment,
            method=job.method,
            teacher=job.teacher,
            twin=job.twin,
            split=name,
            examples=len(split.examples),
            data_sha256=content_sha256(split),
            primary=task.primary,
            metrics=_metrics(task, split, predictions),
            majority=majority(task, _labels(train), _labels(split)),
            constant=len(set(predictions.answers)) == 1,
        )
        write_record(folder, record)
        write_predictions(folder / "predictions" / record.predictions, predictions, run.digest)
    write_record(folder, _size_record(model, checkpoint, job, run, environment))


def _metrics(task: Task, split: Split, predictions: Predictions) -> Metrics:
    if task.kind is TaskKind.SPAN:
        spans = [example for example in split.examples if isinstance(example, SpanExample)]
        answers = {i: str(a) for i, a in zip(predictions.ids, predictions.answers, strict=True)}
        scored = score_spans(spans, answers)
        return {"exact_match": scored.exact_match, "f1": scored.f1}
    return score(task, np.array(_numbers(split)), np.array(predictions.answers))


def _labels(split: Split) -> list[float] | list[tuple[str, ...]]:
    if any(isinstance(example, SpanExample) for example in split.examples):
        return [e.answers for e in split.examples if isinstance(e, SpanExample)]
    return _numbers(split)


def _numbers(split: Split) -> list[float]:
    return [
        example.label
        for example in split.examples
        if isinstance(example, TextExample) and example.label is not None
    ]


def _size_record(
    model: PreTrainedModel, checkpoint: Path, job: ScoreJob, run: Measured, where: Environment
) -> SizeRecord:
    # parameters() yields a tied tensor once.
    total = sum(parameter.numel() for parameter in model.parameters())
    embedding = sum(parameter.numel() for parameter in embeddings_of(model).parameters())
    return SizeRecord(
        suite=job.suite,
        entry=job.entry,
        task=run.task,
        seed=run.seed,
        digest=run.digest,
        environment=where,
        parameters=total,
        embedding=embedding,
        non_embedding=total - embedding,
        checkpoint_bytes=(checkpoint / "model.safetensors").stat().st_size,
    )
