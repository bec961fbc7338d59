"""The quality that a file keeps, where it answers otherwise than the fp32 file."""

import pytest

from tests import tiny
from zoo.evaluation.predict import forward_of
from zoo.evaluation.scoring import score_predictions
from zoo.export.exam import singly
from zoo.export.kept import answers_to, kept_quality


@pytest.mark.parametrize("task", ["inference", "similarity", "span"])
def test_a_loss_is_the_fp32_files_score_minus_the_files(task: str) -> None:
    """Above 0 where the file is worse; each split is compared with its own answers."""
    exam = singly(tiny.encoded(task, 50), tiny.SETTINGS)
    exams = {"dev": exam, "dev_other": exam}
    forward = forward_of(tiny.model(task=task))
    full, file = answers_to(forward, exams), answers_to(lambda batch: -forward(batch), exams)
    first, second = kept_quality(exams, full, file | {"dev_other": full["dev_other"]})
    assert (second.lost, second.flips) == (0.0, 0)
    definition, split = exam.encoded.task, exam.encoded.split
    scores = [
        score_predictions(definition, split, side["dev"]).metrics[definition.primary]
        for side in (full, file)
    ]
    assert [first.score_fp32, first.score] == scores
    assert first.examples == 50
    assert first.lost == pytest.approx(scores[0] - scores[1])
    assert first.lost != 0
    assert first.low <= first.lost <= first.high
    assert (first.flips > 0) == (task != "similarity")


def test_a_file_that_answers_the_same_loses_nothing() -> None:
    """Neither do its resamples."""
    exams = {"dev": singly(tiny.encoded("inference", 40), tiny.SETTINGS)}
    full = answers_to(forward_of(tiny.model(task="inference")), exams)
    (kept,) = kept_quality(exams, full, full)
    assert (kept.lost, kept.low, kept.high, kept.flips) == (0.0, 0.0, 0.0, 0)


def test_a_score_that_is_undefined_has_no_loss() -> None:
    """A constant prediction has no correlation."""
    exams = {"dev": singly(tiny.encoded("similarity", 40), tiny.SETTINGS)}
    forward = forward_of(tiny.model(task="similarity"))
    full = answers_to(forward, exams)
    constant = answers_to(lambda batch: forward(batch) * 0.0, exams)
    (kept,) = kept_quality(exams, full, constant)
    assert (kept.score, kept.lost, kept.low, kept.high) == (None, None, None, None)
