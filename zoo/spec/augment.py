"""Data augmentation: more training examples made from those of a task."""

from typing import ClassVar

from pydantic import Field

from zoo.spec.base import Addressed, BelowData, Fraction, PositiveInt, Seed


class Augment(Addressed):
    """Copies of each example with some words replaced (TinyBERT, arXiv 1909.10351, algorithm 1).

    A word of one piece is masked and replaced by one of the pretrained teacher's likeliest words
    there; a word of several pieces by one of its neighbours among `word_vectors`.
    """

    addresses: ClassVar[tuple[str, ...]] = ("word_vectors",)

    copies: PositiveInt = 20
    """Copies of an example, beside itself (the paper's 20; its code: 10 to 30 by task)."""
    probability: Fraction = 0.4
    """Chance of a word to be replaced."""
    candidates: PositiveInt = 15
    """Likeliest words, or nearest neighbours, that a replacement is drawn from."""
    word_vectors: BelowData | None = None
    """A text file of word vectors (GloVe's layout) below `$ZOO_DATA`; without, words of several
    pieces stay as they are."""
    seed: Seed = 0
    """Seed of all draws."""
    most: PositiveInt | None = Field(None)
    """Most examples in total, the originals first; all when null."""
