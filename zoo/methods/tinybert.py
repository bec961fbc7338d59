"""TinyBERT: every layer after one of the teacher's, on text and again on the task."""

from functools import partial
from typing import ClassVar, Literal, final

from zoo.distil.layermap import LayerMap, mapped
from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.soften import soft_loss
from zoo.distil.stage import Masking, Stage
from zoo.distil.term import Positions, Term
from zoo.losses.attention import attention_mse
from zoo.losses.hidden import hidden_mse
from zoo.losses.logits import hard_labels
from zoo.models.tap import EMBEDDINGS, LOGITS, Site, Tap
from zoo.spec.bounds import MaskShareOrNone


@final
class TinyBert(Method):
    """Two-step layer-wise distillation (arXiv 1909.10351 v5, section 3; released code).

    L_embd = MSE(E_S W_e, E_T); for each student layer m and its teacher layer g(m),
    L_hidn = MSE(H_S W_h, H_T) and L_attn = (1/A) sum_a MSE(S_S,a, S_T,a) on attention scores
    before the softmax; L_pred = CE(softmax(z_T), softmax(z_S)), logged as KL (the same gradient).
    Stage "general": all but L_pred, on text, after the pretrained teacher. Then, after the
    fine-tuned one, stage "intermediate": the same, and stage "prediction": L_pred alone, both on
    augmented task data, on a span's original data (as in the paper).

    Choices: the family's own classifier (the code's reads relu of the pooled vector); equal
    budgets of the task stages where the entry states none; the teacher never drops out (the
    code's does); in `soft_over: elements` span rows are still averaged as rows. W_e and W_h of the
    corpus stage go on being learnt on the task, as in the code.
    Published: students 4/312/1200 and 6/768/3072 from random weights (`start: fresh`); general
    3 epochs at 5e-5, batch 256, length 128; intermediate 20 epochs (10 on MNLI, QQP and QNLI, 50
    on CoLA) at a constant 5e-5, batch 32; prediction 3 epochs at 1e-5 to 3e-5, batch 16 or 32.
    """

    reads_corpus: ClassVar[bool] = True

    name: Literal["tinybert"] = "tinybert"
    layers: LayerMap = "uniform"
    """g; `top` and `bottom` are the paper's ablation."""
    augment: bool = True
    """Whether the stages on a task read augmented data."""
    projections: Literal["one", "two"] = "two"
    """W_e and W_h (the paper), or one for both (the code's `fit_dense`)."""
    padding: Literal["left out", "counted"] = "left out"
    """Whether padding counts in the squared errors, as in the code."""
    soft_over: Literal["rows", "elements"] = "rows"
    """L_pred: mean over examples (the paper), or over examples and classes (the code)."""
    stsb_target: Literal["teacher", "gold"] = "teacher"
    """What a regression's prediction is drawn to: the teacher's, or the label (the code)."""
    mask_fraction: MaskShareOrNone = 0.15
    """Share of tokens masked in the text of the stage "general"; the code reads BERT's data."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """One stage on text, two on the task."""
        terms = self._layer_terms(setting)
        masking = Masking(self.mask_fraction)
        data: Literal["task", "augmented"] = (
            "augmented" if self.augment and setting.kind != "span" else "task"
        )
        return (
            Stage("general", "corpus", terms, frozen=("head",), masking=masking),
            Stage("intermediate", data, terms, share=0.5, frozen=("head",)),
            Stage("prediction", data, (self._prediction(setting),), share=0.5),
        )

    def _layer_terms(self, setting: Setting) -> tuple[Term, ...]:
        self._check_heads(setting)
        scores = partial(attention_mse, padding=self.padding)
        states = partial(hidden_mse, padding=self.padding)
        read: Positions = "all" if self.padding == "counted" else "real"
        embedded = "states" if self.projections == "one" else "embeddings"
        attention, hidden = [], []
        layers = mapped(self.layers, setting.student.layers, setting.teacher.layers)
        for ours, theirs in enumerate(layers):
            at_scores = Tap(Site.SCORES, ours), Tap(Site.SCORES, theirs)
            at_states = Tap(Site.HIDDEN, ours), Tap(Site.HIDDEN, theirs)
            attention.append(Term(f"attention[{ours}]", scores, *at_scores, reads=read))
            hidden.append(Term(f"hidden[{ours}]", states, *at_states, project="states", reads=read))
        return (
            Term("embeddings", states, EMBEDDINGS, EMBEDDINGS, project=embedded, reads=read),
            *attention,
            *hidden,
        )

    def _prediction(self, setting: Setting) -> Term:
        if setting.kind == "regression" and self.stsb_target == "gold":
            return Term("labels", hard_labels, LOGITS)
        soft = soft_loss(setting.kind, temperature=1.0, scaled=False, over=self.soft_over)
        return Term("soft", soft, LOGITS, LOGITS)

    def _check_heads(self, setting: Setting) -> None:
        ours, theirs = setting.student.heads, setting.teacher.heads
        if ours != theirs and "attention" not in self.leave_out:
            raise MisfitError(
                "leave_out",
                f"attention is compared head by head, but the heads are {ours} and {theirs}",
                f"a student of {theirs} heads, or leave_out: [attention]",
            )
