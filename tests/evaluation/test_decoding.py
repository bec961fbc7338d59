"""Answers decoded from the logits of sliding windows."""

import math
import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from transformers import BertTokenizerFast

from zoo.data.examples import SpanExample
from zoo.data.squad import read_split
from zoo.data.windows import Feature, encode_spans
from zoo.errors import MeasurementError
from zoo.evaluation.spans import decode, score_spans
from zoo.spec.task import TASKS

CONTEXT = "aa bb cc dd ee ff gg hh"
WORD_PLACES = [(3 * word, 3 * word + 2) for word in range(8)]


def _question(name: str) -> SpanExample:
    return SpanExample(name, "?", CONTEXT, (), ())


def _window(example: int, words: range, padding: int = 0) -> Feature:
    """[CLS] question [SEP] words [SEP], with the question's token inside its own text."""
    offsets = (None, (0, 2), None, *(WORD_PLACES[word] for word in words), None)
    answerable = (True, False, False, *(True for _ in words), False)
    padded = (None,) * padding
    length = len(offsets) + padding
    ids = (0,) * length
    return Feature(example, ids, ids, 0, 0, offsets + padded, answerable + (False,) * padding)


def _loops(
    features: list[Feature], starts: np.ndarray, ends: np.ndarray, longest: int
) -> tuple[str, float]:
    """The best span of one question and its null odds, by trying every pair of positions."""
    best, text, null = -math.inf, "", math.inf
    for feature, start_row, end_row in zip(features, starts, ends, strict=True):
        null = min(null, start_row[0] + end_row[0])
        for start, end in product(range(len(feature.offsets)), repeat=2):
            if not (feature.answerable[start] and feature.answerable[end]):
                continue
            first, last = feature.offsets[start], feature.offsets[end]
            if not first or not last or not start <= end < start + longest:
                continue
            if start_row[start] + end_row[end] > best:
                best = start_row[start] + end_row[end]
                text = CONTEXT[first[0] : last[1]]
    return text, null - best


@pytest.mark.parametrize("seed", range(20))
def test_decoding_equals_trying_every_pair(seed: int) -> None:
    """Answers and null odds of two questions in three windows equal the nested loops."""
    generator = np.random.default_rng(seed)
    examples = [_question("q1"), _question("q2")]
    features = [_window(0, range(5)), _window(1, range(8)), _window(0, range(3, 8))]
    starts, ends = generator.normal(size=(2, 3, 15))
    decoded = decode(examples, features, starts, ends, max_answer_tokens=3, null_threshold=None)
    for name, rows in (("q1", [0, 2]), ("q2", [1])):
        text, odds = _loops([features[row] for row in rows], starts[rows], ends[rows], 3)
        assert decoded.predictions[name] == text
        assert decoded.null_odds[name] == pytest.approx(odds)


def test_only_the_best_starts_and_ends_are_paired() -> None:
    """With one candidate each, an end before the start leaves no span and infinite odds."""
    starts, ends = np.zeros((2, 1, 12))
    starts[0, 6], ends[0, 4] = 5.0, 5.0
    example = [_question("q")]
    decoded = decode(example, [_window(0, range(8))], starts, ends, best=1, null_threshold=None)
    assert (decoded.predictions, decoded.null_odds) == ({"q": ""}, {"q": math.inf})


def test_equal_spans_are_settled_by_the_first() -> None:
    """Of equal scores the first window, start and end win, as in a stable sort."""
    windows = [_window(0, range(3, 8)), _window(0, range(5))]
    zeros = np.zeros((2, 12))
    example = [_question("q")]
    assert decode(example, windows, zeros, zeros, null_threshold=None).predictions == {"q": "dd"}


def test_the_threshold_decides_between_span_and_no_answer() -> None:
    """Odds above the threshold answer "", odds equal to it answer the span."""
    starts, ends = np.zeros((2, 2, 12))
    starts[:, 0], starts[0, 4] = (3.0, 2.0), 1.5
    windows, example = [_window(0, range(5))] * 2, [_question("q")]
    for threshold, text in ((0.5, "bb"), (0.49, ""), (None, "bb")):
        decoded = decode(example, windows, starts, ends, null_threshold=threshold)
        assert decoded.predictions == {"q": text}
        assert decoded.null_odds == {"q": 0.5}


def test_rows_may_be_lists_of_their_own_length_and_padding_is_never_read() -> None:
    """Unpadded rows give the answers of padded ones, whatever the padding holds."""
    generator = np.random.default_rng(0)
    example, window = [_question("q")], _window(0, range(5))
    starts, ends = generator.normal(size=(2, 1, len(window.offsets)))
    padded = [np.concatenate([rows, [[np.nan, 99.0]]], axis=1) for rows in (starts, ends)]
    expected = decode(example, [window], list(starts), list(ends), null_threshold=0.0)
    assert decode(example, [window], *padded, null_threshold=0.0) == expected
    inside = [_window(0, range(5), padding=2)]
    longer = [np.nan_to_num(rows, nan=99.0) for rows in padded]
    assert decode(example, inside, *longer, null_threshold=0.0) == expected


@pytest.mark.parametrize(
    ("windows", "rows", "fill", "message"),
    [
        (1, 2, 0.0, "1 windows, 2 rows of starts, 2 of ends"),
        (2, 2, np.nan, "logits of window 0: too few, or not finite"),
        (1, 1, 0.0, "1 questions have no window, 'q2' the first"),
    ],
)
def test_logits_that_do_not_fit_are_refused(
    windows: int, rows: int, fill: float, message: str
) -> None:
    """Every window has its rows of finite logits and every question a window."""
    examples = [_question("q1"), _question("q2")]
    features = [_window(row, range(8)) for row in range(windows)]
    logits = np.full((rows, 12), fill)
    with pytest.raises(MeasurementError, match=message):
        decode(examples, features, logits, logits, null_threshold=None)


def test_rows_shorter_than_their_window_are_refused() -> None:
    """A row that ends before its window does cannot be its logits."""
    logits = np.zeros((1, 11))
    with pytest.raises(MeasurementError, match="allowed: 12 numbers"):
        decode([_question("q")], [_window(0, range(8))], logits, logits, null_threshold=None)


def test_logits_at_the_gold_tokens_decode_to_the_gold_answers() -> None:
    """Real questions in real windows: marking the features' own labels gives the answers back."""
    data = Path(os.environ.get("ZOO_DATA", Path(__file__).parents[3] / "shared/data"))
    vocabulary = data / "vocab/vocab.txt"
    if not vocabulary.is_file() or not (data / "squad/dev-v1.1.json").is_file():
        pytest.skip("SQuAD and BERT's vocabulary are not here (ZOO_DATA names their folder)")
    questions = read_split(TASKS["squad-v1.1"], "dev", data).examples[:300]
    examples = [each for each in questions if isinstance(each, SpanExample)]
    tokenizer = BertTokenizerFast(vocab=str(vocabulary))
    features = encode_spans(examples, tokenizer, max_length=128, stride=64, max_query=64)
    starts = [np.zeros(len(feature.offsets)) for feature in features]
    ends = [row.copy() for row in starts]
    for feature, start_row, end_row in zip(features, starts, ends, strict=True):
        start_row[feature.start] += 5.0
        end_row[feature.end] += 5.0
    decoded = decode(examples, features, starts, ends, null_threshold=None)
    # Answers of more than 30 tokens and those that are cut out of a word cannot be found.
    assert score_spans(examples, decoded.predictions).exact_match > 0.98
