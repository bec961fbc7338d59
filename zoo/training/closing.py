"""The seam between a stage's trainee and the plain model it leaves: refused, or measured."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from zoo.distil.method import MisfitError
from zoo.errors import Problem, TrainingError

HELD = 8
"""Batches on which a trainee is compared with the plain model."""


@contextmanager
def told(stage: str) -> Iterator[None]:
    """Report what does not fit a stage's surgery as a training error.

    Raises:
        TrainingError: what the surgery says.
    """
    try:
        yield
    except MisfitError as error:
        problem = Problem(f"stage {stage!r}", error.given, error.allowed, error.remedy)
        raise TrainingError(problem) from error


def mean_of_held(found: Iterable[Mapping[str, Tensor]]) -> dict[str, float]:
    """Each term's mean over the held batches, from its sums over all their parts."""
    totals: dict[str, float] = {}
    for values in found:
        for name, value in values.items():
            totals[name] = totals.get(name, 0.0) + float(value) / HELD
    return totals
