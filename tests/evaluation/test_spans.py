"""Scores of answers to SQuAD questions, thresholds, and decoding from the logits of windows."""

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import metrics as reference
from zoo.data.examples import SpanExample
from zoo.errors import MeasurementError
from zoo.evaluation.answers import exact_and_f1, majority_answer, normalise
from zoo.evaluation.spans import (
    Best,
    PartScores,
    SpanScore,
    cross_fitted,
    score_spans,
    withhold,
)

WORDS = st.lists(st.sampled_from(["the", "A", "cat,", "dog", "Dog.", "...", ""]), max_size=4)
TEXTS = WORDS.map(" ".join)


def _question(name: str, *answers: str, context: str = "") -> SpanExample:
    return SpanExample(name, "?", context, answers, (0,) * len(answers))


def _published(version: str, file: str) -> SpanScore:
    """The score of a published prediction file, read here without the zoo's own readers."""
    folder = Path(os.environ.get("ZOO_DATA", Path(__file__).parents[3] / "shared/data")) / "squad"
    if not (folder / "predictions").is_dir():
        pytest.skip("the published SQuAD predictions are not here (ZOO_DATA names their folder)")
    data = json.loads((folder / f"dev-{version}.json").read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in data for paragraph in article["paragraphs"]]
    examples = [
        _question(row["id"], *(answer["text"] for answer in row["answers"]))
        for paragraph in paragraphs
        for row in paragraph["qas"]
    ]
    answers = (folder / "predictions" / file).read_text(encoding="utf-8")
    return score_spans(examples, json.loads(answers))


def _percent(score: SpanScore | PartScores) -> tuple[str, str]:
    return f"{100 * score.exact_match:.3f}", f"{100 * score.f1:.3f}"


def test_bert_ensemble_scores_what_was_published() -> None:
    """The v1.1 predictions of BERT's ensemble score exactly the official figures."""
    score = _published("v1.1", "1.1__BERT__ensemble___Google_AI_Language_.json")
    assert _percent(score) == ("86.206", "92.196")
    assert (score.missing, score.extra, score.no_answer) == (0, 0, None)


def test_logistic_regression_scores_what_was_published() -> None:
    """Missing questions score 0 and stay in the denominator; extra ids change nothing."""
    score = _published("v1.1", "1.1__Logistic_Regression_Baseline__Stanford_University_.json")
    assert _percent(score) == ("40.142", "50.982")
    assert (score.missing, score.extra) == (13, 28)


def test_bert_single_scores_what_was_published_on_unanswerable_questions() -> None:
    """The v2.0 predictions of one BERT score the official figures, whole and in parts."""
    score = _published("v2.0", "v2.0__BERT__single_model___Google_AI_Language_.json")
    assert _percent(score) == ("78.742", "81.775")
    assert score.has_answer is not None
    assert score.no_answer is not None
    assert (score.has_answer.examples, score.no_answer.examples) == (5928, 5945)
    whole = 5928 * score.has_answer.f1 + 5945 * score.no_answer.f1
    assert whole / 11873 == pytest.approx(score.f1, abs=1e-12)
    assert score.no_answer.exact_match == score.no_answer.f1


def test_normalising_drops_case_punctuation_articles_and_white_space() -> None:
    """Punctuation goes before articles, so that `a.` is an article and `a-b` is not."""
    assert normalise(" The  U.S. a. a-b\tTheatre\xa0of An ") == "us ab theatre of"


@given(st.lists(st.tuples(st.lists(TEXTS, min_size=1, max_size=3), TEXTS), min_size=1, max_size=6))
def test_answers_score_by_the_rules_of_version_1_where_all_have_one(
    rows: list[tuple[list[str], str]],
) -> None:
    """Exact match and F1 equal the loops, gold answers that normalise to nothing included."""
    exact, f1 = exact_and_f1([tuple(gold) for gold, _ in rows], [answer for _, answer in rows])
    expected = [reference.question(gold, answer, version=1) for gold, answer in rows]
    assert list(zip(exact, f1, strict=True)) == [pytest.approx(one) for one in expected]


@given(st.lists(st.tuples(st.lists(TEXTS, max_size=3), TEXTS), min_size=1, max_size=6))
def test_answers_score_by_the_rules_of_version_2_where_one_has_none(
    rows: list[tuple[list[str], str]],
) -> None:
    """A question without (usable) answer scores 1 for an empty answer and 0 for any other."""
    rows = [*rows, ([], "")]
    exact, f1 = exact_and_f1([tuple(gold) for gold, _ in rows], [answer for _, answer in rows])
    expected = [reference.question(gold, answer, version=2) for gold, answer in rows]
    assert list(zip(exact, f1, strict=True)) == [pytest.approx(one) for one in expected]


def test_scores_stay_with_their_questions() -> None:
    """The arrays follow the examples, with 0 for a missing answer even where none exists."""
    examples = [
        _question("q1", "the cat"),
        _question("q2"),
        _question("q3"),
        _question("q4", "x y"),
    ]
    score = score_spans(examples, {"q4": "X", "q2": "", "q9": "z", "q1": "Cat!"})
    assert score.exact_match_by_question.tolist() == [1, 1, 0, 0]
    assert score.f1_by_question.tolist() == [1, 1, 0, pytest.approx(2 / 3)]
    assert (score.missing, score.extra) == (1, 1)
    assert score.has_answer == PartScores(2, 0.5, pytest.approx(5 / 6))
    assert score.no_answer == PartScores(2, 0.5, 0.5)


QUESTIONS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["cat", "dog bird"]), max_size=2), TEXTS, st.integers(-3, 3)
    ),
    min_size=1,
    max_size=8,
)


@given(QUESTIONS)
def test_best_thresholds_equal_a_search_over_all(rows: list[tuple[list[str], str, int]]) -> None:
    """Both best scores are the highest of all thresholds, and their thresholds reach them."""
    rows = [*rows, ([], "cat", 0)]
    examples = [_question(str(at), *gold) for at, (gold, _, _) in enumerate(rows)]
    answers = {str(at): answer for at, (_, answer, _) in enumerate(rows)}
    odds = {str(at): float(value) for at, (_, _, value) in enumerate(rows)}
    score = score_spans(examples, answers, odds)
    assert score.best_exact is not None
    assert score.best_f1 is not None
    best = (score.best_exact.score, score.best_f1.score)
    assert best == pytest.approx(reference.best_over_thresholds(examples, answers, odds))
    exact = score_spans(examples, withhold(answers, odds, score.best_exact.threshold))
    f1 = score_spans(examples, withhold(answers, odds, score.best_f1.threshold))
    assert best == pytest.approx((exact.exact_match, f1.f1))


def test_a_missing_answer_is_never_won_back_by_a_threshold() -> None:
    """A missing question without answer scores 0 whatever the threshold."""
    examples = [_question("q1"), _question("q2", "cat")]
    score = score_spans(examples, {"q2": "cat"}, {"q1": 9.0, "q2": 0.0})
    assert score.best_exact == Best(0.5, 0.0)
    assert score.best_f1 == Best(0.5, 0.0)


def test_withholding_asks_for_odds_above_the_threshold() -> None:
    """Odds equal to the threshold keep their answer, as in BERT's decoding."""
    assert withhold({"a": "x", "b": "y"}, {"a": 1.0, "b": 1.5}, 1.0) == {"a": "x", "b": ""}


def test_cross_fitted_thresholds_come_from_the_other_half() -> None:
    """Each half is decided by the threshold of the other: here both choose badly for it."""
    answered = [_question("a", "x", context="first"), _question("b", context="first")]
    crossed = [_question("c", "x", context="second"), _question("d", context="second")]
    odds = {"a": 0.0, "b": 1.0, "c": 3.0, "d": 4.0}
    answers = dict.fromkeys(odds, "x")
    fitted = cross_fitted(answered + crossed, answers, odds)
    # The first half chooses 0, which withholds c and d; the second 3, which keeps a and b.
    assert fitted.score.exact_match_by_question.tolist() == [1, 0, 0, 1]
    assert fitted.thresholds == (3.0, 0.0)
    best = score_spans(answered + crossed, answers, odds).best_f1
    assert best == Best(0.75, 0.0)


@pytest.mark.parametrize("odds", [{"q1": 1.0}, {"q1": 1.0, "q2": math.nan}])
def test_null_odds_must_cover_every_question(odds: dict[str, float]) -> None:
    """A question without odds cannot be thresholded."""
    examples = [_question("q1"), _question("q2")]
    with pytest.raises(MeasurementError, match="1 of 2 questions have none, 'q2' the first"):
        score_spans(examples, {"q1": "", "q2": ""}, odds)


def test_no_questions_have_no_score() -> None:
    """An empty set is refused, not scored 0."""
    with pytest.raises(MeasurementError, match="no questions to score"):
        score_spans([], {})
    with pytest.raises(MeasurementError, match="no training answers"):
        majority_answer([], [()])
