"""An entry's predictions as submission files for the official servers."""

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
    """Write the files of all runs into `folder` atomically; return their paths.

    For test splits, an MNLI model also predicts the diagnostic set. The two versions of SQuAD,
    whose files share a name, get a folder each. Answers of v2.0 use the null threshold 0, as on
    boards; the null odds are written as well.

    Raises:
        CheckpointError: a run is not built.
        DataError: a split is missing, or its index is invalid.
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
        # Submissions cover whole splits, whatever subset of dev the suite uses.
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
        # Clip to the scale of similarity.
        answers = np.clip(answers, *task.limits)
    index = split.index.numbers() if split.index else None
    return [write_submission(task, folder, answers, split=split.name, index=index)]
