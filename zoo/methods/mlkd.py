"""MLKD-BERT: relations of tokens first, then relations of samples."""

from dataclasses import replace
from functools import partial
from typing import Literal, final

from zoo.distil.layermap import LayerMap, mapped
from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.soften import soft_loss
from zoo.distil.stage import Stage
from zoo.distil.term import Term
from zoo.losses.contrast import label_contrast
from zoo.losses.hidden import hidden_mse
from zoo.losses.logits import hard_labels
from zoo.losses.relations import relation_kl, sample_relation_kl
from zoo.models.tap import EMBEDDINGS, LOGITS, Site, Tap
from zoo.spec.bounds import Depth, Temperature, Weight
from zoo.spec.shape import divisors

_NO_CLASSES = {
    "regression": "sample_contrast is left out: a regression has no classes",
    "span": "sample_contrast is left out: a span has no class",
}


@final
class Mlkd(Method):
    """Multi-level distillation on a task (arXiv 2407.02775, from summaries: docs/methods).

    Stage "tokens": L = L_EMB + L_MHA + L_FFN. L_EMB = (1/|x|) sum_i KL(R_T,i || R_S,i) with
    R = softmax(E E^T / sqrt(H)) of the embeddings; L_MHA the same of the heads' outputs, cut into
    A_s slices, mean over slices and tokens, summed over the student's layers n and their
    teacher layers g(n); L_FFN = sum_n MSE(H_S,n W_h, H_T,g(n)).
    Stage "samples": L = L_SS + L_SC + L_KD. L_SS = (1/b) sum_i KL(R_T,i || R_S,i) with
    R = softmax(C C^T / sqrt(H)) of the batch's last [CLS] vectors; L_SC = (1/2b) sum_i
    (1/|P(i)|) sum_{p in P(i)} -log(exp(z_i.z_p / t) / sum_{a != i} exp(z_i.z_a / t)), P(i) those
    of i's label; L_KD = KL(softmax(z_T / tau) || softmax(z_S / tau)), squared difference for
    numbers, mean of start and end for spans. Six losses, all of weight 1.

    Choices, no source settles them: the 2b vectors of L_SC are the student's and the teacher's
    (not two dropout views), normalised; L_SC is off without classes; one W_h with bias serves all
    layers, at equal widths too (from the identity), and L_SC where widths differ; MSE is the mean
    over elements; padding never counts; equal budgets of the stages; no augmentation; W_h begins as
    the W_h of the entry that the student starts from, where its teacher is the same.
    Published: 4/312/1200 and 6/768/3072 started from the general TinyBERT of that shape; epochs,
    rates and batches are unknown (TinyBERT's: 20 epochs at 5e-5, then 3 at 1e-5 to 3e-5).
    """

    name: Literal["mlkd"] = "mlkd"
    layers: LayerMap = "uniform"
    """g: which teacher layers the student's learn from."""
    split: Depth | None = None
    """A_s, the slices of L_MHA; the student's heads when null. It must divide both widths."""
    relation_mean: Literal["tokens", "samples"] = "tokens"
    """Token relations: mean over all tokens, or over samples of each one's mean (a choice)."""
    temperature: Temperature = 1.0
    """tau of L_KD (a choice)."""
    scaled: bool = False
    """Whether L_KD is multiplied by tau^2."""
    contrast_temperature: Temperature = 0.1
    """t of L_SC (a choice; 0.07 to 0.1 are common)."""
    hard_label_weight: Weight = 0.0
    """Weight of the labels in the stage "samples": the seventh loss that one summary counts."""
    one_stage: bool = False
    """Whether all losses are trained at once, in one stage "together" (the paper's ablation)."""
    final_finetune: bool = False
    """Whether a stage "labels" follows (one summary names it, the others do not)."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """Tokens, then samples; or both at once; then the labels where asked for."""
        tokens, samples = self._token_terms(setting), self._sample_terms(setting)
        note = _NO_CLASSES.get(setting.kind, "")
        if self.one_stage:
            stages = [Stage("together", "task", tokens + samples, note=note)]
        else:
            stages = [
                Stage("tokens", "task", tokens, frozen=("head",)),
                Stage("samples", "task", samples, note=note),
            ]
        if self.final_finetune:
            stages.append(Stage("labels", "task", (Term("labels", hard_labels, LOGITS),)))
        return tuple(replace(stage, share=1.0 / len(stages)) for stage in stages)

    def _token_terms(self, setting: Setting) -> tuple[Term, ...]:
        relation = partial(relation_kl, mean=self.relation_mean)
        sliced = partial(relation, heads=self._slices(setting))
        layers = mapped(self.layers, setting.student.layers, setting.teacher.layers)
        attention, hidden = [], []
        for ours, theirs in enumerate(layers):
            contexts = Tap(Site.CONTEXT, ours), Tap(Site.CONTEXT, theirs)
            states = Tap(Site.HIDDEN, ours), Tap(Site.HIDDEN, theirs)
            attention.append(Term(f"attention[{ours}]", sliced, *contexts))
            hidden.append(Term(f"hidden[{ours}]", hidden_mse, *states, project="states"))
        embeddings = Term("embeddings", relation, EMBEDDINGS, EMBEDDINGS)
        return (embeddings, *attention, *hidden)

    def _sample_terms(self, setting: Setting) -> tuple[Term, ...]:
        student, teacher = setting.student, setting.teacher
        last = Tap(Site.HIDDEN, student.layers - 1), Tap(Site.HIDDEN, teacher.layers - 1)
        soft = soft_loss(setting.kind, temperature=self.temperature, scaled=self.scaled)
        relation = Term(
            "sample_relation", sample_relation_kl, *last, over_samples=True, reads="first"
        )
        terms = [relation]
        if setting.kind not in _NO_CLASSES:
            contrast = partial(label_contrast, temperature=self.contrast_temperature)
            mapping = None if student.hidden == teacher.hidden else "states"
            terms.append(
                Term(
                    "sample_contrast",
                    contrast,
                    *last,
                    project=mapping,
                    vanishes=False,
                    over_samples=True,
                    reads="first",
                )
            )
        terms.append(Term("soft", soft, LOGITS, LOGITS))
        if self.hard_label_weight:
            terms.append(Term("labels", hard_labels, LOGITS, weight=self.hard_label_weight))
        return tuple(terms)

    def _slices(self, setting: Setting) -> int:
        ours, theirs = setting.student.hidden, setting.teacher.hidden
        wanted = self.split or setting.student.heads
        if ours % wanted or theirs % wanted:
            common = sorted(set(divisors(ours)) & set(divisors(theirs)))
            raise MisfitError(
                "split",
                f"{wanted} slices do not divide the widths {ours} and {theirs}",
                ", ".join(map(str, common)),
            )
        return wanted
