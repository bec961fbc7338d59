"""What a phase's terms aim at: a teacher's activations on its batches, wherever they come from.

B batch, S length, H width.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from zoo.models.attention import steady_attention
from zoo.models.capture import Capture, Captured, read
from zoo.models.tap import Tap
from zoo.resolve.plan import Phase
from zoo.tensors.batch import Batch
from zoo.training.words import tap_on

STEADY_ROWS = 4
"""Products of other numbers of rows round by the shape of a batch
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
        model = _in_bf16(model)
    with Capture(model, {tap_on(model, tap, phase.stage) for tap in taps_of(phase)}) as capture:
        yield capture


def _in_bf16(model: PreTrainedModel) -> PreTrainedModel:
    """A copy: surgery of this or a later phase reads the weights as they are."""
    # Cast on the way, as a copy in fp32 would only be written to be thrown away.
    cast = {
        id(parameter): nn.Parameter(parameter.to(torch.bfloat16), parameter.requires_grad)
        for parameter in model.parameters()
    }
    return copy.deepcopy(model, cast).to(torch.bfloat16)


@contextmanager
def live_steady(phase: Phase, teacher: LoadTeacher) -> Iterator[Targets]:
    """As `live`, so that a row's activations do not depend on the batch it is in."""
    with steady_capture(phase, teacher) as capture:
        yield Steady(capture)


@contextmanager
def steady_capture(phase: Phase, teacher: LoadTeacher) -> Iterator[Capture]:
    """As `live`, for `steady_sources`."""
    with live(phase, teacher) as capture, steady_attention(capture.model):
        yield capture


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
    rows = len(batch.input_ids)
    sources = capture.sources(_filled_up(batch))
    # Contiguous, as what is read from a file is: a sum may round by how its terms lie.
    return {tap: kept[:rows].contiguous() for tap, kept in sources.items()}


def _filled_up(batch: Batch) -> Batch:
    """The batch with its last row again, up to a steady number of rows."""
    more = -len(batch.input_ids) % STEADY_ROWS
    if not more:
        return batch

    def taller(tensor: Tensor) -> Tensor:
        return torch.cat([tensor, tensor[-1:].expand(more, -1)])

    return replace(
        batch,
        input_ids=taller(batch.input_ids),
        attention_mask=taller(batch.attention_mask),
        token_type_ids=taller(batch.token_type_ids),
    )
