"""PKD: soft labels, and patience with the [CLS] vectors of the teacher's layers on the way."""

from functools import partial
from typing import Literal, final

from zoo.distil.layermap import mapped
from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.soften import soft_loss
from zoo.distil.stage import Stage
from zoo.distil.term import Term
from zoo.losses.hidden import first_mse
from zoo.losses.logits import hard_labels
from zoo.models.tap import LOGITS, Site, Tap
from zoo.spec.base import Fraction
from zoo.spec.bounds import Temperature, Weight

_ALONE = "patience is left out: the only layer is the last, which the logits teach"


@final
class Pkd(Method):
    """Patient knowledge distillation (arXiv 1908.09355, section 3; released code for the scales).

    L = (1 - a) CE(y, z_S) + a T^2 KL(softmax(z_T / T) || softmax(z_S / T)) + b PT, where PT is the
    mean over examples, student layers 1..M-1 and width of (u_S - u_T)^2, u = h / ||h|| of the [CLS]
    vector: the last layer is taught by the logits. The paper writes PT as a sum of squared
    distances; the grid of b belongs to the code's mean. Numbers and spans have labels and soft
    labels as in plain distillation (a choice); the paper has classes only. A student of one layer
    has no patience (a choice: plain distillation is left).
    """

    name: Literal["pkd"] = "pkd"
    temperature: Temperature = 5.0
    """T; the code's grid is 5, 10, 20, chosen without patience (`kd` takes 4, the nearest is 5)."""
    soft_weight: Fraction = 0.7
    """a; the code's grid is 0.2, 0.5, 0.7, chosen without patience (`kd` takes 0.7)."""
    patience_weight: Weight = 100.0
    """b; the code's grid is 10, 100, 500, 1000, and 100 made most of its best 6-layer runs."""
    layers: Literal["skip", "last"] = "skip"
    """Whether student layer j is taught by teacher layer j N / M (`skip`) or j + N - M (`last`)."""
    normalise_patience: bool = True
    """Whether [CLS] vectors are compared at length 1; the paper's way, both in the code's grid."""
    soft_over: Literal["rows", "elements"] = "rows"
    """What the soft-label loss of classes is averaged over: examples, or classes too (the code)."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """One stage on the task."""
        soft = soft_loss(
            setting.kind, temperature=self.temperature, scaled=True, over=self.soft_over
        )
        patience = self._patience(setting)
        alone = self.patience_weight > 0 and not patience
        return (
            Stage(
                "patience",
                "task",
                (
                    Term("labels", hard_labels, LOGITS, weight=1.0 - self.soft_weight),
                    Term("soft", soft, LOGITS, LOGITS, weight=self.soft_weight),
                    *patience,
                ),
                note=_ALONE if alone else "",
            ),
        )

    def _patience(self, setting: Setting) -> tuple[Term, ...]:
        """One term for every student layer but the last, together the mean over them."""
        student, teacher = setting.student, setting.teacher
        between = student.layers - 1
        if not (self.patience_weight and between):
            return ()
        if student.hidden != teacher.hidden:
            raise MisfitError(
                "patience_weight",
                f"patience compares hidden sizes {student.hidden} and {teacher.hidden}",
                "0, or a student as wide as its teacher",
            )
        loss = partial(first_mse, normalise=self.normalise_patience)
        return tuple(
            Term(
                f"patience[{layer}]",
                loss,
                Tap(Site.HIDDEN, layer),
                Tap(Site.HIDDEN, taught_by),
                weight=self.patience_weight / between,
                reads="first",
            )
            for layer, taught_by in enumerate(self._teacher_layers(setting))
        )

    def _teacher_layers(self, setting: Setting) -> tuple[int, ...]:
        """The teacher's layers, from 0, for the student's layers but the last."""
        ours, theirs = setting.student.layers, setting.teacher.layers
        if self.layers == "skip" and ours < theirs and theirs % ours:
            raise MisfitError(
                "layers",
                f"{theirs} teacher layers are not a multiple of {ours}",
                "last, or a student whose depth divides its teacher's",
            )
        return mapped("uniform" if self.layers == "skip" else "top", ours, theirs)[:-1]
