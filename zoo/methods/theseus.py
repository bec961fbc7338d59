"""BERT-of-Theseus: the teacher's layers are replaced by the student's during training."""

from typing import Literal, final

from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.replacement import Replacement
from zoo.distil.stage import Part, Stage
from zoo.distil.term import Term
from zoo.losses.logits import hard_labels
from zoo.models.tap import LOGITS
from zoo.spec.base import Fraction
from zoo.spec.bounds import PositiveShare, Slope


@final
class Theseus(Method):
    """Progressive module replacing (arXiv 2002.02925; released code; docs/methods).

    The fine-tuned teacher's N layers are M modules of N / M; each has a successor of one layer, and
    every forward lets each module use its successor with probability p. The loss is the task's own,
    L = CE(y, z); only successors learn. In step s of "replacing" p = min(1, k (s - 1) + b); then
    "successors" trains at p = 1. The student takes the teacher's embeddings, pooler and classifier
    as they are. Dropout is at work in the teacher's layers too, as in the code; a successor that no
    forward of a step used is not moved in it (a choice). The code does both stages in one run:
    halving the budget between them, each with its own schedule of the rate and reading the data
    from the beginning, is a choice.
    """

    name: Literal["theseus"] = "theseus"
    schedule: Literal["linear", "constant"] = "linear"
    """Whether p grows over the stage "replacing" or stays (the code's example: 0.5)."""
    base_rate: Fraction = 0.3
    """b, the probability in the first step; the code's example for the linear schedule."""
    full_after: PositiveShare = 1.0
    """Share of the steps of "replacing" at which p reaches 1; decides k unless `slope` is stated
    (a choice: the code's k is made for one length of training)."""
    slope: Slope | None = None
    """k, what p grows by in a step; 0.0006 in the code's example."""
    successors: Literal["predecessor", "student"] = "predecessor"
    """What successors start as: the fine-tuned teacher's first M layers (the code), or the layers
    of the student as its spec starts it."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """Two stages on the task: replacing, and fine-tuning the successors."""
        self._refuse_shapes(setting)
        self._refuse_rates()
        labels = Term("labels", hard_labels, LOGITS)
        # At rate 1 nothing is left to grow.
        grows = self.schedule == "linear" and self.base_rate < 1.0
        slope, full_after = (self.slope, self.full_after) if grows else (0.0, 1.0)
        surgery = Replacement(self.successors, self.base_rate, slope, full_after)
        kept: tuple[Part, ...] = ("embeddings", "head")
        return (
            Stage("replacing", "task", (labels,), surgery, share=0.5, frozen=kept),
            Stage("successors", "task", (labels,), share=0.5, optimiser="carry", frozen=kept),
        )

    def _refuse_shapes(self, setting: Setting) -> None:
        student, teacher = setting.student, setting.teacher
        if teacher.layers % student.layers:
            raise MisfitError(
                "name",
                f"{teacher.layers} layers cannot be split into {student.layers} equal modules",
                "a student whose depth divides its teacher's",
            )
        theirs = teacher.model_copy(update={"layers": student.layers})
        differing = [
            f"{key} {value} instead of {getattr(theirs, key)}"
            for key, value in student
            if value != getattr(theirs, key)
        ]
        if differing:
            raise MisfitError(
                "name",
                f"successors replace the teacher's layers; {', '.join(differing)}",
                "a student that differs from its teacher in depth only",
            )

    def _refuse_rates(self) -> None:
        if not self.base_rate:
            raise MisfitError(
                "base_rate",
                "with probability 0 no module uses its successor, and nothing is trained",
                "more than 0, up to 1",
            )
        if self.schedule == "constant" and self.slope is not None:
            raise MisfitError("slope", "a constant rate does not grow", "null")
        if self.schedule == "constant" and self.full_after != 1.0:
            raise MisfitError("full_after", "a constant rate never reaches 1", "1.0")
        if self.slope is not None and self.full_after != 1.0:
            raise MisfitError("full_after", "slope decides when the rate is full", "1.0")
