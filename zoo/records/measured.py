"""The base of all records."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zoo.records.environment import Environment
from zoo.spec.base import Grown, Sha256, misfit

RECORD_SCHEMA: Literal[2] = 2
"""2: a record identifies its declaration, its model's inputs and the files it describes."""

Count = Annotated[int, Field(ge=1)]
"""A count of at least one."""
Amount = Annotated[int, Field(ge=0)]
Measure = Annotated[float, Field(ge=0)]

_CORRELATIONS = ("matthews", "pearson", "spearman")
_SLACK = 1e-6
"""Rounding tolerance of float sums."""


class MeasuredRun(Grown):
    """The base of every record: its run and its environment."""

    said: ClassVar[tuple[str, ...]] = ()
    """Fields required in schema 2."""

    schema_version: Literal[1, 2] = RECORD_SCHEMA
    """Records of schema 1 are still read; their missing fields are None."""
    suite: str
    entry: str
    task: str
    seed: int
    declared: Sha256 | None = None
    """The sha256 of the run's resolved spec; None before schema 2."""
    digest: str
    """The identity of the run's weights."""
    environment: Environment

    @model_validator(mode="after")
    def _says_all(self) -> Self:
        if self.schema_version == RECORD_SCHEMA:
            unsaid = [name for name in ("declared", *self.said) if getattr(self, name) is None]
            if unsaid:
                raise misfit(unsaid[0], f"missing {', '.join(unsaid)}", "a sha256")
        return self

    @property
    def name(self) -> str:
        """The record's file name."""
        raise NotImplementedError


def refuse_impossible(key: str, metrics: Mapping[str, float | None]) -> None:
    """Check the range of metrics: -1 to 1 for correlations, 0 to 1 for all others.

    Raises:
        PydanticCustomError: a value is out of range.
    """
    for name, value in metrics.items():
        lowest = -1.0 if name in _CORRELATIONS else 0.0
        if value is not None and not lowest - _SLACK <= value <= 1.0 + _SLACK:
            raise misfit(f"{key}.{name}", f"the value {value:g}", f"{lowest:g} to 1")
