"""The quality that a file keeps: its scores on whole dev splits, paired with the fp32 file's."""

from collections.abc import Mapping

from zoo.evaluation.predict import Forward
from zoo.evaluation.predictions import Predictions
from zoo.evaluation.scoring import score_predictions
from zoo.export.exam import Exam
from zoo.export.parity import changed_answers, predictions_of
from zoo.records.kept import KeptQuality
from zoo.statistics.paired import paired_difference


def answers_to(forward: Forward, exams: Mapping[str, Exam]) -> dict[str, Predictions]:
    """The predictions of a file on every split."""
    return {split: predictions_of(forward, exam) for split, exam in exams.items()}


def kept_quality(
    exams: Mapping[str, Exam], full: Mapping[str, Predictions], file: Mapping[str, Predictions]
) -> tuple[KeptQuality, ...]:
    """What a file keeps of the fp32 file's score, from both predictions on each split."""
    return tuple(_kept(exam, full[split], file[split]) for split, exam in exams.items())


def _kept(exam: Exam, full: Predictions, file: Predictions) -> KeptQuality:
    task, split = exam.encoded.task, exam.encoded.split
    lost = paired_difference(task, split.name, full, file)
    low, high = lost.interval() or (None, None)
    scores = [score_predictions(task, split, side).metrics[task.primary] for side in (full, file)]
    return KeptQuality(
        split=split.name,
        examples=len(split.examples),
        score_fp32=scores[0],
        score=scores[1],
        lost=lost.value if lost.is_usable else None,
        low=low,
        high=high,
        flips=changed_answers(task, full, file),
    )
