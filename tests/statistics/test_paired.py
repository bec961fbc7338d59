"""The paired difference of two sets of predictions, against the statistics of a whole board."""

import numpy as np
import pytest

from tests.statistics.made_runs import run, scored
from zoo.spec.task import TASKS
from zoo.statistics.paired import paired_difference
from zoo.statistics.standing import suite_statistics


@pytest.mark.parametrize("task", ["sentiment", "paraphrase", "similarity"])
def test_it_is_what_a_board_says_of_the_same_answers(task: str) -> None:
    """The difference and its interval, from the same resamples."""
    random = np.random.default_rng(3)
    if task == "similarity":
        gold = random.normal(size=60).tolist()
        answers = [(np.array(gold) + random.normal(size=60) * s).tolist() for s in (0.5, 0.9)]
    else:
        gold = random.integers(0, 2, 60).tolist()
        answers = [np.where(random.random(60) < p, gold, 0).tolist() for p in (0.9, 0.6)]
    one, other = (run(gold, given) for given in answers)
    found = paired_difference(TASKS[task], "dev", one, other, resamples=200)
    entries = [
        scored("student", {1: one}, task=task),
        scored("teacher", {1: other}, task=task, method="teacher", twin=None),
    ]
    board = suite_statistics("s", entries, "0" * 64, resamples=200, permutations=20)
    contrast = next(one.to_teacher for one in board.standings if one.entry == "student")
    assert contrast is not None
    assert found.value == pytest.approx(contrast.difference, rel=1e-5)
    assert found.interval() == pytest.approx((contrast.low, contrast.high), rel=1e-5)


def test_the_same_answers_differ_by_nothing() -> None:
    """Nor do their resamples."""
    same = run([0, 1, 1, 0, 1], [0, 1, 0, 0, 1])
    found = paired_difference(TASKS["sentiment"], "dev", same, same)
    assert (found.value, found.interval()) == (0.0, (0.0, 0.0))
