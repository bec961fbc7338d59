"""What stored answers score where questions may have no answer, and in degenerate cases."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zoo.data.examples import SpanExample, Split, TextExample
from zoo.errors import DataError, MeasurementError, UsageError
from zoo.evaluation.official_files import read_null_odds
from zoo.evaluation.predictions import Origin, Predictions, read_predictions, write_predictions
from zoo.evaluation.scoring import rescored, score_predictions, threshold_scores
from zoo.evaluation.submissions import score_file, write_null_odds, write_submission
from zoo.spec.task import AX, TASKS

SQUAD = TASKS["squad-v2.0"]


def asked(count: int = 40) -> tuple[list[SpanExample], dict[str, str], dict[str, float]]:
    """Questions, half of them without an answer; spans right on two of three; odds with errors."""
    generator = np.random.default_rng(3)
    examples, spans, odds = [], {}, {}
    for number in range(count):
        name, has = f"q{number}", number % 2 == 0
        context = f"paragraph {number // 4} red blue"
        answers = ("red",) if has else ()
        examples.append(SpanExample(name, "?", context, answers, (0,) * len(answers)))
        spans[name] = "red" if number % 3 else "blue"
        odds[name] = float(generator.normal(0.0 if has else 1.5))
    return examples, spans, odds


def mean_at(
    examples: list[SpanExample], spans: dict[str, str], odds: dict[str, float], threshold: float
) -> float:
    """Exact match with answers withheld above a threshold, question by question."""
    right = 0
    for example in examples:
        answer = "" if odds[example.id] > threshold else spans[example.id]
        right += answer in example.answers if example.answers else answer == ""
    return right / len(examples)


def test_best_and_cross_fitted_are_what_a_loop_over_thresholds_gives() -> None:
    """Best over all; and each half of the paragraphs at the other half's."""
    examples, spans, odds = asked()
    found = threshold_scores(examples, spans, odds)
    candidates = [-99.0, *odds.values()]
    best = max(mean_at(examples, spans, odds, t) for t in candidates)
    assert found.metrics["best_exact_match"] == pytest.approx(best)
    halves = [[e for e in examples if int(e.context.split()[1]) % 2 == side] for side in (0, 1)]
    fitted = 0.0
    for half, other in (halves, halves[::-1]):
        theirs = [odds[e.id] for e in other]
        ranked = sorted([-99.0, *theirs])
        chosen = max(ranked, key=lambda t: (mean_at(other, spans, odds, t), -t))
        fitted += mean_at(half, spans, odds, chosen) * len(half)
    assert found.metrics["cross_fitted_exact_match"] == pytest.approx(fitted / len(examples))
    assert found.metrics["cross_fitted_f1"] <= found.metrics["best_f1"]
    assert set(found.thresholds or {}) == {
        "best_exact_match",
        "best_f1",
        "cross_fitted_f1_first",
        "cross_fitted_f1_second",
    }


def predicted(examples: list[SpanExample], spans: dict, odds: dict) -> Predictions:
    ids = tuple(e.id for e in examples)
    return Predictions(
        ids,
        tuple("" if odds[i] > 0 else spans[i] for i in ids),
        tuple(e.answers for e in examples),
        np.array([[odds[i]] for i in ids], np.float32),
        tuple(spans[i] for i in ids),
    )


def test_all_figures_come_back_from_stored_predictions(tmp_path: Path) -> None:
    """Spans before withholding are stored, so that every threshold can be tried again."""
    examples, spans, odds = asked()
    split = Split("dev", tuple(examples))
    once = score_predictions(SQUAD, split, predicted(examples, spans, odds))
    write_predictions(tmp_path / "p.parquet", predicted(examples, spans, odds), Origin("d" * 64))
    again = read_predictions(tmp_path / "p.parquet", "d" * 64)
    assert score_predictions(SQUAD, split, again) == once
    assert once.metrics["exact_match"] == pytest.approx(mean_at(examples, spans, odds, 0.0))
    assert {"has_answer_f1", "no_answer_f1", "best_f1", "cross_fitted_f1"} <= set(once.metrics)


def test_predictions_without_spans_still_score(tmp_path: Path) -> None:
    """Files of before have no such column."""
    examples, spans, odds = asked()
    whole = predicted(examples, spans, odds)
    old = Predictions(whole.ids, whole.answers, whole.gold, whole.logits)
    write_predictions(tmp_path / "p.parquet", old, Origin("d" * 64))
    assert read_predictions(tmp_path / "p.parquet").spans is None
    metrics = score_predictions(SQUAD, Split("dev", tuple(examples)), old).metrics
    assert "best_f1" not in metrics


def test_one_paragraph_has_no_cross_fitted_score() -> None:
    """And infinite odds, of a question without any span, stay numbers in the record."""
    examples = [SpanExample("a", "?", "c", ("c",), (0,)), SpanExample("b", "?", "c", (), ())]
    found = threshold_scores(examples, {"a": "c", "b": ""}, {"a": -1.0, "b": float("inf")})
    assert "cross_fitted_f1" not in found.metrics
    assert all(np.isfinite(value) for value in (found.thresholds or {}).values())


@pytest.mark.parametrize(
    ("gold", "answers", "expected"),
    [
        ([1, 1, 1, 1], [1, 1, 1, 1], {"f1": 1.0, "accuracy": 1.0}),
        ([0, 0, 0, 0], [0, 0, 0, 0], {"f1": 0.0, "accuracy": 1.0}),
        ([0, 1, 0, 1], [1, 1, 1, 1], {"f1": 2 / 3, "accuracy": 0.5}),
        ([1], [0], {"f1": 0.0, "accuracy": 0.0}),
    ],
)
def test_degenerate_classes_have_their_official_scores(
    gold: list[int], answers: list[int], expected: dict[str, float]
) -> None:
    """One class only, constant answers, a single example: the official result."""
    examples = tuple(TextExample(str(i), "a", "b", label) for i, label in enumerate(gold))
    given = Predictions(
        tuple(e.id for e in examples), tuple(answers), tuple(gold), np.zeros((len(gold), 2))
    )
    found = score_predictions(TASKS["mrpc"], Split("dev", examples), given).metrics
    assert found == pytest.approx(expected)


def squad_file(folder: Path, examples: list[SpanExample]) -> Path:
    def question(e: SpanExample) -> dict:
        answers = [{"text": a, "answer_start": e.context.index(a)} for a in e.answers]
        return {"id": e.id, "question": "?", "answers": answers, "is_impossible": not answers}

    contexts = dict.fromkeys(e.context for e in examples)
    paragraphs = [
        {"context": c, "qas": [question(e) for e in examples if e.context == c]} for c in contexts
    ]
    path = folder / "dev.json"
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    return path


def test_null_odds_bring_the_chosen_thresholds_to_a_prediction_file(tmp_path: Path) -> None:
    """`zoo score --null-odds` gives what the stored predictions give."""
    examples, spans, odds = asked()
    data = squad_file(tmp_path, examples)
    answers = write_submission(SQUAD, tmp_path, spans)
    written = write_null_odds(tmp_path, odds)
    found = score_file(SQUAD, data, answers, written).metrics
    expected = threshold_scores(examples, spans, odds).metrics
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    with pytest.raises(UsageError, match="mrpc: does not use null odds"):
        score_file(TASKS["mrpc"], data, answers, written)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "1: column 2: not JSON: Expecting property name enclosed in double quotes"),
        ("[1]", " the file holds a list\n  allowed: an object"),
        ('{"a": "x"}', " a: the odds are 'x'\n  allowed: a number"),
        ('{"a": true}', " a: the odds are True\n  allowed: a number"),
        ('{"a": null}', " a: the odds are None\n  allowed: a number"),
        ('{"a": NaN}', " the value is NaN\n  allowed: a finite number"),
        ('{"a": -Infinity}', " a: the odds are -inf\n  allowed: a number above -Infinity"),
        ('{"a": -1e999}', " the number -1e999\n  allowed: a number within the range of a float"),
        (f'{{"a": 1{"0" * 300}}}', " a number of 301 digits\n  allowed: at most 300"),
        (f'{{"a": 1{"0" * 400}}}', " a number of 401 digits\n  allowed: at most 300"),
        ('{"a": 1, "a": 2}', " a: this key appears twice\n  allowed: once"),
    ],
)
def test_null_odds_are_read_with_care(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "odds.json"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read_null_odds(path)
    assert str(error.value).startswith(f"{path}:{told}")


def test_questions_without_odds_are_named(tmp_path: Path) -> None:
    examples, spans, odds = asked(8)
    del odds["q5"]
    data = squad_file(tmp_path, examples)
    files = write_submission(SQUAD, tmp_path, spans), write_null_odds(tmp_path, odds)
    with pytest.raises(DataError) as told:
        score_file(SQUAD, data, *files)
    assert str(told.value) == (
        f"{files[1]}: 1 of 8 questions have none, 'q5' first\n"
        "  allowed: a number for every question"
    )


def test_the_diagnostic_set_is_scored_by_matthews(tmp_path: Path) -> None:
    """From its authors' labelled file and an AX.tsv (more in test_diagnostic.py)."""
    full = tmp_path / "diagnostic-full.tsv"
    rows = [("a", "b", "entailment"), ("c", "d", "neutral"), ("e", "f", "contradiction")]
    full.write_text(
        "Domain\tPremise\tHypothesis\tLabel\n"
        + "".join(f"News\t{one}\t{two}\t{label}\n" for one, two, label in rows)
    )
    path = write_submission(AX, tmp_path, np.array([0, 1, 2]))
    assert path.name == "AX.tsv"
    assert path.read_text() == "index\tprediction\n0\tentailment\n1\tneutral\n2\tcontradiction\n"
    assert score_file(AX, full, path).metrics == {"matthews": 1.0}


def test_spans_are_scored_again_from_their_predictions_alone() -> None:
    """With all figures where paragraphs are numbered; predictions of old are not cross-fitted."""
    given = Predictions(
        tuple("abcd"),
        ("x", "", "y", "z"),
        (("x",), (), ("y",), ("q",)),
        np.array([[-1.0], [2.0], [-2.0], [-0.5]], np.float32),
        ("x", "w", "y", "z"),
        (0, 0, 1, 1),
    )
    metrics = rescored(TASKS["span"], given).metrics
    assert metrics["f1"] == pytest.approx(0.75)
    assert "cross_fitted_f1" in metrics
    old = replace(given, paragraphs=None)
    assert "cross_fitted_f1" not in rescored(TASKS["span"], old).metrics


def test_answers_that_their_logits_do_not_give_are_refused() -> None:
    logits = np.eye(2, dtype=np.float32)
    given = Predictions(("a", "b"), (0, 0), (0, 0), logits)
    with pytest.raises(MeasurementError) as told:
        rescored(TASKS["sentiment"], given)
    assert str(told.value) == (
        "predictions on sentiment: 1 of 2 predictions contradict their logits"
    )
