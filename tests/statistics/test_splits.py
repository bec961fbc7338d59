"""Entries are compared on the same examples or not at all."""

import pytest

from tests.statistics import made_runs
from zoo.errors import MeasurementError
from zoo.evaluation.predictions import Predictions
from zoo.statistics.scored import ScoredRuns
from zoo.statistics.splits import scored_splits

GOLD = [0, 1, 1, 0]


def refused(*scored: ScoredRuns) -> str:
    with pytest.raises(MeasurementError) as caught:
        scored_splits(scored)
    return str(caught.value)


def test_splits_come_in_the_order_of_tasks_and_entries_in_that_of_names() -> None:
    runs = {2: made_runs.run(GOLD, GOLD), 1: made_runs.run(GOLD, [0, 0, 0, 0])}
    keys = [("mnli", "dev_mismatched", "b"), ("mnli", "dev_matched", "b"), ("cola", "dev", "b")]
    keys += [("mnli", "dev_mismatched", "a"), ("sentiment", "dev", "a")]
    splits = scored_splits(
        [made_runs.scored(entry, runs, task=task, split=split) for task, split, entry in keys]
    )
    assert [(one.task.name, one.name, len(one.entries)) for one in splits] == [
        ("sentiment", "dev", 1),
        ("cola", "dev", 1),
        ("mnli", "dev_matched", 1),
        ("mnli", "dev_mismatched", 2),
    ]
    assert [one.entry for one in splits[-1].entries] == ["a", "b"]
    assert splits[-1].entries[0].seeds == (1, 2)
    assert splits[-1].by_metric["accuracy"]["a"][:, :, 0].tolist() == [[1, 0, 0, 1], [1, 1, 1, 1]]


def test_the_order_of_rows_is_no_matter() -> None:
    straight = made_runs.run(GOLD, [0, 1, 0, 0])
    turned = Predictions(
        straight.ids[::-1], straight.answers[::-1], straight.gold[::-1], straight.logits
    )
    (split,) = scored_splits(
        [made_runs.scored("a", {1: straight}), made_runs.scored("b", {1: turned})]
    )
    rows = split.by_metric["accuracy"]
    assert (rows["a"] == rows["b"]).all()


def test_other_gold_answers_are_refused() -> None:
    message = refused(
        made_runs.scored("student", {1: made_runs.run(GOLD, GOLD)}),
        made_runs.scored("rival", {1: made_runs.run([0, 1, 1, 1], GOLD)}),
    )
    assert message == (
        "sentiment dev: seed 1 of student and seed 1 of rival cover different examples\n"
        "  allowed: equal ids and gold labels for all runs of all entries\n"
        "  fix: score both again on the same data"
    )


def test_other_examples_are_refused() -> None:
    message = refused(
        made_runs.scored(
            "student", {1: made_runs.run(GOLD, GOLD), 2: made_runs.run(GOLD[:3], GOLD[:3])}
        ),
    )
    assert message == (
        "sentiment dev: seed 2 of student and seed 1 of student cover different examples\n"
        "  allowed: equal ids and gold labels for all runs of all entries\n"
        "  fix: score both again on the same data"
    )


def test_an_example_answered_twice_is_refused() -> None:
    doubled = Predictions(("a", "b", "a"), (0, 1, 0), (0, 1, 0), made_runs.NO_LOGITS)
    assert refused(made_runs.scored("student", {1: doubled})) == (
        "sentiment dev: seed 1 of student: 1 duplicate ids\n"
        "  allowed: each example once\n"
        "  fix: score the entry again"
    )


def test_an_entry_twice_and_one_without_runs_are_refused_together() -> None:
    one = made_runs.scored("student", {1: made_runs.run(GOLD, GOLD)})
    assert refused(one, one, made_runs.scored("idle", {})) == (
        "sentiment dev: student: duplicate entry\n"
        "  allowed: all its runs together\n"
        "sentiment dev: idle: no runs\n"
        "  allowed: one run or more"
    )
