"""Keyboard typos in the texts of a split: labels stay, and the same seed gives the same texts.

The kinds of typos and the words that get them follow Pruthi, Dhingra and Lipton (2019,
arXiv:1905.11268): two letters swapped, one dropped, one more, or that of a neighbouring key, always
inside of a word of four letters or more, whose first and last letter stay.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from zoo.data.examples import Example, SpanExample, Split, TextExample
from zoo.spec.robustness import Typos

_WORD = re.compile(r"(?<!\w)[^\W\d_]{4,}(?!\w)")
_PLACES = {
    key: (row, at + row / 2)
    for row, keys in enumerate(("qwertyuiop", "asdfghjkl", "zxcvbnm"))
    for at, key in enumerate(keys)
}
"""Rows and places of a keyboard's letters; each row begins half a key further right."""
_NEIGHBOURS = {
    key: tuple(
        other
        for other, (its_row, its_place) in _PLACES.items()
        if other != key and abs(its_row - row) <= 1 and abs(its_place - place) <= 1
    )
    for key, (row, place) in _PLACES.items()
}

Extent = tuple[int, int]
"""A part of a text: its first character, and the one after its last."""


@dataclass(frozen=True)
class _Mistyped:
    """A text with typos, and how far each of them moves what follows."""

    text: str
    shifts: tuple[tuple[int, int], ...]
    """The end of each changed word in the original text, and by how much it became longer."""

    def moved(self, place: int) -> int:
        """Where a character outside of the changed words stands now."""
        return place + sum(shift for end, shift in self.shifts if end <= place)


def mistyped_split(split: Split, typos: Typos) -> Split:
    """The split with typos in its texts; what an example becomes depends on its id and the seed.

    Words of a context that touch an answer stay, so that every answer can still be found.
    """
    examples = tuple(_example(example, typos) for example in split.examples)
    return replace(split, examples=examples)


def _example(example: Example, typos: Typos) -> Example:
    if isinstance(example, TextExample):
        first = _mistyped(example.first, typos, f"{example.id} 1").text
        second = None
        if example.second is not None:
            second = _mistyped(example.second, typos, f"{example.id} 2").text
        return replace(example, first=first, second=second)
    question = _mistyped(example.question, typos, f"{example.id} 1").text
    context = _mistyped(example.context, typos, f"{example.id} 2", _answers(example))
    starts = tuple(map(context.moved, example.starts))
    return replace(example, question=question, context=context.text, starts=starts)


def _answers(example: SpanExample) -> list[Extent]:
    pairs = zip(example.starts, example.answers, strict=True)
    return [(start, start + len(answer)) for start, answer in pairs]


def _mistyped(text: str, typos: Typos, name: str, kept: Sequence[Extent] = ()) -> _Mistyped:
    """A text with typos in the declared share of its words, rounded up or down at random."""
    dice = random.Random(f"typos {typos.seed} {name}")  # noqa: S311  (nothing is kept secret)
    words = [word.span() for word in _WORD.finditer(text)]
    words = [word for word in words if not any(_overlap(word, extent) for extent in kept)]
    pieces, shifts, done = [], [], 0
    for start, end in sorted(_drawn(words, int(typos.share * len(words) + dice.random()), dice)):
        word = _typo(text[start:end], dice)
        pieces += [text[done:start], word]
        shifts.append((end, len(word) - (end - start)))
        done = end
    return _Mistyped("".join((*pieces, text[done:])), tuple(shifts))


def _overlap(one: Extent, other: Extent) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _drawn(words: Sequence[Extent], count: int, dice: random.Random) -> list[Extent]:
    # `random` alone is the same in every version of Python.
    return sorted(words, key=lambda _: dice.random())[:count]


def _typo(word: str, dice: random.Random) -> str:
    """The word with one typo inside, of a kind that changes it."""
    kind, place = _below(len(_TYPOS), dice), 1 + _below(len(word) - 2, dice)
    for make in (*_TYPOS[kind:], *_TYPOS[:kind]):
        made = make(word, place, dice)
        if made != word:
            return made
    raise AssertionError("a doubled letter changes every word")


def _below(count: int, dice: random.Random) -> int:
    return int(count * dice.random())


def _swap(word: str, place: int, _: random.Random) -> str:
    place = min(place, len(word) - 3)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _drop(word: str, place: int, _: random.Random) -> str:
    return word[:place] + word[place + 1 :]


def _double(word: str, place: int, _: random.Random) -> str:
    return word[: place + 1] + word[place:]


def _neighbour(word: str, place: int, dice: random.Random) -> str:
    """The word with the letter of another key; letters of other keyboards stay."""
    letter = word[place]
    near = _NEIGHBOURS.get(letter.lower(), (letter,))
    made = near[_below(len(near), dice)]
    return word[:place] + (made.upper() if letter.isupper() else made) + word[place + 1 :]


_TYPOS: tuple[Callable[[str, int, random.Random], str], ...] = (_swap, _drop, _double, _neighbour)
