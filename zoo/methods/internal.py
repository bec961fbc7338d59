"""Internal representations: attention and [CLS] vectors, layer after layer, then the logits."""

from typing import Literal, final

from zoo.distil.layermap import LayerMap, mapped
from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.soften import soft_loss
from zoo.distil.stage import Below, Stage
from zoo.distil.term import Term
from zoo.losses.attention import attention_kl
from zoo.losses.hidden import first_cosine
from zoo.models.tap import LOGITS, Site, Tap
from zoo.spec.bounds import Temperature, Threshold, Weight

Layers = tuple[tuple[Term, ...], ...]
"""The terms of each student layer."""


@final
class Internal(Method):
    """Distillation from internal representations (Aguilar et al., arXiv 1910.03723; docs/methods).

    For student layer j, taught by teacher layer g(j):
    l(j) = KL(P_T[g(j)] || P_S[j]), mean over heads and real rows of the attention, plus
    1 - cos(c_T[g(j)], c_S[j]) of the [CLS] vectors; for the logits the soft labels alone.
    `all`: every l(j) and the soft labels together. `progressive` (PID): l(k) alone for
    k = 1..M, then the soft labels. `stacked` (SID): l(1) + .. + l(k) for k = 1..M, then the soft
    labels. A layer's stage gets 1 / (M + 1) of the budget and ends early at the end of an epoch
    over which its newest cosine averaged below `threshold`. The full text was not reachable:
    schedules and terms are secondary, T, budgets and thresholds are choices. The order of the
    stages says which layer is open; moments of the optimiser are carried on, and every stage reads
    the data from the beginning (choices).
    """

    name: Literal["internal"] = "internal"
    schedule: Literal["all", "progressive", "stacked"] = "stacked"
    """Which layers are open at a time; stacked is the paper's best on CoLA."""
    layers: LayerMap = "uniform"
    """g: which teacher layers the student's learn from."""
    attention_weight: Weight = 1.0
    """Weight of the attention's divergence; 0 is the cosine-only ablation."""
    cosine_weight: Weight = 1.0
    """Weight of the [CLS] cosine; 0 is the divergence-only ablation."""
    temperature: Temperature = 1.0
    """T of the soft labels; 1 as in the third-party code, the paper's was not found."""
    scaled: bool = False
    """Whether the soft labels are multiplied by T^2; not in the third-party code's default."""
    threshold: Threshold | None = None
    """Mean cosine loss below which a layer's stage ends early; null: never (a choice)."""
    final_phase: Literal["full", "classifier_only"] = "full"
    """What the soft labels train: everything (third-party code), or only the head (the caption of
    the paper's figure 4)."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """One stage in all, or one for every layer and one for the classifier."""
        layers = self._layers(setting)
        soft = soft_loss(setting.kind, temperature=self.temperature, scaled=self.scaled)
        logits = Term("soft", soft, LOGITS, LOGITS)
        if self.schedule == "all":
            self._refuse_phases()
            together = tuple(term for terms in layers for term in terms)
            return (Stage("internal", "task", (*together, logits)),)
        share = 1.0 / (len(layers) + 1)
        last = Stage(
            "classifier",
            "task",
            (logits,),
            share=share,
            optimiser="carry",
            frozen=("embeddings", "encoder") if self.final_phase == "classifier_only" else (),
        )
        return (*(self._layer_stage(layer, layers, share) for layer in range(len(layers))), last)

    def _layer_stage(self, newest: int, layers: Layers, share: float) -> Stage:
        first = newest if self.schedule == "progressive" else 0
        opened = layers[first : newest + 1]
        return Stage(
            f"layer[{newest}]",
            "task",
            tuple(term for terms in opened for term in terms),
            share=share,
            leave=None if self.threshold is None else Below(f"cosine[{newest}]", self.threshold),
            optimiser="carry" if newest else "fresh",
            frozen=("head",),
        )

    def _layers(self, setting: Setting) -> Layers:
        """The terms of every student layer."""
        self._refuse_shapes(setting)
        self._refuse_weights()
        taught_by = mapped(self.layers, setting.student.layers, setting.teacher.layers)
        return tuple(
            tuple(term for term in self._terms(*pair) if term.weight)
            for pair in enumerate(taught_by)
        )

    def _terms(self, layer: int, taught_by: int) -> tuple[Term, Term]:
        scores = Tap(Site.SCORES, layer), Tap(Site.SCORES, taught_by)
        hidden = Tap(Site.HIDDEN, layer), Tap(Site.HIDDEN, taught_by)
        return (
            Term(f"attention[{layer}]", attention_kl, *scores, weight=self.attention_weight),
            Term(
                f"cosine[{layer}]",
                first_cosine,
                *hidden,
                weight=self.cosine_weight,
                reads="first",
            ),
        )

    def _refuse_shapes(self, setting: Setting) -> None:
        student, teacher = setting.student, setting.teacher
        if self.attention_weight and student.heads != teacher.heads:
            raise MisfitError(
                "attention_weight",
                f"attention is compared head by head: {student.heads} and {teacher.heads} heads",
                "0, or a student with its teacher's heads",
            )
        if self.cosine_weight and student.hidden != teacher.hidden:
            raise MisfitError(
                "cosine_weight",
                f"the cosine term compares hidden sizes {student.hidden} and {teacher.hidden}",
                "0, or a student as wide as its teacher",
            )

    def _refuse_weights(self) -> None:
        if not (self.attention_weight or self.cosine_weight):
            raise MisfitError(
                "attention_weight",
                "cosine_weight is 0 too: no layer would have a term",
                "more than 0 for one of them, or the method kd",
            )
        if self.threshold is not None and not self.cosine_weight:
            raise MisfitError("threshold", "it watches the cosine, whose weight is 0", "null")

    def _refuse_phases(self) -> None:
        if self.threshold is not None:
            raise MisfitError("threshold", "with schedule: all no layer's stage ends early", "null")
        if self.final_phase != "full":
            raise MisfitError("final_phase", "schedule: all has no final phase", "full")
