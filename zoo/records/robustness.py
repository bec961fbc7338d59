"""The scores of a run on altered examples."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from zoo.records.measured import RECORD_SCHEMA, Count, MeasuredRun, refuse_impossible
from zoo.spec.base import Sha256, misfit
from zoo.spec.data import task_of
from zoo.spec.own_task import OwnData
from zoo.spec.robustness import Perturbation, Typos
from zoo.spec.task import Task

ROBUSTNESS_FOLDER = "robustness"
"""The folder of an entry's records and predictions on altered examples."""


class RobustnessRecord(MeasuredRun):
    """The scores of a run on the altered examples of one dev split.

    With typos they are that split's examples; adversarial ones are others of the same task. Fields
    of the same name as a score's mean the same.
    """

    later: ClassVar[tuple[str, ...]] = ("own",)

    schema_version: Literal[2] = RECORD_SCHEMA
    kind: Literal["robustness"] = "robustness"
    perturbation: Perturbation
    typos: Typos | None = None
    """Which typos, where they are typos."""
    split: str
    examples: Count
    data_sha256: str
    """The sha256 of the altered examples."""
    weights_sha256: Sha256
    predictions_sha256: Sha256
    primary: str
    metrics: dict[str, float | None]
    thresholds: dict[str, float] | None = None
    own: OwnData | None = None

    @property
    def definition(self) -> Task:
        """The task's definition."""
        return task_of(self.task, self.own)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.primary not in self.metrics:
            known = ", ".join(sorted(self.metrics)) or "none"
            raise misfit("metrics", f"the primary metric {self.primary} is missing", known)
        refuse_impossible("metrics", self.metrics)
        return self

    @model_validator(mode="after")
    def _typos_are_told(self) -> Self:
        if (self.perturbation == "typos") != (self.typos is not None):
            allowed = "for the perturbation typos, and for no other"
            raise misfit("typos", "missing" if self.typos is None else "stated", allowed)
        return self

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"robustness-{self.perturbation}-{self.task}-{self.split}-{self.seed}"

    @property
    def predictions(self) -> str:
        """The file name of its predictions, which no score's has."""
        return f"{self.task}-{self.split}-{self.seed}.{self.perturbation}.parquet"
