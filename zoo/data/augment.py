"""Data augmentation: copies of a task's examples in which some words are replaced."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from tokenizers import Encoding

from zoo.data.examples import Split, TextExample
from zoo.data.masked_words import WORD, MaskedWords, PieceInText
from zoo.data.pieces import located_pieces
from zoo.data.word_vectors import WordVectors
from zoo.errors import DataError, Problem
from zoo.spec.augment import Augment

_AT_ONCE = 4096
"""Examples whose words get their candidates together: what is in memory beside the copies."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: its characters `begin` to `end`, and its candidate replacements."""

    begin: int
    end: int
    candidates: tuple[str, ...]


Words = Mapping[str, Sequence[Word]]
"""The words with candidates of each text, first to last."""


def augmented(
    split: Split, augment: Augment, masked: MaskedWords, vectors: WordVectors | None = None
) -> Split:
    """The examples of `split`, then the first copy of each, then the second, up to `augment.most`.

    In a copy each word is replaced with `augment.probability` by one of its candidates, all alike:
    for a word of one piece the words that the masked language model finds likeliest there, for one
    of several its neighbours among `vectors`. Labels are kept. Candidates are found once for each
    place of the original text, and the draws depend on nothing but the seed and the example's
    place in the split.

    Choices: each text of a pair is read by itself, and both are changed in the same copy; numbers
    and punctuation stay, common words do not; equal copies are kept, so that their number is known
    beforehand.

    Source: TinyBERT, arXiv 1909.10351, algorithm 1; it has no rule for pairs.

    Raises:
        DataError: an example is a question on a context, or the tokenizer does not fit the texts.
    """
    originals = _texts(split)
    total = augmented_size(len(originals), augment)
    rounds: list[list[TextExample]] = [[] for _ in range(_copies_of_each(len(originals), augment))]
    copied = min(len(originals), total - len(originals)) if rounds else 0
    for begin in range(0, copied, _AT_ONCE):
        some = originals[begin : min(begin + _AT_ONCE, copied)]
        words = _words(some, augment.candidates, masked, vectors)
        for index, example in enumerate(some, start=begin):
            copies = _copies(example, words, augment, np.random.default_rng((augment.seed, index)))
            for made, copy in zip(rounds, copies, strict=False):
                made.append(copy)
    return replace(split, examples=tuple(chain(originals, *rounds))[:total])


def augmented_size(examples: int, augment: Augment) -> int:
    """How many examples `augmented` makes of so many, originals included."""
    whole = examples * (1 + augment.copies)
    return whole if augment.most is None else min(whole, augment.most)


def _copies_of_each(examples: int, augment: Augment) -> int:
    wanted = augmented_size(examples, augment) - examples
    return max(0, -(-wanted // max(1, examples)))


def _texts(split: Split) -> list[TextExample]:
    texts = [example for example in split.examples if isinstance(example, TextExample)]
    spans = len(split.examples) - len(texts)
    if spans:
        raise DataError(
            Problem(
                f"split {split.name}",
                f"{spans} examples are questions on a context: replacing words would move or lose "
                "their answers",
                "single texts or pairs of texts",
                "use this task's data without augmentation",
            )
        )
    return texts


def _words(
    examples: Sequence[TextExample],
    count: int,
    masked: MaskedWords,
    vectors: WordVectors | None,
) -> Words:
    """The words of all texts that have candidates."""
    texts = list(dict.fromkeys(chain.from_iterable(map(_parts, examples))))
    encodings = list(located_pieces(texts, masked.tokenizer))
    single: dict[tuple[int, int, int], PieceInText] = {}
    several: dict[tuple[int, int, int], str] = {}
    for number, (text, encoding) in enumerate(zip(texts, encodings, strict=True)):
        ids = tuple(encoding.ids)
        for begin, end, pieces in _located(text, encoding, masked.room):
            if len(pieces) == 1:
                single[number, begin, end] = PieceInText(ids, pieces[0])
            else:
                several[number, begin, end] = text[begin:end]
    likeliest = masked.candidates(list(single.values()), count)
    found = dict(zip(single, likeliest, strict=True))
    if vectors is not None:
        near = vectors.neighbours(dict.fromkeys(several.values()), count)
        found |= {place: near[word] for place, word in several.items() if near.get(word)}
    words: dict[str, list[Word]] = {text: [] for text in texts}
    for (number, begin, end), candidates in sorted(found.items()):
        words[texts[number]].append(Word(begin, end, candidates))
    return words


def _parts(example: TextExample) -> tuple[str, ...]:
    return (example.first,) if example.second is None else (example.first, example.second)


def _located(text: str, encoding: Encoding, room: int) -> Iterator[tuple[int, int, range]]:
    """Each word's characters and its pieces, as far as the model reads."""
    offsets = encoding.offsets[:room]
    begins, ends = [begin for begin, _ in offsets], [end for _, end in offsets]
    for match in WORD.finditer(text):
        begin, end = match.span()
        pieces = range(bisect_right(ends, begin), bisect_left(begins, end))
        cut = not pieces or (pieces.stop == room and ends[-1] < end)
        # A piece may reach over a word's edge ('t of don't): masking it would hide a neighbour.
        if not cut and begins[pieces[0]] >= begin and ends[pieces[-1]] <= end:
            yield begin, end, pieces


def _copies(
    example: TextExample, words: Words, augment: Augment, random: np.random.Generator
) -> Iterator[TextExample]:
    """Endlessly: one copy after the other."""
    first = words[example.first]
    second = words[example.second] if example.second is not None else ()
    number = 0
    while True:
        number += 1
        draws = random.random((len(first) + len(second), 2)).tolist()
        chosen = [
            word.candidates[int(place * len(word.candidates))]
            if chance < augment.probability
            else None
            for word, (chance, place) in zip((*first, *second), draws, strict=True)
        ]
        yield TextExample(
            f"{example.id}+{number}",
            _replaced(example.first, first, chosen[: len(first)]),
            None
            if example.second is None
            else _replaced(example.second, second, chosen[len(first) :]),
            example.label,
        )


def _replaced(text: str, words: Sequence[Word], chosen: Sequence[str | None]) -> str:
    parts, end = [], 0
    for word, other in zip(words, chosen, strict=True):
        if other is not None:
            parts += [text[end : word.begin], other]
            end = word.end
    return "".join([*parts, text[end:]])
