"""Vanilla knowledge distillation: the teacher's soft labels beside the hard ones."""

from functools import partial
from typing import Literal, final

from pydantic import Field

from zoo.distil.method import Method, Setting
from zoo.distil.stage import Stage
from zoo.distil.term import Term
from zoo.losses.logits import hard_labels, soft_labels
from zoo.models.tap import LOGITS
from zoo.spec.base import Fraction


@final
class Kd(Method):
    """Soft labels of the fine-tuned teacher (Hinton et al. 2015, arXiv 1503.02531, section 2).

    L = (1 - a) CE(y, z_S) + a T^2 KL(softmax(z_T / T) || softmax(z_S / T)), mean over examples;
    for numbers (1 - a) (y - z_S)^2 + a (z_T - z_S)^2; for spans start and end are averaged.
    """

    name: Literal["kd"] = "kd"
    temperature: float = Field(4.0, gt=0)
    """T; PKD's grid is 5, 10, 20, torchdistill's CoLA recipe 7."""
    soft_weight: Fraction = 0.7
    """a, the share of the soft labels; PKD's grid is 0.2, 0.5, 0.7."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:  # noqa: ARG002
        """One stage on the task."""
        soft = partial(soft_labels, temperature=self.temperature, scaled=True)
        return (
            Stage(
                "soft labels",
                "task",
                (
                    Term("labels", hard_labels, LOGITS, weight=1.0 - self.soft_weight),
                    Term("soft", soft, LOGITS, LOGITS, weight=self.soft_weight),
                ),
            ),
        )
