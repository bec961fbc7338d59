"""Features: equal to the tokenizer's own truncation and windows, with answers where they are."""

import os
import re
from pathlib import Path

import pytest
from transformers import BertTokenizer, PreTrainedTokenizerBase, RobertaTokenizer

from zoo.data import squad
from zoo.data.examples import SpanExample, TextExample
from zoo.data.windows import Feature, encode_spans, encode_texts
from zoo.errors import DataError
from zoo.spec.task import TASKS

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*"abcdefghijklmnopqrstuvwxyz", "##x", "##y", "?", "."]
CONTEXT = "a b cx. d  e f gxy h i j k. l m nx o p q r s t u v"


def bert() -> BertTokenizer:
    return BertTokenizer(vocab={word: place for place, word in enumerate([*SPECIAL, *WORDS])})


def roberta() -> RobertaTokenizer:
    letters = [*WORDS[:26], "?", ".", "\u0120"]
    merges = [("\u0120", letter) for letter in WORDS[:26]]
    words = ["<s>", "<pad>", "</s>", "<unk>", *letters, *map("".join, merges), "<mask>"]
    return RobertaTokenizer(vocab={word: place for place, word in enumerate(words)}, merges=merges)


BOTH = pytest.mark.parametrize("tokenizer", [bert(), roberta()], ids=["bert", "roberta"])


def ask(answer: str, context: str = CONTEXT, question: str = "w z ?") -> SpanExample:
    starts = (context.index(answer),) if answer else ()
    return SpanExample("q1", question, context, (answer,) if answer else (), starts)


def windows(
    example: SpanExample, tokenizer: PreTrainedTokenizerBase, max_length: int = 16, stride: int = 4
) -> list[Feature]:
    return encode_spans([example], tokenizer, max_length, stride, max_query=6)


@BOTH
@pytest.mark.parametrize("max_length", [6, 9, 40])
def test_texts_equal_the_tokenizers_own_truncation(
    tokenizer: PreTrainedTokenizerBase, max_length: int
) -> None:
    """Single sentences and pairs, long ones cut as `truncation="longest_first"` cuts them."""
    pairs = [("a b", None), ("a b c d e f g h", None), ("a b c d e", "f"), ("a", "b c d e f g"),
             ("a b c d e", "f g h i j k"), ("", "a"), ("a", "")]  # fmt: skip
    examples = [TextExample(str(row), *pair, 0) for row, pair in enumerate(pairs)]
    features = encode_texts(examples, tokenizer, max_length)
    for row, (pair, feature) in enumerate(zip(pairs, features, strict=True)):
        expected = tokenizer(
            *([text] for text in pair if text is not None),
            truncation=True,
            max_length=max_length,
            return_token_type_ids=True,
        )
        ids, segments = tuple(expected["input_ids"][0]), tuple(expected["token_type_ids"][0])
        assert feature == Feature(row, ids, segments)


def test_texts_are_counted_over_batches() -> None:
    """Example indices run on; a batch does not begin anew."""
    examples = [TextExample(str(row), "a b", None, 0) for row in range(2500)]
    features = encode_texts(examples, bert(), 8)
    assert [feature.example for feature in features] == list(range(2500))


@BOTH
@pytest.mark.parametrize("question", ["w z ?", "a b c d e f g h i j k"])
@pytest.mark.parametrize(("max_length", "stride"), [(16, 4), (18, 3), (64, 8)])
def test_windows_equal_the_tokenizers_own(
    tokenizer: PreTrainedTokenizerBase, question: str, max_length: int, stride: int
) -> None:
    """Ids, segments and offsets are those of `return_overflowing_tokens`, for both frames."""
    short = tokenizer.decode(tokenizer(question, add_special_tokens=False)["input_ids"][:6])
    features = windows(ask("k", question=question), tokenizer, max_length, stride)
    special = tokenizer.num_special_tokens_to_add(pair=True)
    room = max_length - special - len(tokenizer(short, add_special_tokens=False)["input_ids"])
    expected = tokenizer(
        short, CONTEXT, truncation="only_second", max_length=max_length, stride=room - stride,
        return_overflowing_tokens=True, return_offsets_mapping=True, return_token_type_ids=True,
    )  # fmt: skip
    assert len(features) == len(expected["input_ids"])
    for row, feature in enumerate(features):
        inside = [sequence == 1 for sequence in expected.sequence_ids(row)]
        offsets = zip(expected["offset_mapping"][row], inside, strict=True)
        assert feature.input_ids == tuple(expected["input_ids"][row])
        assert feature.token_type_ids == tuple(expected["token_type_ids"][row])
        assert feature.offsets == tuple(pair if real else None for pair, real in offsets)
        assert feature.answerable == (True, *inside[1:])


@BOTH
@pytest.mark.parametrize("answer", ["a b", "gxy h", "v", "cx", "e f gxy"])
def test_answers_lie_where_they_are_in_every_window(
    tokenizer: PreTrainedTokenizerBase, answer: str
) -> None:
    """Decoding the labelled tokens gives the answer; windows without all of it point to [CLS]."""
    found = 0
    for feature in windows(ask(answer), tokenizer):
        spans = [pair for pair in feature.offsets if pair]
        begin = CONTEXT.index(answer)
        whole = spans[0][0] <= begin and begin + len(answer) <= spans[-1][1]
        assert (feature.start > 0) is whole
        if whole:
            labelled = CONTEXT[feature.offsets[feature.start][0] : feature.offsets[feature.end][1]]
            assert labelled == answer
            found += 1
        else:
            assert (feature.start, feature.end) == (0, 0)
    assert found > 0


def test_answer_inside_a_word_takes_the_whole_pieces() -> None:
    """Characters that begin or end in the midst of a piece widen the span to it."""
    example = SpanExample("q", "w", "ab cxy d", ("y d",), (5,))
    feature = windows(example, bert())[0]
    assert feature.offsets[feature.start] == (5, 6)
    assert feature.offsets[feature.end] == (7, 8)


def test_unanswerable_questions_point_to_the_first_token() -> None:
    """No answer is a span of its own: [CLS]."""
    features = windows(ask(""), bert())
    assert {(feature.start, feature.end) for feature in features} == {(0, 0)}
    empty = windows(ask("", context=""), bert())
    assert [feature.answerable for feature in empty] == [(True,) + (False,) * 5]


@pytest.mark.parametrize("stride", [1, 3, 8, 100])
def test_every_context_token_lies_in_a_window(stride: int) -> None:
    """Also where the stride is longer than a window."""
    features = windows(ask("k"), bert(), stride=stride)
    seen = {pair for feature in features for pair in feature.offsets if pair}
    whole = bert()(CONTEXT, add_special_tokens=False, return_offsets_mapping=True)
    assert seen == set(whole["offset_mapping"])


def test_lengths_that_hold_no_text_are_refused() -> None:
    """The backend would silently not truncate at all."""
    expected = (
        "max_length 3: no text fits next to 3 special tokens\n"
        "  allowed: max_length > 3\n  fix: increase it"
    )
    with pytest.raises(DataError, match=f"^{expected}$"):
        encode_texts([TextExample("a", "b", "c", 0)], bert(), 3)


@pytest.mark.parametrize(("max_length", "stride"), [(6, 4), (16, 0)])
def test_questions_that_leave_no_room_are_refused(max_length: int, stride: int) -> None:
    """The question, the lengths and the way out are told."""
    expected = (
        f"question q1: 3 tokens plus special tokens leave no room in {max_length}, stride "
        f"{stride}\n  allowed: max_length > max_query + special tokens, stride >= 1\n"
        "  fix: increase max_length or reduce max_query"
    )
    with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
        windows(ask("k"), bert(), max_length, stride)


def test_tokenizers_that_know_no_word_are_refused() -> None:
    """Special tokens do not hide that all the rest is [UNK]."""
    blind = BertTokenizer(vocab_file="vocab.txt")
    expected = "of 5 tokens: {} of {} tokens are \\[UNK\\]\n  allowed: a tokenizer whose"
    with pytest.raises(DataError, match=expected.format(2, 2)):
        encode_texts([TextExample("a", "b", "c", 0)], blind, 8)
    with pytest.raises(DataError, match=expected.format(24, 24)):
        windows(ask("k"), blind)


def test_real_answers_and_windows_are_those_of_bert() -> None:
    """SQuAD v1.1 dev at 384/128/64: 10,833 windows; tokens give back the labelled answers."""
    named = os.environ.get("ZOO_DATA")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "data"
    if not (folder / "squad").is_dir():
        pytest.skip("real data is absent: set ZOO_DATA")
    tokenizer = BertTokenizer(str(folder / "vocab" / "vocab.txt"))
    examples = squad.read_split(TASKS["squad-v1.1"], "dev", folder).examples
    features = encode_spans(examples, tokenizer, 384, 128, 64)
    assert len(features) == 10833
    exact, labelled = 0, set()
    for feature in features:
        example = examples[feature.example]
        if feature.start:
            begin, end = feature.offsets[feature.start][0], feature.offsets[feature.end][1]
            assert begin <= example.starts[0]
            assert end >= example.starts[0] + len(example.answers[0])
            assert end - begin <= len(example.answers[0]) + 20
            exact += example.context[begin:end] == example.answers[0]
            labelled.add(feature.example)
    assert labelled == set(range(len(examples)))
    assert exact > 0.98 * sum(feature.start > 0 for feature in features)
