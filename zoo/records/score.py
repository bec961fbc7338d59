"""The scores of a run."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from zoo.records.measured import MeasuredRun, refuse_impossible
from zoo.spec.base import Sha256, misfit
from zoo.spec.data import task_of
from zoo.spec.own_task import OwnData
from zoo.spec.task import Task


class ScoreRecord(MeasuredRun):
    """The scores of a run on one dev split; metrics on their natural scale, None: undefined."""

    later: ClassVar[tuple[str, ...]] = ("own",)
    said: ClassVar[tuple[str, ...]] = ("weights_sha256", "predictions_sha256")

    kind: Literal["score"] = "score"
    method: str
    """`teacher` for a teacher's own entry."""
    teacher: str
    twin: str | None
    """The entry that trains the same student without a teacher."""
    split: str
    examples: int = Field(ge=1)
    data_sha256: str
    """The sha256 of the scored examples."""
    weights_sha256: Sha256 | None = None
    """The sha256 of the model's weights."""
    predictions_sha256: Sha256 | None = None
    """The sha256 of the predictions file, which contains this record's hash without this field."""
    primary: str
    metrics: dict[str, float | None]
    thresholds: dict[str, float] | None = None
    """For tasks with unanswerable questions: the null odds above which no answer is given, by the
    metric that they optimise; cross-fitted ones are those of the two halves."""
    majority: dict[str, float | None]
    """The majority baseline: the best constant prediction, fitted to the training labels."""
    constant: bool
    """Whether the model predicts the same for every example."""
    unlike_training: bool = False
    """Whether these examples suggest another class order that the training examples refute: an
    adversarial split, like WNLI's."""

    own: OwnData | None = None
    """The task's definition, if it is the suite's own."""

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
