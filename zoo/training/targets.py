"""What a phase's terms aim at: a teacher's activations on its batches, wherever they come from.

B batch, S length, H width.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from zoo.models.capture import Capture, Captured, read
from zoo.models.configuration import longest_input
from zoo.models.tap import LOGITS, Tap
from zoo.resolve.plan import Phase
from zoo.tensors.batch import Batch, Layout
from zoo.training.words import tap_on

STEADY_ROWS, STEADY_PIECES = 4, 16
"""Products of other numbers of rows, and sums over fewer pieces, round by the shape of a batch
(docs/decisions/0025-teacher-outputs-once.md)."""


class Targets(Protocol):
    """A teacher's activations on any batch of a phase."""

    @property
    def model(self) -> PreTrainedModel | None:
        """The teacher, where it is at hand: what decodes tokens."""
        ...

    def __call__(self, batch: Batch) -> Captured:
        """Those at the taps that the phase's terms read."""
        ...


LoadTeacher = Callable[[], PreTrainedModel]
"""Loads the teacher: frozen, in evaluation mode, on the device."""
TargetSource = Callable[[Phase, LoadTeacher], AbstractContextManager[Targets]]
"""Where the targets of a phase come from, for as long as it runs."""


def taps_of(phase: Phase) -> frozenset[Tap]:
    """What the terms of a phase read of its teacher."""
    return frozenset(term.teacher for term in phase.stage.terms if term.teacher is not None)


@contextmanager
def live(phase: Phase, teacher: LoadTeacher) -> Iterator[Capture]:
    """The teacher itself, run on every batch."""
    model = teacher()
    if phase.optimise.teacher_precision == "bf16":
        # A copy: surgery of this or a later phase reads the weights as they are.
        model = copy.deepcopy(model).to(torch.bfloat16)
    with Capture(model, {tap_on(model, tap, phase.stage) for tap in taps_of(phase)}) as capture:
        yield capture


@contextmanager
def live_steady(phase: Phase, teacher: LoadTeacher) -> Iterator[Targets]:
    """As `live`, so that a row's activations do not depend on the batch it is in."""
    with live(phase, teacher) as capture:
        yield Steady(capture)


@dataclass(frozen=True)
class Steady:
    """A teacher that is run on every batch in a shape that changes no row."""

    capture: Capture

    @property
    def model(self) -> PreTrainedModel:
        """The teacher."""
        return self.capture.model

    def __call__(self, batch: Batch) -> Captured:
        """Its activations at the taps."""
        return read(self.capture.taps, steady_sources(self.capture, batch), self.capture.heads)


@torch.no_grad()
def steady_sources(capture: Capture, batch: Batch) -> Captured:
    """The sources of a batch's taps, computed in a batch of a shape that does not change them."""
    rows, pieces = batch.input_ids.shape
    # Whole: products of the first tokens alone would be of as many rows as the batch.
    sources = capture.sources(_roomy(batch, longest_input(capture.model.config)), whole=True)
    of_pieces = batch.layout in (Layout.SPAN, Layout.TOKENS)
    return {
        # Contiguous, as what is read from a file is: a sum may round by how its terms lie.
        tap: (kept[:rows, :pieces] if tap != LOGITS or of_pieces else kept[:rows]).contiguous()
        for tap, kept in sources.items()
    }


def _roomy(batch: Batch, longest: int) -> Batch:
    """The batch with padding, and its last row again, up to a steady shape."""
    rows, pieces = batch.input_ids.shape
    more_rows = -rows % STEADY_ROWS
    more_pieces = max(0, min(STEADY_PIECES, longest) - pieces)
    if not more_rows and not more_pieces:
        return batch

    def grown(tensor: Tensor) -> Tensor:
        tall = torch.cat([tensor, tensor[-1:].expand(more_rows, -1)])
        return torch.nn.functional.pad(tall, (0, more_pieces))

    return replace(
        batch,
        input_ids=grown(batch.input_ids),
        attention_mask=grown(batch.attention_mask),
        token_type_ids=grown(batch.token_type_ids),
    )
