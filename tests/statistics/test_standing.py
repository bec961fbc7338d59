"""Whole boards."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tests.statistics import boards
from zoo.evaluation.metrics import score
from zoo.evaluation.predictions import Predictions
from zoo.records.statistics import Contrast, Standing, SuiteStatistics
from zoo.spec.base import canonical
from zoo.spec.task import TASKS
from zoo.statistics.holm import holm
from zoo.statistics.standing import Scored, suite_statistics

INPUTS = "0" * 64
SEEDS = {"teacher": 1, "twin": 3, "student": 3, "copy": 3}
SKILLS = {"teacher": 1.5, "twin": 0.6, "student": 1.2}
EXAMPLES = 150


def entries(task: str, *, names: tuple[str, ...] = tuple(SEEDS), seed: int = 0) -> list[Scored]:
    """Four entries on one task; `copy` answers like `student`."""
    generator = np.random.default_rng(seed)
    skills = np.array([SKILLS[name] for name in SKILLS for _ in range(SEEDS[name])])
    if task == "similarity":
        gold = np.round(generator.random(EXAMPLES) * 5, 1).tolist()
        noise = generator.normal(0, 1, (len(skills), EXAMPLES)) / skills[:, None]
        answers = iter((gold + noise).tolist())
    else:
        right = boards.right_answers(generator, skills, EXAMPLES)
        gold, rows = boards.classes(generator, right, len(TASKS[task].labels))
        answers = iter(rows)
    runs = {name: {s: boards.run(gold, next(answers)) for s in range(SEEDS[name])}
            for name in SKILLS}  # fmt: skip
    runs["copy"] = runs["student"]
    return [
        boards.scored(name, runs[name], task=task, method="teacher" if name == "teacher" else "kd")
        for name in names
    ]


def statistics(scored: list[Scored], resamples: int = 300) -> SuiteStatistics:
    return suite_statistics("pocket", scored, INPUTS, resamples=resamples, permutations=400)


@pytest.fixture(scope="module")
def board() -> SuiteStatistics:
    tasks = ("similarity", "acceptability", "sentiment", "inference")
    return statistics([one for task in tasks for one in entries(task)])


def standing(board: SuiteStatistics, entry: str, task: str) -> Standing:
    return next(one for one in board.standings if (one.entry, one.task) == (entry, task))


def contrasts(board: SuiteStatistics) -> Iterator[Contrast]:
    for one in board.standings:
        yield from (contrast for contrast in (one.to_teacher, one.to_twin) if contrast)


def test_means_are_those_of_the_official_scores(board: SuiteStatistics) -> None:
    for task in ("similarity", "acceptability", "inference"):
        for one in entries(task):
            scores = [
                score(TASKS[task], np.array(run.gold), np.array(run.answers))
                for run in one.runs.values()
            ]
            for metric, summary in standing(board, one.entry, task).metrics.items():
                values = [of_run[metric] for of_run in scores]
                assert summary.mean == pytest.approx(np.mean(values), rel=1e-5)
                expected = np.std(values, ddof=1) if len(values) > 1 else None
                assert summary.sd == pytest.approx(expected, rel=1e-4)


def test_a_board_is_complete(board: SuiteStatistics) -> None:
    tasks = ["acceptability", "sentiment", "inference", "similarity"]
    assert [(one.task, one.entry) for one in board.standings] == [
        (task, entry) for task in tasks for entry in sorted(SEEDS)
    ]
    assert board.mean_over == tuple((task, "dev") for task in tasks)
    assert [one.entry for one in board.means] == sorted(SEEDS)
    assert [(one.task, one.examples) for one in board.resolutions] == [(t, 150) for t in tasks]
    assert (board.suite, board.inputs) == ("pocket", INPUTS)
    assert (board.resamples, board.permutations) == (300, 400)


def test_teachers_stand_apart(board: SuiteStatistics) -> None:
    teacher = standing(board, "teacher", "sentiment")
    assert (teacher.to_teacher, teacher.to_twin, teacher.rank) == (None, None, None)
    assert board.means[2].entry == "teacher"
    assert board.means[2].rank is None
    summary = teacher.metrics["accuracy"]
    assert (summary.sd, summary.seeds_low, summary.seeds_high) == (None, None, None)


def test_an_entry_that_is_its_own_twin_has_no_twin(board: SuiteStatistics) -> None:
    twin = standing(board, "twin", "sentiment")
    assert twin.to_twin is None
    assert twin.to_teacher
    assert twin.to_teacher.rival == "teacher"


def test_differences_are_those_of_the_means(board: SuiteStatistics) -> None:
    for task in ("similarity", "sentiment"):
        metric = TASKS[task].primary
        mean = {e: standing(board, e, task).metrics[metric].mean for e in SEEDS}
        one = standing(board, "student", task)
        for contrast in (one.to_teacher, one.to_twin):
            assert contrast
            expected = mean["student"] - mean[contrast.rival]
            assert contrast.difference == pytest.approx(expected, abs=2e-6)
            assert contrast.low < contrast.difference < contrast.high


def test_correction_covers_every_test_of_the_board(board: SuiteStatistics) -> None:
    found = list(contrasts(board))
    assert board.tests == len(found) == 4 * 5
    expected = holm([one.p for one in found])
    assert [one.p_holm for one in found] == pytest.approx(expected.tolist(), rel=1e-5)
    assert any(one.p_holm > one.p for one in found)


def test_equals_share_their_places(board: SuiteStatistics) -> None:
    for task in ("similarity", "acceptability"):
        ranks = {e: standing(board, e, task).rank for e in ("copy", "student", "twin")}
        assert ranks == {"copy": (1, 2), "student": (1, 2), "twin": (3, 3)}
    assert [one.rank for one in board.means] == [(1, 2), (1, 2), None, (3, 3)]


def test_means_over_splits_average_the_primary_metrics(board: SuiteStatistics) -> None:
    for mean in board.means:
        each = [
            one.metrics[TASKS[one.task].primary].mean
            for one in board.standings
            if one.entry == mean.entry
        ]
        assert mean.summary.mean == pytest.approx(np.mean(each), rel=1e-5)


def test_equal_input_gives_equal_bytes_in_any_order() -> None:
    scored = [*entries("similarity"), *entries("sentiment")]
    turned = [
        replace(one, runs=dict(reversed([(s, shuffled(run)) for s, run in one.runs.items()])))
        for one in reversed(scored)
    ]
    assert canonical(statistics(scored)) == canonical(statistics(turned))


def shuffled(run: Predictions) -> Predictions:
    order = np.random.default_rng(0).permutation(len(run.ids))
    return Predictions(
        tuple(run.ids[i] for i in order),
        tuple(run.answers[i] for i in order),
        tuple(run.gold[i] for i in order),
        run.logits,
    )


def test_company_changes_no_contrast() -> None:
    """Weights are shared: with and without other entries an entry's numbers are the same."""
    alone = statistics(entries("similarity", names=("teacher", "student", "twin")))
    together = statistics(entries("similarity"))
    for entry in ("student", "twin"):
        one, other = (standing(board, entry, "similarity") for board in (alone, together))
        assert one.metrics == other.metrics
        assert one.to_teacher
        assert other.to_teacher
        assert one.to_teacher.p == other.to_teacher.p


def test_numbers_keep_six_digits(board: SuiteStatistics) -> None:
    for one in board.standings:
        for summary in one.metrics.values():
            for number in (summary.mean, summary.low, summary.high):
                assert number == float(f"{number:.6g}")


def test_only_splits_that_every_entry_has_are_averaged() -> None:
    scored = [*entries("sentiment"), *entries("inference", names=("teacher", "student"))]
    board = statistics(scored)
    assert board.mean_over == (("sentiment", "dev"),)
    apart = [*entries("sentiment", names=("student",)), *entries("inference", names=("twin",))]
    board = statistics(apart)
    assert (board.mean_over, board.means) == ((), ())
    assert [one.difference for one in board.resolutions] == [None, None]
    assert list(contrasts(board)) == []


@pytest.mark.filterwarnings("error")
def test_constant_answers_to_numbers_are_undefined_throughout() -> None:
    teacher, twin, student, _ = entries("similarity")
    flat = {s: replace(run, answers=(2.5,) * EXAMPLES) for s, run in student.runs.items()}
    board = statistics([teacher, twin, replace(student, runs=flat)])
    one = standing(board, "student", "similarity")
    assert set(one.metrics["pearson"].model_dump().values()) == {None}
    assert (one.to_teacher, one.to_twin, one.rank) == (None, None, None)
    assert standing(board, "twin", "similarity").rank == (1, 1)
    assert board.means[0].summary.mean is None
    assert board.tests == 1


def test_intervals_keep_to_the_range_of_the_metric() -> None:
    """Three seeds, one of them far off: Student's interval would reach beyond 1."""
    gold = [0, 1] * 50
    half = [0, 1] * 35 + [1, 0] * 15
    runs = {1: boards.run(gold, gold), 2: boards.run(gold, gold), 3: boards.run(gold, half)}
    board = statistics([boards.scored("student", runs)])
    summary = board.standings[0].metrics["accuracy"]
    assert summary.seeds_high == 1.0
    assert summary.seeds_low is not None
    assert summary.seeds_low > 0


def test_no_input_is_an_empty_board() -> None:
    board = statistics([])
    assert (board.standings, board.means, board.tests) == ((), (), 0)


def test_statistics_need_no_torch() -> None:
    code = "import sys, zoo.statistics.standing; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
