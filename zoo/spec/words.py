"""The masked-language-model head of given weights that lack one: how it is trained."""

from zoo.spec.base import Fraction, Seed, Spec
from zoo.spec.bounds import HeldOutEvery, MaskShare, WordLoss
from zoo.spec.corpus import Corpus
from zoo.spec.optimise import Optimise


class WordTraining(Spec):
    """A stage on a corpus, before any task."""

    corpus: Corpus
    """The text to train on."""
    held_out_every: HeldOutEvery = 50
    """Every n-th document is not trained on: the loss on these goes into the record."""
    optimise: Optimise
    """How the head is trained."""
    encoder: Fraction = 0.0
    """Learning rate of encoder and embeddings relative to the head's; 0: they stay as they are."""
    mask_fraction: MaskShare = 0.15
    """Share of the positions to predict (BERT: 0.15)."""
    seed: Seed = 0
    """Seed of masking and data order."""


class WordHead(WordTraining):
    """The same with the loss that it must reach."""

    gate: WordLoss | None = None
    """Maximum loss on held-out text, in nats, before methods read what the teacher predicts."""
