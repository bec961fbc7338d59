"""Floating-point operations of trainings, by the length of their sequences.

Products of matrices count 2 per multiply-add; norms, activations and the optimiser are left out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from zoo.distil.surgery import Seat
from zoo.models.anatomy import encoder_of
from zoo.models.build import MASKED_LM, Head, build
from zoo.models.capture import word_logits
from zoo.resolve.plan import Phase
from zoo.spec.shape import Shape
from zoo.training.trainee import freeze, set_dropout

LENGTHS = (4, 8, 12)
"""Three points of a parabola; the tiniest models have positions for them."""
DRAWS = 8
"""Surgery may draw which parts of a teacher run: the mean of so many passes."""


@dataclass(frozen=True)
class Amount:
    """How much is read: padded sequences, their tokens, and the squares of their lengths."""

    batches: float = 0.0
    sequences: float = 0.0
    tokens: float = 0.0
    squares: float = 0.0

    def times(self, factor: float) -> Self:
        """So much of it."""
        numbers = (self.batches, self.sequences, self.tokens, self.squares)
        return type(self)(*(factor * number for number in numbers))


@dataclass(frozen=True)
class Curve:
    """Operations on one sequence: attention grows with the square of its length."""

    batch: float = 0.0
    """Once for all sequences of a batch."""
    constant: float = 0.0
    linear: float = 0.0
    square: float = 0.0

    @classmethod
    def of(cls, count: Callable[[int, int], float]) -> Self:
        """The parabola through what is counted of some rows of some length."""
        counts = [count(1, length) for length in LENGTHS]
        batch = 2 * counts[0] - count(2, LENGTHS[0])
        powers = np.vander(LENGTHS, 3, increasing=True)
        found = np.linalg.solve(powers, [number - batch for number in counts])
        return cls(batch, *(float(number) for number in found))

    def over(self, amount: Amount) -> float:
        """Operations on all that is read."""
        per_sequence = self.constant * amount.sequences + self.linear * amount.tokens
        return self.batch * amount.batches + per_sequence + self.square * amount.squares


@dataclass(frozen=True)
class Words:
    """Operations on positions that are decoded: of a batch, and of each."""

    batch: float = 0.0
    word: float = 0.0

    def over(self, batches: float, words: float) -> float:
        """Operations on all that is decoded."""
        return self.batch * batches + self.word * words


@dataclass(frozen=True)
class PhaseCost:
    """What the student of a phase and its teacher compute."""

    trained: Curve
    trained_words: Words
    answered: Curve
    answered_words: Words


def phase_costs(
    student: Shape, teacher: Shape | None, head: Head, phases: Sequence[Phase]
) -> Iterator[PhaseCost]:
    """What each phase of a training computes, its surgery included."""
    model = build(student, head, seed=0)
    asked = build(teacher, head, seed=1).eval() if teacher is not None else None
    answered = _curve(asked, head) if asked else Curve()
    answered_words = _words(asked) if asked and head == MASKED_LM else Words()
    for phase in phases:
        surgery = phase.stage.surgery
        trainee = surgery.open(Seat(model, partial(_frozen, asked))).train()
        freeze(trainee, phase.stage)
        set_dropout(trainee, 0.0)  # its draws would change with the length
        draws = DRAWS if surgery.reads_teacher else 1
        trained_words = _words(trainee, draws) if head == MASKED_LM else Words()
        yield PhaseCost(_curve(trainee, head, draws), trained_words, answered, answered_words)
        model = surgery.close(trainee).requires_grad_(requires_grad=True)


def _frozen(teacher: PreTrainedModel | None) -> PreTrainedModel:
    assert teacher is not None  # nothing without a teacher reads one
    return teacher.requires_grad_(requires_grad=False)


def _curve(model: PreTrainedModel, head: Head, draws: int = 1) -> Curve:
    """Of a task's whole model; of a masked language model without its head."""
    part = encoder_of(model) if head == MASKED_LM else model

    def run(rows: int, length: int) -> Tensor:
        output = part(input_ids=torch.ones(rows, length, dtype=torch.long))
        return torch.stack([each.sum() for each in output.to_tuple()]).sum()

    return Curve.of(lambda rows, length: _counted(partial(run, rows, length), model, draws))


def _words(model: PreTrainedModel, draws: int = 1) -> Words:
    width = int(model.config.hidden_size)

    def run(words: int) -> Tensor:
        return word_logits(model, torch.zeros(words, width, requires_grad=True)).sum()

    one, two = (_counted(partial(run, words), model, draws) for words in (1, 2))
    return Words(2 * one - two, two - one)


def _counted(run: Callable[[], Tensor], model: PreTrainedModel, draws: int) -> float:
    """The mean over passes, each with its backward pass if the model is in training."""
    with (
        torch.random.fork_rng(devices=[]),
        FlopCounterMode(display=False) as counter,
        torch.set_grad_enabled(model.training),
    ):
        torch.manual_seed(0)  # the same draws at every length
        for _ in range(draws):
            value = run()
            if value.requires_grad:
                value.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
    return float(counter.get_total_flops()) / draws
