"""Losses that are not finite: noticed at their step, before its update, and traced to rows."""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import AdamW

from zoo.distil.term import Term
from zoo.errors import Problem, TrainingError
from zoo.tensors.batch import Batch
from zoo.training.trainee import cut

SHOWN_ROWS = 5

Losses = Callable[[Batch], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Broken:
    """A step, counted from 1, and the terms that were not finite in it."""

    step: int
    terms: tuple[str, ...]


class FiniteWatch:
    """Looks at the losses of every step.

    On the CPU before the step's update. On CUDA that would wait for the device at every step: there
    the device itself leaves out the update, and a step is looked at once the next one is queued.
    """

    def __init__(self, optimiser: AdamW, device: torch.device) -> None:
        self._optimiser = optimiser
        self._late = device.type == "cuda"
        self._queued: deque[tuple[int, tuple[str, ...], Tensor, torch.cuda.Event]] = deque()

    def look(self, step: int, values: Mapping[str, Tensor]) -> Broken | None:
        """Look at a step, or at the one before; to be called before the optimiser's step."""
        if not self._late:
            return _broken(step, values, [float(value) for value in values.values()])
        stacked = torch.stack(list(values.values()))
        # What a gradient scaler tells a fused optimiser: 1 leaves the update out.
        self._optimiser.found_inf = (~stacked.isfinite().all()).float()  # type: ignore[attr-defined]
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch does not annotate it
        host = stacked.to("cpu", non_blocking=True)
        event.record()
        before = self.settled()
        self._queued.append((step, tuple(values), host, event))
        return before

    def settled(self) -> Broken | None:
        """Look at what has not been looked at yet."""
        while self._queued:
            step, names, host, event = self._queued.popleft()
            event.synchronize()
            if broken := _broken(step, names, host.tolist()):
                return broken
        return None


def rows_at_fault(batch: Batch, terms: Sequence[Term], losses: Losses) -> str:
    """The rows of a batch on which a term is not finite, in words; empty if it names no rows.

    Each row is tried alone. Where that shows nothing, and where a term compares rows with each
    other, it is the whole batch.
    """
    alone = {term.name for term in terms if not term.over_samples}
    faulty: list[int] = []
    with torch.no_grad():
        for part in cut(batch, len(batch.rows)) if alone and batch.rows else ():
            values = losses(part)
            if not all(bool(values[name].isfinite()) for name in alone):
                faulty += part.rows
    if faulty:
        return f"on {_listed(faulty)}"
    return f"on the batch of {_listed(batch.rows)}" if batch.rows else ""


def not_finite(where: str, terms: Sequence[str], rows: str) -> TrainingError:
    """The error that ends such a training."""
    return TrainingError(
        Problem(
            where,
            f"the loss of {', '.join(terms)} is not finite {rows}".rstrip(),
            "finite losses",
            "lower learning_rate, set a clip, or use precision: fp32",
        )
    )


def _broken(
    step: int, names: Sequence[str] | Mapping[str, Tensor], values: list[float]
) -> Broken | None:
    found = tuple(
        name for name, value in zip(names, values, strict=True) if not math.isfinite(value)
    )
    return Broken(step, found) if found else None


def _listed(rows: Sequence[int]) -> str:
    shown = ", ".join(map(str, sorted(rows)[:SHOWN_ROWS]))
    more = len(rows) - SHOWN_ROWS
    word = "row" if len(rows) == 1 else "rows"
    return f"{word} {shown} and {more} more" if more > 0 else f"{word} {shown}"
