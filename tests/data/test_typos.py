"""Keyboard typos: what they are, how many, and that nothing else changes."""

import random
import re
from dataclasses import replace

import pytest

from zoo.data import pocket
from zoo.data.examples import SpanExample, Split, TextExample
from zoo.data.sources import content_sha256
from zoo.data.typos import mistyped_split
from zoo.spec.robustness import Typos

TASKS = ("sentiment", "paraphrase", "similarity", "span")
TEXT = "Walking SLOWLY, a naïve cat (or 3dogs) can't find zoo2 and well-being: aaaa Straße."
LONG = ("Walking", "SLOWLY", "naïve", "find", "well", "being", "aaaa", "Straße")
"""The words of the text that may get a typo."""
KEYBOARD = {"a": "qwsz", "g": "tyfhvb", "p": "ol", "m": "njk", "q": "wa"}


def split_of(task: str) -> Split:
    return pocket.split(task, "dev", 200, 0)


def texts(split: Split) -> list[str]:
    """Every text of a split, in order."""
    found = []
    for one in split.examples:
        if isinstance(one, TextExample):
            found += [one.first, *([one.second] if one.second is not None else [])]
        else:
            found += [one.question, one.context]
    return found


def single(text: str, typos: Typos, name: str = "x") -> str:
    """A text alone with its typos."""
    made = mistyped_split(Split("dev", (TextExample(name, text, None, 0),)), typos)
    return texts(made)[0]


def is_typo(word: str, made: str) -> bool:
    """Whether one typo inside of a word makes the other, by trying all there are."""
    inside = range(1, len(word) - 1)
    swapped = {
        word[:k] + word[k + 1] + word[k] + word[k + 2 :] for k in inside if k + 2 < len(word)
    }
    dropped = {word[:k] + word[k + 1 :] for k in inside}
    doubled = {word[:k] + word[k] + word[k:] for k in inside}
    same_case = {
        word[:k] + letter + word[k + 1 :]
        for k in inside
        for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        if letter.isupper() == word[k].isupper() and letter != word[k]
    }
    return made != word and made in swapped | dropped | doubled | same_case


@pytest.mark.parametrize("task", TASKS)
def test_labels_ids_and_order_stay(task: str) -> None:
    before = split_of(task)
    after = mistyped_split(before, Typos(share=1.0))
    assert (after.name, len(after.examples)) == (before.name, len(before.examples))
    for one, other in zip(before.examples, after.examples, strict=True):
        assert one.id == other.id
        if isinstance(one, TextExample):
            assert replace(other, first=one.first, second=one.second) == one
        else:
            assert isinstance(other, SpanExample)
            assert other.answers == one.answers


@pytest.mark.parametrize("seed", range(5))
def test_answers_are_still_where_their_starts_say(seed: int) -> None:
    """Words of the context before, after and between them have typos."""
    answers = ("quick brown fox", "lazy dog", "")
    context = "Before anything, the quick brown fox jumped over that lazy dog yesterday morning."
    starts = tuple(context.find(answer) for answer in answers)
    example = SpanExample("q", "which animal jumped", context, answers, starts)
    made = mistyped_split(Split("dev", (example,)), Typos(share=1.0, seed=seed)).examples[0]
    assert isinstance(made, SpanExample)
    for answer, start in zip(made.answers[:2], made.starts[:2], strict=True):
        assert made.context[start:].startswith(answer)
    assert made.question != example.question
    for word in ("Before", "anything", "jumped", "over", "that", "yesterday", "morning"):
        assert not re.search(rf"\b{word}\b", made.context), word


def test_all_texts_change() -> None:
    """Both of a pair, unless it has no long word."""
    before = split_of("paraphrase")
    after = mistyped_split(before, Typos(share=1.0))
    for one, other in zip(texts(before), texts(after), strict=True):
        assert (one != other) == bool(re.search("[a-z]{4}", one))


@pytest.mark.parametrize("seed", range(50))
def test_every_long_word_gets_one_typo_and_nothing_else_changes(seed: int) -> None:
    made = single(TEXT, Typos(share=1.0, seed=seed))
    pattern = re.escape(TEXT)
    for word in LONG:
        pattern = pattern.replace(re.escape(word), r"([^\W\d_]+)", 1)
    found = re.fullmatch(pattern, made)
    assert found, made
    for word, typo in zip(LONG, found.groups(), strict=True):
        assert is_typo(word, typo), (word, typo)
        assert (word[0], word[-1]) == (typo[0], typo[-1])


def test_other_keys_are_neighbours_on_the_keyboard() -> None:
    """Every neighbour turns up, in the case of the letter, and no other key."""
    for key, near in KEYBOARD.items():
        for letter, expected in ((key, near), (key.upper(), near.upper())):
            word = f"xx{letter}xx"
            made = {single(word, Typos(share=1.0, seed=seed)) for seed in range(600)}
            typed = {each[2] for each in made if re.fullmatch("xx[^x]xx", each.lower())}
            assert typed - {letter} == set(expected), key


def test_all_kinds_of_typos_turn_up() -> None:
    made = [single("abcdefgh", Typos(share=1.0, seed=seed)) for seed in range(400)]
    swapped = sum(sorted(each) == sorted("abcdefgh") for each in made)
    dropped = sum(len(each) == 7 for each in made)
    doubled = sum(len(each) == 9 for each in made)
    for count in (swapped, dropped, doubled, 400 - swapped - dropped - doubled):
        assert 65 <= count <= 135


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_the_share_is_reached(share: float) -> None:
    """Over a split, and in every text up to one word."""
    dice = random.Random(0)
    words = ["alpha", "gamma", "of", "delta", "in"]
    rows = [" ".join(dice.choices(words, k=dice.randint(1, 30))) for _ in range(2000)]
    split = Split("dev", tuple(TextExample(str(n), row, None, 0) for n, row in enumerate(rows)))
    whole = changed = 0
    for before, after in zip(rows, texts(mistyped_split(split, Typos(share=share))), strict=True):
        long = [word for word in before.split() if len(word) >= 4]
        typed = sum(a != b for a, b in zip(before.split(), after.split(), strict=True))
        assert abs(typed - share * len(long)) < 1
        whole, changed = whole + len(long), changed + typed
    assert changed / whole == pytest.approx(share, rel=0.05)


def test_the_seed_and_the_example_decide() -> None:
    """Not its place in the split, nor what else is in it: a part of a split has the same typos."""
    whole = split_of("paraphrase")
    typos = Typos(share=0.3)
    made = mistyped_split(whole, typos)
    assert content_sha256(mistyped_split(whole, typos)) == content_sha256(made)
    part = mistyped_split(replace(whole, examples=whole.examples[7:3:-1]), typos)
    assert part.examples == made.examples[7:3:-1]
    other = mistyped_split(whole, Typos(share=0.3, seed=1))
    assert content_sha256(other) != content_sha256(made)
    assert single("alpha beta gamma delta", Typos(share=0.5), "x") != single(
        "alpha beta gamma delta", Typos(share=0.5), "y"
    )


def test_two_equal_texts_of_a_pair_get_typos_of_their_own() -> None:
    pair = TextExample("x", "alpha gamma delta epsilon", "alpha gamma delta epsilon", 1)
    first, second = texts(mistyped_split(Split("dev", (pair,)), Typos(share=1.0)))
    assert first != second


def test_typos_are_the_same_for_ever() -> None:
    """On every version of Python: published records are compared with later builds."""
    assert (
        single("the quick brown fox jumps over", Typos(share=1.0))
        == "the qiuck browwn fox jumos ovdr"
    )
