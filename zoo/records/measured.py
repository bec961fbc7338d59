"""What every record says of itself."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from zoo.records.environment import Environment
from zoo.spec.base import Spec, misfit

SCHEMA = 1

Count = Annotated[int, Field(ge=1)]
"""Of what there is at least one of."""
Amount = Annotated[int, Field(ge=0)]
Measure = Annotated[float, Field(ge=0)]

_CORRELATIONS = ("matthews", "pearson", "spearman")
_SLACK = 1e-6
"""What sums of floats may exceed a bound by."""


class MeasuredRun(Spec):
    """The base of every record: which run it is about, and where it was taken."""

    schema_version: int = SCHEMA
    suite: str
    entry: str
    task: str
    seed: int
    digest: str
    """Identity of the run it measures."""
    environment: Environment

    @property
    def name(self) -> str:
        """The record's file name."""
        raise NotImplementedError


def refuse_impossible(key: str, metrics: Mapping[str, float | None]) -> None:
    """Refuse values that a metric cannot take: correlations run from -1 to 1, shares from 0 to 1.

    Raises:
        PydanticCustomError: one is out of its range.
    """
    for name, value in metrics.items():
        lowest = -1.0 if name in _CORRELATIONS else 0.0
        if value is not None and not lowest - _SLACK <= value <= 1.0 + _SLACK:
            raise misfit(f"{key}.{name}", f"the value {value:g}", f"{lowest:g} to 1")
