"""What every record says of itself."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zoo.records.environment import Environment
from zoo.spec.base import Grown, Sha256, misfit

RECORD_SCHEMA: Literal[2] = 2
"""2: a record names what was declared, what its model was made of, and the bytes it is about."""

Count = Annotated[int, Field(ge=1)]
"""Of what there is at least one of."""
Amount = Annotated[int, Field(ge=0)]
Measure = Annotated[float, Field(ge=0)]

_CORRELATIONS = ("matthews", "pearson", "spearman")
_SLACK = 1e-6
"""What sums of floats may exceed a bound by."""


class MeasuredRun(Grown):
    """The base of every record: which run it is about, and where it was taken."""

    said: ClassVar[tuple[str, ...]] = ()
    """Fields that records of schema 2 must state."""

    schema_version: Literal[1, 2] = RECORD_SCHEMA
    """Records of schema 1 are still read; what they do not say is None."""
    suite: str
    entry: str
    task: str
    seed: int
    declared: Sha256 | None = None
    """sha256 of the resolved spec of the run it is about; None before schema 2."""
    digest: str
    """Identity of the run's weights."""
    environment: Environment

    @model_validator(mode="after")
    def _says_all(self) -> Self:
        if self.schema_version == RECORD_SCHEMA:
            unsaid = [name for name in ("declared", *self.said) if getattr(self, name) is None]
            if unsaid:
                raise misfit(unsaid[0], f"{', '.join(unsaid)} not stated", "a sha256")
        return self

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
