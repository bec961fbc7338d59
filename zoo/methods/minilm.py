"""MiniLM: the last layer's attention and value relations, on text only."""

from functools import partial
from typing import ClassVar, Literal, final

from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.stage import Masking, Stage
from zoo.distil.term import Term
from zoo.losses.attention import attention_kl
from zoo.losses.divergence import Mean
from zoo.losses.logits import hard_labels
from zoo.losses.relations import relation_kl
from zoo.models.tap import LOGITS, Site, Tap
from zoo.spec.bounds import MaskShareOrNone


@final
class MiniLm(Method):
    """Deep self-attention distillation (arXiv 2002.10957, section 3).

    On text, from the last layers L and M alone, A heads and |x| tokens:
    L_AT = 1/(A|x|) sum_a sum_t KL(P_T,a,t || P_S,a,t) on attention probabilities, and L_VR the
    same on value relations VR_a = softmax(V_a V_a^T / sqrt(d)), d each model's own head width.
    L = L_AT + L_VR needs equally many heads, but neither equal widths nor a projection. On a
    task: labels only.

    Where M <= L/2 and H_S <= H_T/2 the paper first distils a teacher assistant of the teacher's
    depth and the student's width: an entry of its own, which the student's entry then names as
    its teacher. Choices: the mean is over all tokens of a batch unless `mean` says otherwise; the
    text is not masked.
    Published: random weights (`start: fresh`); 400,000 steps, 4,000 of them warm-up, linear decay,
    weight decay 0.01, length 512; 6x768 batch 1024 at 5e-4, others batch 256 at 3e-4. Tasks: batch
    32, 2e-5 to 5e-5, 3 to 5 epochs; SQuAD 2.0 6e-5, 3 epochs.
    """

    reads_corpus: ClassVar[bool] = True

    name: Literal["minilm"] = "minilm"
    mean: Mean = "tokens"
    """Over all tokens of a batch, or over samples of each one's mean: the paper's |x| is one
    sample's, and its blocks are equally long, which makes both the same (a choice)."""
    mask_fraction: MaskShareOrNone = 0.0
    """Share of tokens masked in the text; the paper does not mention masking."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """A stage on text, then one on the task."""
        student, teacher = setting.student, setting.teacher
        if student.heads != teacher.heads:
            raise MisfitError(
                "name",
                f"minilm compares head by head, but the heads are {student.heads} and"
                f" {teacher.heads}",
                f"a student of {teacher.heads} heads, or minilm2, which takes any number",
            )
        ours, theirs = student.layers - 1, teacher.layers - 1
        scores = Tap(Site.SCORES, ours), Tap(Site.SCORES, theirs)
        values = Tap(Site.VALUE, ours), Tap(Site.VALUE, theirs)
        terms = (
            Term("attention", partial(attention_kl, mean=self.mean), *scores),
            Term("value_relation", partial(relation_kl, mean=self.mean), *values),
        )
        masking = Masking(self.mask_fraction)
        return (
            Stage("relations", "corpus", terms, frozen=("head",), masking=masking),
            Stage("labels", "task", (Term("labels", hard_labels, LOGITS),)),
        )
