"""DistilBERT: distillation during masked language modelling, then ordinary fine-tuning."""

from functools import partial
from typing import ClassVar, Literal, final

from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.soften import soft_loss
from zoo.distil.stage import Masking, Stage
from zoo.distil.term import Term
from zoo.losses.hidden import token_cosine
from zoo.losses.logits import hard_labels, soft_labels
from zoo.models.tap import LOGITS, Site, Tap
from zoo.spec.base import Fraction
from zoo.spec.bounds import Exponent, MaskShare, Temperature, Weight


@final
class DistilBert(Method):
    """Task-agnostic distillation (arXiv 1910.01108, section 3; released code for the details).

    On the corpus: L = 5 T^2 KL over all real tokens + 2 MLM + 1 (1 - cos) on the last layer, both
    networks reading the same masked input, positions frozen at the teacher's. On a task: labels
    only; with `second_distillation` soft labels too for span tasks ("DistilBERT (D)", Table 2).
    """

    reads_corpus: ClassVar[bool] = True

    name: Literal["distilbert"] = "distilbert"
    temperature: Temperature = 2.0
    """T of the soft labels; the README's command."""
    soft_weight: Weight = 5.0
    """Weight of the soft labels; the README's command, the paper gives none."""
    mlm_weight: Weight = 2.0
    """Weight of the masked-language-modelling loss."""
    cosine_weight: Weight = 1.0
    """Weight of the cosine between last hidden states."""
    mask_fraction: MaskShare = 0.15
    """Share of real tokens to mask, drawn over the whole batch."""
    mask_smoothing: Exponent = 0.7
    """Exponent by which frequent tokens are masked less often."""
    freeze_positions: bool = True
    """Whether position embeddings stay the teacher's, as in the released recipe."""
    second_distillation: bool = False
    """Whether span tasks are distilled from the fine-tuned teacher too."""
    second_weight: Fraction = 0.5
    """Share of the soft labels in the second distillation."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """A stage on the corpus, then one on the task."""
        return (self._corpus_stage(setting), self._task_stage(setting))

    def _corpus_stage(self, setting: Setting) -> Stage:
        student, teacher = setting.student, setting.teacher
        if self.cosine_weight and student.hidden != teacher.hidden:
            raise MisfitError(
                "cosine_weight",
                f"the cosine term compares hidden sizes {student.hidden} and {teacher.hidden}",
                "0, or a student as wide as its teacher",
            )
        if not (self.soft_weight or self.mlm_weight or self.cosine_weight):
            raise MisfitError(
                "soft_weight",
                "mlm_weight and cosine_weight are 0 too: nothing would be learnt on the corpus",
                "more than 0 for one of them",
            )
        last = Tap(Site.HIDDEN, student.layers - 1), Tap(Site.HIDDEN, teacher.layers - 1)
        soft = partial(soft_labels, temperature=self.temperature, scaled=True)
        terms = (
            Term("soft", soft, LOGITS, LOGITS, weight=self.soft_weight),
            Term("mlm", hard_labels, LOGITS, weight=self.mlm_weight),
            Term("cosine", token_cosine, *last, weight=self.cosine_weight),
        )
        return Stage(
            "distil on text",
            "corpus",
            tuple(term for term in terms if term.weight),
            frozen=("positions",) if self.freeze_positions else (),
            masking=Masking(self.mask_fraction, self.mask_smoothing),
        )

    def _task_stage(self, setting: Setting) -> Stage:
        labels = Term("labels", hard_labels, LOGITS)
        if not (self.second_distillation and setting.kind == "span"):
            return Stage("labels", "task", (labels,))
        softened = soft_loss(setting.kind, temperature=self.temperature, scaled=True)
        soft = Term("soft", softened, LOGITS, LOGITS, weight=self.second_weight)
        hard = Term("labels", hard_labels, LOGITS, weight=1.0 - self.second_weight)
        return Stage("second distillation", "task", (hard, soft))
