"""Vanilla knowledge distillation: the teacher's soft labels alongside the hard ones."""

from typing import Literal, final

from zoo.distil.method import Method, Setting
from zoo.distil.soften import soft_loss
from zoo.distil.stage import Stage
from zoo.distil.term import Term
from zoo.losses.logits import hard_labels
from zoo.models.tap import LOGITS
from zoo.spec.base import Fraction
from zoo.spec.bounds import Temperature


@final
class Kd(Method):
    """Soft labels of the fine-tuned teacher (Hinton et al. 2015, arXiv 1503.02531, section 2).

    L = (1 - a) CE(y, z_S) + a T^2 KL(softmax(z_T / T) || softmax(z_S / T)), mean over examples;
    mean over examples and classes with `soft_over: elements`, as PKD's code has it;
    for numbers (1 - a) (y - z_S)^2 + a (z_T - z_S)^2; for spans start and end are averaged.
    """

    name: Literal["kd"] = "kd"
    temperature: Temperature = 4.0
    """T; PKD's grid is 5, 10, 20, torchdistill's CoLA recipe 7."""
    soft_weight: Fraction = 0.7
    """a, the share of the soft labels; PKD's grid is 0.2, 0.5, 0.7."""

    soft_over: Literal["rows", "elements"] = "rows"
    """What the soft-label loss of classes is averaged over: examples, or classes too. PKD's grid of
    T and a belongs to the latter: over C classes, soft labels then weigh C times less."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """One stage on the task."""
        soft = soft_loss(
            setting.kind, temperature=self.temperature, scaled=True, over=self.soft_over
        )
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
