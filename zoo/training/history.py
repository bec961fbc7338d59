"""What lies behind the open phase of a training."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.distil.stage import Data
from zoo.records.training import PhaseRecord
from zoo.resolve.plan import Phase
from zoo.training.resume import Place


@dataclass
class History:
    """What lies behind the open phase: the phases that are finished, and when all began."""

    finished: list[PhaseRecord]
    began: float

    @classmethod
    def after(cls, place: Place) -> "History":
        """The history that leads to a place, its seconds counted on."""
        return cls(list(place.finished), time.monotonic() - place.seconds)

    @property
    def seconds(self) -> float:
        """What all attempts took until now."""
        return time.monotonic() - self.began

    def passes(self, phases: Sequence[Phase], data: Data) -> float:
        """How often the finished ones of `phases` have read `data`, in epochs."""
        behind = zip(phases, self.finished, strict=False)
        return sum(record.passes or 0.0 for phase, record in behind if phase.stage.data == data)

    def place(self, **where: Any) -> Place:
        """Where training stands; `where` says how far the open phase is."""
        return Place(finished=tuple(self.finished), seconds=self.seconds, **where)
