"""ALP-KD: every layer of the student learns from a mixture of the teacher's, by attention."""

from functools import partial
from typing import Literal, final

from zoo.distil.layermap import LayerBuckets, bucketed
from zoo.distil.method import Method, Setting
from zoo.distil.soften import soft_loss
from zoo.distil.stage import Stage
from zoo.distil.term import Term
from zoo.losses.hidden import mixture_mse
from zoo.losses.logits import hard_labels
from zoo.models.tap import LOGITS, Site, Tap
from zoo.spec.base import Fraction
from zoo.spec.bounds import Temperature, Weight


@final
class Alp(Method):
    """Attention-based layer projection (Passban et al., arXiv 2012.14022; from summaries).

    L = (1 - a) CE(y, z_S) + a T^2 KL(softmax(z_T / T) || softmax(z_S / T)) + b ALP, where ALP is
    the mean over examples, student layers j and width of (u_S,j - v_j)^2. Of [CLS] vectors h,
    u = h / ||h|| and v = c / ||c||, c being the mixture of the teacher's layers: c_j =
    sum_{k in A(j)} e_jk h_T,k, e_jk the softmax over k in A(j) of h_S,j . h_T,k. All student layers
    learn so, the last one too.

    The full text was not reachable. Choices: length 1 before comparing, as in PKD; T, a and b are
    `pkd`'s, so that the two differ in their targets alone; the labels' weight is 1 - a (the paper
    has three free weights); a learnt map where widths differ (the paper's are equal).
    """

    name: Literal["alp"] = "alp"
    temperature: Temperature = 5.0
    """T; `pkd`'s."""
    soft_weight: Fraction = 0.7
    """a; `pkd`'s."""
    mixture_weight: Weight = 100.0
    """b; `pkd`'s weight of patience, and a third party's code's."""
    layers: LayerBuckets = "all"
    """A: all of the teacher (the paper's best), its blocks (ALP-NO), or lists that may overlap."""
    scale_scores: bool = False
    """Whether dot products are divided by the root of the width, as in a third party's code: long
    vectors otherwise make one layer nearly the whole mixture."""
    normalise: bool = True
    """Whether vectors and mixtures are compared at length 1, as in PKD."""
    soft_over: Literal["rows", "elements"] = "rows"
    """What the soft-label loss of classes is averaged over: examples, or classes too (PKD's
    code)."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """One stage on the task."""
        soft = soft_loss(
            setting.kind, temperature=self.temperature, scaled=True, over=self.soft_over
        )
        labels = Term("labels", hard_labels, LOGITS, weight=1.0 - self.soft_weight)
        answers = Term("soft", soft, LOGITS, LOGITS, weight=self.soft_weight)
        return (Stage("mixture", "task", (labels, answers, *self._mixtures(setting))),)

    def _mixtures(self, setting: Setting) -> tuple[Term, ...]:
        """One term for every student layer, together the mean over them."""
        if not self.mixture_weight:
            return ()
        student, teacher = setting.student, setting.teacher
        loss = partial(mixture_mse, normalise=self.normalise, scale_scores=self.scale_scores)
        return tuple(
            Term(
                f"mixture[{layer}]",
                loss,
                Tap(Site.HIDDEN, layer),
                Tap(Site.HIDDEN, bucket),
                weight=self.mixture_weight / student.layers,
                project=None if student.hidden == teacher.hidden else "states",
                vanishes=len(bucket) == 1,
                reads="first",
            )
            for layer, bucket in enumerate(bucketed(self.layers, student.layers, teacher.layers))
        )
