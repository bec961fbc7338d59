"""What is scored where little can be said: one class, one answer, ties, nothing, one example."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from tests.reference import metrics as reference
from zoo.data.examples import SpanExample, Split, TextExample
from zoo.errors import MeasurementError
from zoo.evaluation.metrics import METRICS, compute_metrics, majority
from zoo.evaluation.predictions import Predictions
from zoo.evaluation.scoring import score_predictions, threshold_scores
from zoo.evaluation.spans import score_spans
from zoo.spec.task import AX, TASKS

LIBRARY: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": accuracy_score,
    "f1": lambda labels, given: f1_score(labels, given, zero_division=0.0),
    "matthews": matthews_corrcoef,
    "pearson": lambda labels, given: stats.pearsonr(labels, given).statistic,
    "spearman": lambda labels, given: stats.spearmanr(labels, given).statistic,
}
"""What the GLUE server scores with: scikit-learn and SciPy."""
PAIRS = [
    ("all of one class, all right", [1, 1, 1], [1, 1, 1]),
    ("all of the other class, all right", [0, 0, 0], [0, 0, 0]),
    ("all of one class, all wrong", [1, 1, 1], [0, 0, 0]),
    ("constant predictions", [0, 1, 0, 1], [1, 1, 1, 1]),
    ("one example, right", [1], [1]),
    ("one example, wrong", [1], [0]),
    ("nothing asked for", [0, 0, 1], [0, 0, 0]),
    ("all the other way round", [0, 1, 0, 1], [1, 0, 1, 0]),
    ("two examples", [0, 1], [0, 1]),
]


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("case", "labels", "given"), PAIRS, ids=lambda value: str(value)[:24])
def test_every_metric_is_the_librarys_or_undefined(
    name: str, case: str, labels: list[int], given: list[int]
) -> None:
    """Where the library says nan the zoo says None; nothing is a silent zero or a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            official = float(LIBRARY[name](np.array(labels), np.array(given)))
        except ValueError:  # a correlation of fewer than two examples
            official = math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = METRICS[name](np.array(labels), np.array(given))
    expected = None if math.isnan(official) else pytest.approx(official, abs=1e-12)
    assert found == expected, case


@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.parametrize("labels", [[0, 1, 2], [1, 1, 1], [2], [0, 0, 2]])
@pytest.mark.parametrize("given", [0, 1, 2])
def test_three_classes_against_a_constant_have_no_matthews(labels: list[int], given: int) -> None:
    """R3 of AX is 0 where an answer is constant, as on the server."""
    answers = np.full(len(labels), given)
    expected = matthews_corrcoef(labels, answers)
    assert compute_metrics(AX, labels, answers) == {"matthews": expected} == {"matthews": 0.0}


CLASSES = st.tuples(st.integers(0, 2), st.integers(0, 2))


@given(st.lists(CLASSES, min_size=1, max_size=30))
def test_matthews_of_three_classes_is_gorodkins(rows: list[tuple[int, int]]) -> None:
    """R_K as the correlation of the indicator matrices, summed cell by cell (Gorodkin, 2004)."""
    labels, given = (list(side) for side in zip(*rows, strict=True))
    total, right = len(rows), sum(one == other for one, other in rows)
    asked = [labels.count(label) for label in range(3)]
    told = [given.count(label) for label in range(3)]
    above = right * total - sum(a * t for a, t in zip(asked, told, strict=True))
    below = (total**2 - sum(t * t for t in told)) * (total**2 - sum(a * a for a in asked))
    expected = above / math.sqrt(below) if below else 0.0
    assert compute_metrics(AX, labels, given) == {"matthews": pytest.approx(expected, abs=1e-12)}


def test_ties_share_their_mean_rank() -> None:
    """Spearman with equals on both sides, worked out by hand: ranks 1.5 1.5 3 and 1 2.5 2.5."""
    found = compute_metrics(TASKS["stsb"], [1.0, 1.0, 2.0], [0.5, 3.0, 3.0])
    assert found["spearman"] == pytest.approx(0.5)


def test_a_spread_too_small_to_square_is_not_taken_for_a_constant() -> None:
    """Numbers that differ in their last digits have a correlation, if an imprecise one."""
    close = [1.0, 1.0 + 1e-9, 1.0 + 2e-9]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = compute_metrics(TASKS["stsb"], [1.0, 2.0, 3.0], close)
    assert found["pearson"] == pytest.approx(1.0, abs=1e-3)
    assert found["spearman"] == pytest.approx(1.0)


def test_an_undefined_correlation_stays_undefined_in_the_record() -> None:
    """A model of similarity that always says the same: None, not nan and not 0."""
    examples = tuple(TextExample(str(n), "a", "b", float(n)) for n in range(3))
    constant = Predictions(("0", "1", "2"), (2.5,) * 3, (0.0, 1.0, 2.0), np.full((3, 1), 2.5))
    scored = score_predictions(TASKS["stsb"], Split("dev", examples), constant)
    assert scored.metrics == {"pearson": None, "spearman": None}
    assert scored.thresholds is None


def test_the_majority_of_one_example_is_its_class() -> None:
    assert majority(TASKS["sst2"], [1], [1]) == {"accuracy": 1.0}
    assert majority(TASKS["stsb"], [1.0], [1.0]) == {"pearson": None, "spearman": None}
    assert majority(TASKS["squad-v2.0"], [()], [()]) == {"exact_match": 1.0, "f1": 1.0}


def asked(name: str, *answers: str) -> SpanExample:
    return SpanExample(name, "?", f"context {name}", answers, (0,) * len(answers))


@pytest.mark.parametrize(
    ("gold", "answer", "scores"),
    [
        (("The",), "the", (1.0, 0.0)),  # v1.1: equal once normalised, but no token in common
        (("The",), "", (1.0, 0.0)),
        (("cat",), "", (0.0, 0.0)),
        (("cat",), "...", (0.0, 0.0)),
        (("cat cat",), "cat", (0.0, 2 / 3)),
    ],
)
def test_a_single_question_follows_the_rules_of_version_1(
    gold: tuple[str, ...], answer: str, scores: tuple[float, float]
) -> None:
    """The official script of v1.1 on one question; nothing is said of questions without one."""
    assert reference.question(gold, answer, version=1) == pytest.approx(scores)
    found = score_spans([asked("q", *gold)], {"q": answer})
    assert (found.exact_match, found.f1) == pytest.approx(scores)
    assert found.has_answer is found.no_answer is None


@pytest.mark.parametrize(
    ("gold", "answer", "scores"),
    [((), "", 1.0), ((), "the", 1.0), ((), "cat", 0.0), ((), "...", 1.0)],
)
def test_a_single_question_without_answer_follows_the_rules_of_version_2(
    gold: tuple[str, ...], answer: str, scores: float
) -> None:
    """What normalises to nothing counts as no answer; there is no part of answered questions."""
    assert reference.question(gold, answer, version=2) == (scores, scores)
    found = score_spans([asked("q", *gold)], {"q": answer})
    assert (found.exact_match, found.f1) == (scores, scores)
    assert found.has_answer is None
    assert found.no_answer is not None
    assert found.no_answer.examples == 1


def predicted(examples: list[SpanExample], spans: list[str], odds: list[float]) -> Predictions:
    given = tuple("" if odd > 0 else span for odd, span in zip(odds, spans, strict=True))
    return Predictions(
        tuple(example.id for example in examples),
        given,
        tuple(example.answers for example in examples),
        np.array(odds, np.float32)[:, None],
        tuple(spans),
    )


def test_a_part_without_questions_has_no_metrics() -> None:
    """All answerable, or none: the figures of the part that is not there are absent."""
    answered, open_ = [asked("a", "x"), asked("b", "x")], [asked("a"), asked("b")]
    task = TASKS["squad-v2.0"]
    for examples, absent in ((answered, ("has_answer", "no_answer")), (open_, ("has_answer",))):
        given = predicted(examples, ["x", "x"], [-1.0, 1.0])
        metrics = score_predictions(task, Split("dev", tuple(examples)), given).metrics
        assert not [name for name in metrics if name.startswith(absent)]
        assert metrics["exact_match"] == 0.5
        assert metrics["best_f1"] == 1.0
        assert None not in metrics.values()


def test_equal_odds_cannot_be_parted() -> None:
    """One threshold for all: everything is answered or nothing, whichever is better."""
    examples = [asked("a", "x"), asked("b"), asked("c")]
    found = threshold_scores(examples, dict.fromkeys("abc", "x"), dict.fromkeys("abc", 0.25))
    assert found.metrics["best_exact_match"] == pytest.approx(2 / 3)
    assert found.thresholds is not None
    assert found.thresholds["best_exact_match"] < 0.25
    assert found.thresholds["best_exact_match"] == pytest.approx(0.25)


def test_a_single_question_has_a_best_score_and_no_cross_fitted_one() -> None:
    """There is no other half to take a threshold from."""
    found = threshold_scores([asked("a", "x")], {"a": "x"}, {"a": 3.0})
    assert found.metrics == {"best_exact_match": 1.0, "best_f1": 1.0}
    assert found.thresholds == {"best_exact_match": 3.0, "best_f1": 3.0}


def test_exact_match_and_f1_have_thresholds_of_their_own() -> None:
    """Half an answer at odds 0.5 is worth nothing to exact match and 2/3 to F1."""
    examples = [asked("a", "x y"), asked("b"), asked("c", "x")]
    odds = {"a": 0.5, "b": 2.0, "c": -1.0}
    found = threshold_scores(examples, dict.fromkeys("abc", "x"), odds)
    assert found.metrics["best_exact_match"] == pytest.approx(2 / 3)
    assert found.metrics["best_f1"] == pytest.approx(8 / 9)
    thresholds = found.thresholds or {}
    assert (thresholds["best_exact_match"], thresholds["best_f1"]) == (-1.0, 0.5)


def test_the_thresholds_of_the_halves_are_told_apart() -> None:
    """`first` is what the first half is scored at: the best of the second."""
    examples = [
        SpanExample(name, "?", context, answers, (0,) * len(answers))
        for name, context, answers in [
            ("a", "one", ("x",)),
            ("b", "one", ()),
            ("c", "two", ("x",)),
            ("d", "two", ()),
        ]
    ]
    odds = {"a": 0.0, "b": 1.0, "c": 3.0, "d": 4.0}
    thresholds = threshold_scores(examples, dict.fromkeys("abcd", "x"), odds).thresholds or {}
    assert thresholds["cross_fitted_f1_first"] == 3.0
    assert thresholds["cross_fitted_f1_second"] == 0.0


def test_a_threshold_at_endless_odds_is_a_number_that_json_can_hold() -> None:
    """A question whose windows hold no span at all has infinite odds."""
    found = threshold_scores([asked("a", "x")], {"a": "x"}, {"a": math.inf})
    assert found.metrics["best_f1"] == 1.0
    assert found.thresholds == {
        "best_exact_match": float(np.finfo(np.float32).max),
        "best_f1": float(np.finfo(np.float32).max),
    }


@pytest.mark.parametrize("ids", [("0", "2"), ("1", "0"), ("0",)])
def test_answers_to_other_examples_are_not_scored(ids: tuple[str, ...]) -> None:
    """Another split, another order or a part of it would give numbers that mean nothing."""
    examples = tuple(TextExample(str(n), "a", None, n) for n in range(2))
    given = Predictions(ids, (0,) * len(ids), (0,) * len(ids), np.zeros((len(ids), 2)))
    with pytest.raises(MeasurementError) as told:
        score_predictions(TASKS["sst2"], Split("dev", examples), given)
    assert str(told.value) == (
        f"sst2 dev: predictions for {len(ids)} other examples\n  allowed: its 2, in their order"
    )
