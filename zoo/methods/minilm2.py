"""MiniLMv2: relations among queries, keys and values of one teacher layer, on text only."""

from functools import partial
from typing import ClassVar, Literal, final

from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.stage import Masking, Stage
from zoo.distil.term import Term
from zoo.losses.logits import hard_labels
from zoo.losses.relations import relation_kl
from zoo.models.tap import LOGITS, Site, Tap
from zoo.spec.bounds import LayerNumber, MaskShareOrNone, PositiveWeight, Size
from zoo.spec.shape import divisors

_PUBLISHED = (48, 64)
"""Relation heads of students of base and of large teachers."""
_NARROWEST = 6
"""Width of the narrowest published relation heads: 384 units in 64."""


@final
class MiniLm2(Method):
    """Multi-head self-attention relation distillation (arXiv 2012.15828; docs/methods).

    On text, from one teacher layer and the student's last: queries, keys and values, heads side
    by side, are cut into A_r relation heads of width d = H / A_r each;
    R_X,a = softmax(X_a X_a^T / sqrt(d)), and
    L = sum over X in Q, K, V of alpha_X / (A_r|x|) sum_a sum_t KL(R_T,X,a,t || R_S,X,a,t).
    Neither widths nor heads need be equal. On a task: labels only.

    Choices: the text is not masked (as in a third party's code); the default of `relation_heads`
    where neither 48 nor 64 fits.
    Published (a third party's run): random weights (`start: fresh`); 400,000 steps, 4,000 of them
    warm-up, batch 256 a device at 6e-4, weight decay 0.01. Tasks: 1e-5 to 4e-5, 3 to 10 epochs,
    batch 32, warm-up 10 %.
    """

    reads_corpus: ClassVar[bool] = True

    name: Literal["minilm2"] = "minilm2"
    relation_heads: Size | None = None
    """A_r, a divisor of both widths. When null: 48 (base teachers) or 64 (large ones) if that
    divides both into at least 6 units, else the largest such divisor below 48."""
    teacher_layer: LayerNumber | None = None
    """The teacher's layer, counted from 0 (the papers' layer 21 of 24 is 20); null: the last."""
    mean: Literal["tokens", "samples"] = "tokens"
    """Over all tokens of a batch, or over samples of each one's mean (a third party's code)."""
    query_weight: PositiveWeight = 1.0
    """alpha of the queries' relations."""
    key_weight: PositiveWeight = 1.0
    """alpha of the keys' relations."""
    value_weight: PositiveWeight = 1.0
    """alpha of the values' relations."""
    mask_fraction: MaskShareOrNone = 0.0
    """Share of tokens masked in the text."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """A stage on text, then one on the task."""
        ours, theirs = setting.student.layers - 1, self._teacher_layer(setting)
        relation = partial(relation_kl, heads=self._heads(setting), mean=self.mean)
        sites = (
            ("query_relation", Site.QUERY, self.query_weight),
            ("key_relation", Site.KEY, self.key_weight),
            ("value_relation", Site.VALUE, self.value_weight),
        )
        terms = tuple(
            Term(name, relation, Tap(site, ours), Tap(site, theirs), weight)
            for name, site, weight in sites
        )
        masking = Masking(self.mask_fraction)
        return (
            Stage("relations", "corpus", terms, frozen=("head",), masking=masking),
            Stage("labels", "task", (Term("labels", hard_labels, LOGITS),)),
        )

    def _teacher_layer(self, setting: Setting) -> int:
        layers = setting.teacher.layers
        if self.teacher_layer is None:
            return layers - 1
        if self.teacher_layer >= layers:
            raise MisfitError(
                "teacher_layer",
                f"layer {self.teacher_layer} of a teacher of {layers} layers",
                f"0 to {layers - 1}, counted from 0",
            )
        return self.teacher_layer

    def _heads(self, setting: Setting) -> int:
        ours, theirs = setting.student.hidden, setting.teacher.hidden
        common = sorted(set(divisors(ours)) & set(divisors(theirs)))
        if self.relation_heads is None:
            return _usual(common, min(ours, theirs))
        if self.relation_heads not in common:
            raise MisfitError(
                "relation_heads",
                f"{self.relation_heads} relation heads do not divide the widths {ours} and"
                f" {theirs}",
                ", ".join(map(str, common)),
            )
        return self.relation_heads


def _usual(common: list[int], width: int) -> int:
    """The published number where the narrower model of this width allows it, else one near it."""
    fitting = [heads for heads in common if width // heads >= _NARROWEST]
    published = [heads for heads in _PUBLISHED if heads in fitting]
    smaller = [heads for heads in fitting if heads < _PUBLISHED[0]]
    return published[0] if published else max(smaller, default=1)
