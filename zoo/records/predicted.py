"""What records of stored predictions have in common: scores that these reproduce."""

import hashlib
import json
from typing import ClassVar, Self

from pydantic import model_validator

from zoo.records.measured import Count, MeasuredRun, refuse_impossible
from zoo.records.text import record_text
from zoo.spec.base import Sha256, misfit
from zoo.spec.data import task_of
from zoo.spec.own_task import OwnData
from zoo.spec.task import Task


class PredictedRun(MeasuredRun):
    """The scores of a run on some examples, with its predictions in a file of their own.

    Metrics are on their natural scale, None: undefined.
    """

    later: ClassVar[tuple[str, ...]] = ("own",)

    split: str
    examples: Count
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
    own: OwnData | None = None
    """The task's definition, if it is the suite's own."""

    @property
    def definition(self) -> Task:
        """The task's definition."""
        return task_of(self.task, self.own)

    @property
    def predictions(self) -> str:
        """The file name of its predictions."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.primary not in self.metrics:
            known = ", ".join(sorted(self.metrics)) or "none"
            raise misfit("metrics", f"the primary metric {self.primary} is missing", known)
        refuse_impossible("metrics", self.metrics)
        return self


def seal(record: PredictedRun) -> str:
    """The sha256 of a record without its predictions' hash, as these contain this hash."""
    stated = json.loads(record_text(record))
    del stated["predictions_sha256"]
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()
