"""The score stage: records from which everything comes back, and students in a wrong order."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from tests import tiny
from tests.made import identity
from zoo.data.batches import Encoded
from zoo.data.sources import content_sha256, load_evaluation, load_train
from zoo.errors import MeasurementError
from zoo.evaluation.predict import predict
from zoo.evaluation.predictions import Predictions, read_predictions
from zoo.evaluation.score_runs import score_runs
from zoo.evaluation.scoring import score_predictions
from zoo.models.checkpoint import save_checkpoint
from zoo.paths import Project
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
from zoo.records.store import read_records
from zoo.spec.data import PocketData, TaskSettings
from zoo.spec.measuring import ScoreJob
from zoo.spec.task import TASKS

SMALL = TaskSettings(train=24, dev=48, max_length=48, stride=16, max_query=16)


def entry(tmp_path: Path, task: str, method: str, settings: TaskSettings) -> tuple:
    """An entry with one untrained run, the job that scores it, and the run's model."""
    project = Project(tmp_path)
    run = tiny.run(task, settings=settings)
    made = identity("e", "trained", task=task, declared=run.declared)
    model = tiny.model(task=task)
    save_checkpoint(
        project.entry("s", "e").checkpoint(run.task, run.seed), model, tiny.tokenizer(), made
    )
    job = ScoreJob(suite="s", entry="e", method=method, teacher="t", twin=None, runs=(run,))
    return project, job, model


def records(project: Project) -> list[ScoreRecord]:
    found = read_records(project.entry("s", "e").score)
    return [record for record in found if isinstance(record, ScoreRecord)]


@pytest.mark.parametrize("task", ["span", "similarity", "inference"])
def test_a_record_comes_back_from_the_stored_predictions(tmp_path: Path, task: str) -> None:
    """Metrics and thresholds need the predictions and the split, no model."""
    project, job, _ = entry(tmp_path, task, "kd", SMALL)
    score_runs(project, job)
    (record,) = records(project)
    stored = project.entry("s", "e").score / "predictions" / record.predictions
    split = load_evaluation(TASKS[task], SMALL, PocketData())["dev"]
    scored = score_predictions(TASKS[task], split, read_predictions(stored, record.digest))
    # Records round what they show.
    assert record.metrics == pytest.approx(scored.metrics, abs=1e-6)
    assert (record.thresholds or {}) == pytest.approx(scored.thresholds or {}, rel=1e-5, abs=1e-5)
    assert (record.thresholds is not None) == (task == "span")
    assert TASKS[task].primary in record.metrics


def test_questions_that_may_be_open_have_all_figures(tmp_path: Path) -> None:
    """At the fixed threshold, by part, best and cross-fitted, with the thresholds of each."""
    project, job, _ = entry(tmp_path, "span", "kd", SMALL)
    score_runs(project, job)
    (record,) = records(project)
    sets = ("", "has_answer_", "no_answer_", "best_", "cross_fitted_")
    assert set(record.metrics) == {f"{each}{m}" for each in sets for m in ("exact_match", "f1")}
    assert set(record.thresholds or {}) == {
        "best_exact_match",
        "best_f1",
        "cross_fitted_f1_first",
        "cross_fitted_f1_second",
    }
    best, fixed = record.metrics["best_f1"], record.metrics["f1"]
    assert best is not None
    assert fixed is not None
    assert best >= fixed


def test_a_student_with_swapped_classes_is_not_scored(tmp_path: Path, monkeypatch) -> None:  # noqa: ANN001
    """The whole message; no record is left. A teacher's record is for its gate to judge."""
    settings = SMALL.model_copy(update={"dev": 60})
    split = load_evaluation(TASKS["sentiment"], settings, PocketData())["dev"]
    swapped = [1 - example.label for example in split.examples]

    def forward_of(_: object) -> object:
        return lambda batch: torch.eye(2)[[swapped[row] for row in batch.rows]]

    monkeypatch.setattr("zoo.evaluation.built.forward_of", forward_of)
    project, job, _ = entry(tmp_path, "sentiment", "kd", settings)
    with pytest.raises(MeasurementError) as told:
        score_runs(project, job)
    assert str(told.value) == (
        "s/e, seed 1, on sentiment: its class order differs from the data's: negative"
        " means positive, positive means negative (60 of 60 correct in that order, 0 as is)\n"
        "  allowed: negative, positive, in this order\n"
        "  fix: reorder the labels of the checkpoint like the data's, or use another checkpoint"
    )
    assert not project.entry("s", "e").score.exists()
    score_runs(project, job.model_copy(update={"method": "teacher"}))
    assert records(project)[0].metrics == {"accuracy": 0.0}


def test_a_split_made_against_what_is_learnt_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All wrong on dev, all right on the training examples: scored far below chance, and marked."""

    def answers(_forward: object, encoded: Encoded, settings: TaskSettings) -> Predictions:
        turned = int(encoded.split.name == "dev")
        return predict(lambda batch: torch.eye(2)[batch.labels ^ turned], encoded, settings)

    monkeypatch.setattr("zoo.evaluation.built.predict", answers)
    settings = SMALL.model_copy(update={"dev": 60})
    for method in ("kd", "teacher"):
        project, job, _ = entry(tmp_path / method, "sentiment", method, settings)
        score_runs(project, job)
        (record,) = records(project)
        assert (record.metrics, record.unlike_training) == ({"accuracy": 0.0}, True)


def test_a_record_says_what_was_scored(tmp_path: Path) -> None:
    """Data and examples of the dev split; the constant answer is the one that training suggests."""
    project, job, model = entry(tmp_path, "sentiment", "kd", SMALL)
    score_runs(project, job.model_copy(update={"teacher": "t", "twin": "f"}))
    (record,) = records(project)
    train = load_train(TASKS["sentiment"], SMALL, PocketData())
    dev = load_evaluation(TASKS["sentiment"], SMALL, PocketData())["dev"]
    assert (record.method, record.teacher, record.twin) == ("kd", "t", "f")
    assert (record.examples, record.data_sha256) == (48, content_sha256(dev))
    # A label that is the rarer one where models are scored.
    common = Counter(example.label for example in train.examples).most_common(1)[0][0]
    right = sum(example.label == common for example in dev.examples)
    assert record.majority == {"accuracy": pytest.approx(right / 48, abs=1e-6)}
    (size,) = [r for r in read_records(project.entry("s", "e").score) if isinstance(r, SizeRecord)]
    encoder = sum(p.numel() for n, p in model.named_parameters() if ".layer." in n)
    assert size.parameters == size.embedding + size.non_embedding
    assert size.embedding < size.parameters
    assert size.non_embedding >= encoder
    assert size.flops_length == 48
    config = model.config
    assert size.layers == config.num_hidden_layers
    assert (size.hidden, size.heads) == (config.hidden_size, config.num_attention_heads)


def test_every_run_is_scored_from_its_own_checkpoint(tmp_path: Path) -> None:
    """Two seeds, each of which says something else to everything."""
    project, job, model = entry(tmp_path, "sentiment", "kd", SMALL)
    runs = tuple(job.runs[0].model_copy(update={"seed": seed}) for seed in (1, 2))
    assert len({run.declared for run in runs}) == 2
    for run in runs:
        about = {"declared": run.declared, "digest": run.declared}
        made = identity("e", "trained", task=run.task, seed=run.seed, **about)
        with torch.no_grad():
            model.classifier.weight.zero_()
            model.classifier.bias.copy_(torch.eye(2)[run.seed - 1])
        save_checkpoint(
            project.entry("s", "e").checkpoint(run.task, run.seed), model, tiny.tokenizer(), made
        )
    score_runs(project, job.model_copy(update={"runs": runs}))
    found = {record.seed: record for record in records(project)}
    folder = project.entry("s", "e").score / "predictions"
    for run in runs:
        record = found[run.seed]
        assert (record.digest, record.constant) == (run.declared, True)
        told = read_predictions(folder / record.predictions, run.declared)
        assert set(told.answers) == {run.seed - 1}


def test_two_answers_are_no_constant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few there are."""

    def forward_of(_: object) -> object:
        return lambda batch: torch.eye(2)[[int(row == 0) for row in batch.rows]]

    monkeypatch.setattr("zoo.evaluation.built.forward_of", forward_of)
    project, job, _ = entry(tmp_path, "sentiment", "teacher", SMALL)
    score_runs(project, job)
    assert not records(project)[0].constant
