"""The scores of a run."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from zoo.records.measured import refuse_impossible
from zoo.records.predicted import PredictedRun


class ScoreRecord(PredictedRun):
    """The scores of a run on one dev split."""

    said: ClassVar[tuple[str, ...]] = ("weights_sha256", "predictions_sha256")

    kind: Literal["score"] = "score"
    method: str
    """`teacher` for a teacher's own entry."""
    teacher: str
    twin: str | None
    """The entry that trains the same student without a teacher."""
    majority: dict[str, float | None]
    """The majority baseline: the best constant prediction, fitted to the training labels."""
    constant: bool
    """Whether the model predicts the same for every example."""
    unlike_training: bool = False
    """Whether these examples suggest another class order that the training examples refute: an
    adversarial split, like WNLI's."""

    @model_validator(mode="after")
    def _possible_majority(self) -> Self:
        refuse_impossible("majority", self.majority)
        return self

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"score-{self.task}-{self.split}-{self.seed}"

    @property
    def predictions(self) -> str:
        """The file name of its predictions."""
        return f"{self.task}-{self.split}-{self.seed}.parquet"
