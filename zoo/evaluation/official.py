"""An entry's answers as the files that official servers take."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.data.batches import encode
from zoo.data.examples import Split
from zoo.data.sources import load_evaluation, load_test
from zoo.evaluation.predict import forward_of, predict
from zoo.evaluation.predictions import Predictions
from zoo.evaluation.scoring import finite
from zoo.evaluation.submissions import write_null_odds, write_submission
from zoo.models.build import Head
from zoo.models.checkpoint import load_checkpoint
from zoo.models.identity import Wanted
from zoo.paths import Project, new_folder
from zoo.spec.measuring import ScoreJob
from zoo.spec.recipe import RunRecipe
from zoo.spec.task import Task, TaskKind


def write_files(
    project: Project, job: ScoreJob, runs: Sequence[RunRecipe], split: str, folder: Path
) -> list[Path]:
    """Write the files of all runs into `folder`, which appears whole; returns their paths.

    A model of MNLI answers the diagnostic set too, where the test splits are asked for. The two
    versions of SQuAD, whose files have one name, get a folder each. Answers of v2.0 are withheld at
    the threshold 0, as they are scored on boards; the null odds stand beside them.

    Raises:
        CheckpointError: a run was not built.
        DataError: a split is not there, or its index is none.
    """
    written: list[Path] = []
    with new_folder(folder) as fresh:
        for run in runs:
            written += _write_run(project, job, run, split, fresh)
        names = [path.relative_to(fresh) for path in written]
    return [folder / name for name in names]


def _write_run(
    project: Project, job: ScoreJob, run: RunRecipe, split: str, folder: Path
) -> list[Path]:
    task = run.definition
    checkpoint = project.entry(job.suite, job.entry).checkpoint(run.task, run.seed)
    wanted = Wanted.run(job.suite, job.entry, run)
    model, tokenizer = load_checkpoint(checkpoint, Head(task), wanted)
    forward = forward_of(model)

    def answered(asked: Task, examples: Split) -> list[Path]:
        encoded = encode(asked, examples, run.settings, tokenizer)
        return _write(asked, examples, predict(forward, encoded, run.settings), folder)

    if split == "dev":
        # A submission is whole: what the suite cuts its dev split to plays no part.
        settings = run.settings.model_copy(update={"dev": None})
        splits = load_evaluation(task, settings, run.data)
    else:
        splits = load_test(task, run.data)
    written = [path for examples in splits.values() for path in answered(task, examples)]
    if task.diagnostic is not None and split == "test":
        for examples in load_test(task.diagnostic, run.data).values():
            written += answered(task.diagnostic, examples)
    return written


def _write(task: Task, split: Split, predictions: Predictions, folder: Path) -> list[Path]:
    if task.kind is TaskKind.SPAN:
        own = folder / task.name
        texts = {i: str(a) for i, a in zip(predictions.ids, predictions.answers, strict=True)}
        files = [write_submission(task, own, texts, split=split.name)]
        if task.unanswerable:
            odds = map(finite, predictions.logits[:, 0].tolist())
            files.append(write_null_odds(own, dict(zip(predictions.ids, odds, strict=True))))
        return files
    answers = np.array(predictions.answers)
    if task.limits is not None:
        # The scale ends there: a similarity beyond it is none.
        answers = np.clip(answers, *task.limits)
    index = split.index.numbers() if split.index else None
    return [write_submission(task, folder, answers, split=split.name, index=index)]
