"""Has anything regressed?"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.board import regression
from zoo.board.regression import CONFIDENCE, compare_suite, paired_interval
from zoo.errors import DataError
from zoo.evaluation.predictions import Origin, Predictions, write_predictions
from zoo.paths import Project
from zoo.records.size import SizeRecord
from zoo.records.text import write_record
from zoo.spec.task import TASKS

GOLD = tuple(number % 2 for number in range(200))


def answered(right: int, *, first: int = 0, kind: type = int) -> Predictions:
    """Answers of which `right` are right, from example `first` on."""
    chosen = {(first + place) % len(GOLD) for place in range(right)}
    answers = tuple(g if place in chosen else 1 - g for place, g in enumerate(GOLD))
    ids = tuple(map(str, range(len(GOLD))))
    return Predictions(ids, tuple(map(kind, answers)), GOLD, np.zeros((len(GOLD), 2), np.float32))


@pytest.fixture
def verdict(tmp_path: Path, make: Any) -> Any:
    """The verdict on a published and a built run, each given by its score and answers."""

    def judged(published: Any, built: Any, **change: Any) -> Any:
        project = Project(tmp_path)
        sides = (
            project.results / "tiny/records/kd",
            project.results / "tiny/predictions/kd",
            published,
        )
        score = project.entry("tiny", "kd").score
        for folder, stored, side in (sides, (score, score / "predictions", built)):
            if side is None:
                continue
            value, predictions = side
            record = make("kd", value, **(change if side is built else {}))
            write_record(folder, record)
            write_predictions(stored / record.predictions, predictions, Origin(record.digest))
        (found,) = compare_suite(project, "tiny")
        return found

    return judged


def side(right: int, first: int = 0) -> tuple[float, Predictions]:
    return right / len(GOLD), answered(right, first=first)


@pytest.mark.parametrize(
    ("published", "built", "expected"),
    [
        (side(160), side(160), "same"),
        (side(160), side(160, 20), "within noise"),
        (side(160), side(158), "within noise"),
        (side(160), side(100), "regressed"),
        (side(100), side(160), "improved"),
        (side(160), None, "missing"),
        (side(160), (None, answered(0)), "regressed"),
        ((None, answered(0)), side(160), "improved"),
        ((None, answered(0)), (None, answered(1)), "within noise"),
    ],
)
def test_answers_are_compared_one_by_one(
    verdict: Any, published: Any, built: Any, expected: str
) -> None:
    """Noise is no regression; a metric that is no longer defined is one."""
    found = verdict(published, built)
    assert found.verdict == expected
    assert found.failed == (expected in ("regressed", "missing"))


def test_another_digest_or_other_examples_are_no_comparison(verdict: Any) -> None:
    """They differ, which fails: the specs or the data have changed."""
    assert verdict(side(160), side(160), digest="e" * 64).verdict == "differs"
    fewer = answered(160)
    fewer = Predictions(fewer.ids[1:], fewer.answers[1:], fewer.gold[1:], fewer.logits[1:])
    found = verdict(side(160), (0.8, fewer))
    assert (found.verdict, found.published, found.failed) == ("differs", "other examples", True)


def test_answers_of_another_run_are_refused(verdict: Any, tmp_path: Path) -> None:
    """Predictions carry their run's digest."""
    verdict(side(160), side(158))
    stored = tmp_path / "build/tiny/kd/score/predictions/sentiment-dev-1.parquet"
    write_predictions(stored, answered(10), Origin("d" * 64))
    with pytest.raises(DataError, match="predictions of run dddddddddddd"):
        list(compare_suite(Project(tmp_path), "tiny"))


@pytest.mark.parametrize(("parameters", "expected"), [(1234, "same"), (1235, "differs")])
def test_sizes_must_be_equal(tmp_path: Path, records: Any, parameters: int, expected: str) -> None:
    """To the parameter."""
    project = Project(tmp_path)
    size = next(r for r in records if isinstance(r, SizeRecord))
    write_record(project.results / "tiny/records/teacher", size)
    built = size.model_copy(update={"parameters": parameters})
    write_record(project.entry("tiny", "teacher").score, built)
    (found,) = compare_suite(project, "tiny")
    assert (found.verdict, found.published, found.built) == (expected, "1,234", f"{parameters:,}")


def spans(right: np.ndarray) -> Predictions:
    ids = tuple(map(str, range(len(right))))
    answers = tuple("yes" if one else "no" for one in right)
    return Predictions(
        ids, answers, (("yes",),) * len(right), np.zeros((len(right), 1), np.float32)
    )


def test_the_interval_errs_about_as_often_as_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs of models that are equally good: 0 lies outside in about 1 of 100 comparisons.

    400 comparisons have a standard error of 0.5 %; the percentile bootstrap of 400 resamples is
    a little narrow.
    """
    generator, outside, rounds = np.random.default_rng(5), 0, 400
    monkeypatch.setattr(regression, "REGRESSION_RESAMPLES", 400)
    for _ in range(rounds):
        skill = generator.random(150)
        before, after = (spans(generator.random(150) < skill) for _ in range(2))
        low, high = paired_interval(TASKS["squad-v1.1"], before, after)
        outside += not low <= 0 <= high
    assert 0 < outside / rounds < 3 * (1 - CONFIDENCE)


def test_the_interval_holds_the_difference_and_is_the_same_again() -> None:
    """Of classes too; undefined everywhere, nothing is known."""
    before, after = answered(120), answered(160)
    low, high = paired_interval(TASKS["sentiment"], before, after)
    assert low < 0.2 < high
    assert (low, high) == paired_interval(TASKS["sentiment"], before, after)
    flat = answered(0, kind=lambda _: 1.0)
    nothing = (float("-inf"), float("inf"))
    assert paired_interval(TASKS["similarity"], flat, flat) == nothing
