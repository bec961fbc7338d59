"""What every record says of itself."""

from zoo.records.environment import Environment
from zoo.spec.base import Spec

SCHEMA = 1


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
