"""How well a run answers."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from zoo.records.measured import MeasuredRun, refuse_impossible
from zoo.spec.base import Sha256, misfit
from zoo.spec.data import task_of
from zoo.spec.own_task import OwnData
from zoo.spec.task import Task


class ScoreRecord(MeasuredRun):
    """How well a run answers one dev split; metrics on their natural scale, None: undefined."""

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
    """Of the scored examples."""
    weights_sha256: Sha256 | None = None
    """Of the weights that answered."""
    predictions_sha256: Sha256 | None = None
    """Of the file of their answers, which holds the hash of this record without this field."""
    primary: str
    metrics: dict[str, float | None]
    thresholds: dict[str, float] | None = None
    """For questions that may have no answer: the null odds above which a question is left open, by
    the metrics that they make best; cross-fitted ones are those of the two halves."""
    majority: dict[str, float | None]
    """What the best constant answer, learnt from the training labels, scores."""
    constant: bool
    """Whether the model gives the same answer to every example."""
    unlike_training: bool = False
    """Whether these examples speak for another order of the classes, and the training examples
    against it: the split is made against what is learnt, as WNLI's."""

    own: OwnData | None = None
    """What the task is, where it is the suite's own."""

    @property
    def definition(self) -> Task:
        """What its task is."""
        return task_of(self.task, self.own)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.primary not in self.metrics:
            known = ", ".join(sorted(self.metrics)) or "there are none"
            raise misfit("metrics", f"the primary metric {self.primary} is not there", known)
        refuse_impossible("metrics", self.metrics)
        refuse_impossible("majority", self.majority)
        return self

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"score-{self.task}-{self.split}-{self.seed}"

    @property
    def predictions(self) -> str:
        """The file name of the answers it is made of."""
        return f"{self.task}-{self.split}-{self.seed}.parquet"
