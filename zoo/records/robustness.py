"""The scores of a run on altered examples."""

from typing import Literal, Self

from pydantic import model_validator

from zoo.records.measured import RECORD_SCHEMA
from zoo.records.predicted import PredictedRun
from zoo.spec.base import Sha256, misfit
from zoo.spec.robustness import Perturbation, Typos


class RobustnessRecord(PredictedRun):
    """The scores of a run on the altered examples of one dev split.

    With typos they are that split's examples; adversarial ones are others of the same task.
    """

    schema_version: Literal[2] = RECORD_SCHEMA
    kind: Literal["robustness"] = "robustness"
    perturbation: Perturbation
    typos: Typos | None = None
    """Which typos, where they are typos."""
    weights_sha256: Sha256
    predictions_sha256: Sha256

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
