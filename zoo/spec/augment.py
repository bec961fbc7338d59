"""Data augmentation: more training examples made from those of a task."""

from typing import ClassVar

from zoo.spec.base import Addressed, BelowData, Fraction, Seed
from zoo.spec.bounds import Copies, Examples


class Augment(Addressed):
    """Copies of each example with some words replaced (TinyBERT, arXiv 1909.10351, algorithm 1).

    A word of one token is masked and replaced by one of the pretrained teacher's likeliest words
    there; a word of several tokens by one of its neighbours among `word_vectors`.
    """

    addresses: ClassVar[tuple[str, ...]] = ("word_vectors",)

    copies: Copies = 20
    """Copies per example, besides the original (the paper's 20; its code: 10 to 30 by task)."""
    probability: Fraction = 0.4
    """Probability that a word is replaced."""
    candidates: Copies = 15
    """Number of likeliest words, or nearest neighbours, that a replacement is drawn from."""
    word_vectors: BelowData | None = None
    """A text file of word vectors (GloVe format) below `$ZOO_DATA`; without it, words of several
    tokens are kept."""
    seed: Seed = 0
    """Random seed."""
    most: Examples | None = None
    """Maximum number of examples in total, originals first; null: no limit."""
