"""What every record says of itself."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from zoo.records.environment import Environment
from zoo.spec.base import Sha256, Spec, misfit

SCHEMA: Literal[2] = 2
"""2: a record names what was declared, what its model was made of, and the bytes it is about."""


class MeasuredRun(Spec):
    """The base of every record: which run it is about, and where it was taken."""

    said: ClassVar[tuple[str, ...]] = ()
    """Fields that records of schema 2 must state."""

    schema_version: Literal[1, 2] = SCHEMA
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
        if self.schema_version == SCHEMA:
            unsaid = [name for name in ("declared", *self.said) if getattr(self, name) is None]
            if unsaid:
                raise misfit(unsaid[0], f"{', '.join(unsaid)} not stated", "a sha256")
        return self

    @property
    def name(self) -> str:
        """The record's file name."""
        raise NotImplementedError
