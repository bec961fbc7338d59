"""The student without a teacher: the undistilled twin every other method is compared with."""

from typing import Literal, final

from zoo.distil.method import Method, Setting
from zoo.distil.stage import Stage
from zoo.distil.term import Term
from zoo.losses.logits import hard_labels
from zoo.models.tap import LOGITS


@final
class Finetune(Method):
    """Fine-tuning on the labels alone (docs/methods).

    L = CE(y, z) for classes, the mean of start and end CE for spans, squared error for numbers.
    """

    name: Literal["finetune"] = "finetune"

    def stages(self, setting: Setting) -> tuple[Stage, ...]:  # noqa: ARG002
        """One stage on the task."""
        return (Stage("labels", "task", (Term("labels", hard_labels, LOGITS),)),)
