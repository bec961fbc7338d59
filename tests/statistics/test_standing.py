"""A whole board: who is compared with whom, what is undefined, and that bytes are equal."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.statistics.boards import DIGEST, World, classified, predictions, scored
from zoo.errors import MeasurementError
from zoo.evaluation.metrics import compute_metrics
from zoo.records.statistics import Standing, SuiteStatistics
from zoo.spec.task import TASKS
from zoo.statistics.standing import ScoredRuns, suite_statistics

ENTRIES = ("teacher", "plain", "kd", "weak")
SKILLS = (1.6, 1.0, 1.2, 0.0)


def board(seeds: int = 2, examples: int = 120) -> list[ScoredRuns]:
    """Three tasks; the third is similarity."""
    random = np.random.default_rng(1)
    found = []
    for task in ("sentiment", "paraphrase"):
        right, _ = World(luck=0.1).right(random, SKILLS, seeds, examples)
        gold = random.integers(0, 2, examples)
        found += classified(task, gold, dict(zip(ENTRIES, right, strict=True)))
    gold = random.normal(size=examples).round(2)
    for entry, skill in zip(ENTRIES, SKILLS, strict=True):
        answers = skill * gold + random.normal(size=(seeds, examples))
        found.append(scored("similarity", entry, gold, answers))
    return found


def statistics(entries: list[ScoredRuns]) -> SuiteStatistics:
    return suite_statistics("pocket", entries, DIGEST, resamples=200, permutations=199)


def standing(found: SuiteStatistics, entry: str, task: str = "sentiment") -> Standing:
    return next(one for one in found.standings if (one.entry, one.task) == (entry, task))


def of(entries: list[ScoredRuns], task: str) -> list[ScoredRuns]:
    return [one for one in entries if one.task == task]


def shuffled(one: ScoredRuns, order: Any) -> ScoredRuns:
    """The same answers and seeds in another order."""
    runs = {
        seed: predictions(*([side[i] for i in order] for side in (run.ids, run.answers, run.gold)))
        for seed, run in reversed(one.runs.items())
    }
    return replace(one, runs=runs)


def test_neither_entries_nor_seeds_nor_examples_have_an_order() -> None:
    entries = board()
    random = np.random.default_rng(2)
    moved = [shuffled(one, random.permutation(120)) for one in reversed(entries)]
    expected = statistics(entries).model_dump_json()
    assert statistics(moved).model_dump_json() == expected
    assert statistics(entries).model_dump_json() == expected


def test_an_entry_has_the_numbers_it_has_in_other_company() -> None:
    """All but ranks and corrected p-values, which depend on the others by intent."""
    entries = of(board(), "similarity")
    alone = standing(
        statistics([one for one in entries if one.entry != "weak"]), "kd", "similarity"
    )
    together = standing(statistics(entries), "kd", "similarity")
    assert alone.metrics == together.metrics
    assert alone.to_teacher is not None
    assert together.to_teacher is not None
    assert alone.to_teacher.p == together.to_teacher.p


def test_means_over_seeds_are_those_of_the_official_scores() -> None:
    entries = board()
    found = statistics(entries)
    assert len(found.standings) == len(entries)
    for one in entries:
        runs = [
            compute_metrics(TASKS[one.task], run.gold, run.answers) for run in one.runs.values()
        ]
        metrics = standing(found, one.entry, one.task).metrics
        assert set(metrics) == set(TASKS[one.task].metrics)
        for metric, summary in metrics.items():
            values = [run[metric] for run in runs]
            assert summary.mean == pytest.approx(np.mean(values), rel=1e-5)
            assert summary.sd == pytest.approx(np.std(values, ddof=1), rel=1e-5)
            assert summary.low < summary.mean < summary.high
            assert summary.seeds_low <= summary.low + 1e-9
            assert summary.seeds_high >= summary.high - 1e-9


def test_students_are_compared_with_teacher_and_twin_but_not_with_themselves() -> None:
    found = statistics(of(board(), "sentiment"))
    rivals = {
        one.entry: tuple(c and c.rival for c in (one.to_teacher, one.to_twin))
        for one in found.standings
    }
    assert rivals == {
        "teacher": (None, None),
        "plain": ("teacher", None),
        "kd": ("teacher", "plain"),
        "weak": ("teacher", "plain"),
    }
    assert found.tests == 5
    assert standing(found, "teacher").rank is None


def test_rivals_that_are_not_there_are_none() -> None:
    found = statistics([one for one in of(board(), "sentiment") if one.entry == "kd"])
    assert standing(found, "kd").to_teacher is None
    assert standing(found, "kd").to_twin is None
    assert found.tests == 0
    assert found.resolutions[0].difference is None


def test_a_contrast_is_the_difference_of_means_over_each_sides_own_seeds() -> None:
    kd, teacher = board(seeds=3)[2], board(seeds=2)[0]
    # The same examples, so that the two can be compared.
    gold = next(iter(kd.runs.values())).gold
    runs = {seed: replace(run, gold=gold) for seed, run in teacher.runs.items()}
    found = statistics([kd, replace(teacher, runs=runs)])
    contrast = standing(found, "kd").to_teacher
    means = [standing(found, entry).metrics["accuracy"].mean for entry in ("kd", "teacher")]
    assert contrast is not None
    assert contrast.difference == pytest.approx(means[0] - means[1], abs=2e-6)
    assert contrast.low <= contrast.difference <= contrast.high
    assert contrast.p == contrast.p_holm
    assert contrast.test == "paired permutation"


def test_only_accuracy_of_single_runs_takes_the_exact_test() -> None:
    found = statistics(board(seeds=1))
    tests = {
        task: standing(found, "kd", task).to_teacher.test
        for task in ("sentiment", "paraphrase", "similarity")
    }
    assert tests == {
        "sentiment": "McNemar, exact",
        "paraphrase": "paired permutation",
        "similarity": "paired permutation",
    }
    assert standing(found, "kd").metrics["accuracy"].sd is None
    assert standing(found, "kd").metrics["accuracy"].seeds_low is None


def test_corrected_chances_are_never_smaller_and_all_tests_count() -> None:
    found = statistics(board())
    contrasts = [c for one in found.standings for c in (one.to_teacher, one.to_twin) if c]
    assert found.tests == len(contrasts) == 15
    stored = [number for contrast in contrasts for number in (contrast.p, contrast.p_holm)]
    assert stored == [float(f"{number:.6g}") for number in stored]
    assert all(contrast.p <= contrast.p_holm <= 1 for contrast in contrasts)
    smallest = min(contrasts, key=lambda contrast: contrast.p)
    assert smallest.p_holm == pytest.approx(min(1.0, 15 * smallest.p))


def test_a_constant_regression_is_undefined_everywhere() -> None:
    entries = of(board(), "similarity")
    gold = next(iter(entries[0].runs.values())).gold
    entries[3] = scored("similarity", "weak", gold, np.full((2, 120), 2.5))
    found = statistics(entries)
    weak = standing(found, "weak", "similarity")
    assert set(weak.metrics["pearson"].model_dump().values()) == {None}
    assert (weak.to_teacher, weak.to_twin, weak.rank) == (None, None, None)
    assert found.tests == 3
    assert standing(found, "kd", "similarity").rank is not None
    mean = next(one for one in found.means if one.entry == "weak")
    assert (mean.summary.mean, mean.rank) == (None, None)


def test_the_mean_is_over_the_splits_that_every_entry_has() -> None:
    entries = [one for one in board() if (one.entry, one.task) != ("weak", "paraphrase")]
    found = statistics(entries)
    assert found.mean_over == (("sentiment", "dev"), ("similarity", "dev"))
    for one in found.means:
        accuracy = standing(found, one.entry).metrics["accuracy"].mean
        pearson = standing(found, one.entry, "similarity").metrics["pearson"].mean
        assert one.summary.mean == pytest.approx((accuracy + pearson) / 2, abs=2e-6)
    ranks = {one.entry: one.rank for one in found.means}
    assert ranks["teacher"] is None
    assert ranks["weak"] == (3, 3)


def test_no_shared_split_has_no_mean() -> None:
    entries = board()
    found = statistics([*of(entries, "sentiment")[:2], *of(entries, "paraphrase")[2:]])
    assert (found.means, found.mean_over) == ((), ())
    assert statistics([]).standings == ()


def test_a_perfect_entry_stays_within_the_range_of_its_metric() -> None:
    gold = np.random.default_rng(3).integers(0, 2, 50)
    right = np.ones((3, 50), bool)
    right[2, :9] = False
    summary = statistics(classified("sentiment", gold, {"a": right})).standings[0]
    accuracy = summary.metrics["accuracy"]
    assert accuracy.seeds_high == 1.0
    assert accuracy.seeds_low < accuracy.low


def test_rounding_errors_are_not_stored() -> None:
    """A mean over seeds of equal systems, listed in another order, differs by 1e-17."""
    random = np.random.default_rng(4)
    right, _ = World(luck=0.3).right(random, [1.0], 5, 77)
    gold = random.integers(0, 2, 77)
    found = statistics(classified("paraphrase", gold, {"teacher": right[0], "a": right[0][::-1]}))
    contrast = standing(found, "a", "paraphrase").to_teacher
    assert contrast is not None
    assert (contrast.difference, contrast.p) == (0.0, 1.0)


def message(*entries: ScoredRuns) -> str:
    with pytest.raises(MeasurementError) as caught:
        statistics(list(entries))
    return str(caught.value)


@pytest.mark.parametrize("others", [0, 1])
def test_other_examples_are_refused(others: int) -> None:
    """Of another entry, or of another seed of the same."""
    *_, kd, weak = of(board(), "sentiment")
    run = weak.runs[2]
    standard = "seed 1 of kd" if others else "seed 1 of weak"
    other_ids = replace(run, ids=(*run.ids[:-1], "another"))
    other_gold = replace(run, gold=(1 - run.gold[0], *run.gold[1:]))
    for changed in (other_ids, other_gold):
        assert message(*[kd][:others], replace(weak, runs={**weak.runs, 2: changed})) == (
            f"sentiment dev: seed 2 of weak and {standard} cover different examples\n"
            "  allowed: equal ids and gold labels for all runs of all entries\n"
            "  fix: score both again on the same data"
        )


def test_examples_that_appear_twice_are_refused() -> None:
    one = of(board(), "sentiment")[0]
    doubled = {1: replace(one.runs[1], ids=("0", *one.runs[1].ids[:-2], "0"))}
    assert message(replace(one, runs=doubled)) == (
        "sentiment dev: seed 1 of teacher: 1 duplicate ids\n"
        "  allowed: each example once\n"
        "  fix: score the entry again"
    )


def test_entries_that_appear_twice_or_have_no_run_are_refused() -> None:
    teacher, plain, *_ = of(board(), "sentiment")
    assert message(teacher, teacher, replace(plain, runs={})) == (
        "sentiment dev: teacher: duplicate entry\n"
        "  allowed: all its runs together\n"
        "sentiment dev: plain: no runs\n"
        "  allowed: one run or more"
    )


def test_statistics_need_no_torch() -> None:
    code = "import sys, zoo.statistics.standing; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
