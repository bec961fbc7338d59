"""WID: the student inherits the teacher's weights through compactors that shrink to its size."""

from typing import ClassVar, Literal, Self, final

from pydantic import Field

from zoo.compact.fuse import Fuse, Fusing, Penalty
from zoo.compact.schedule import Schedule, Strategy
from zoo.compact.surgery import Compaction
from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.stage import Masking, Stage
from zoo.distil.term import Term
from zoo.losses.logits import hard_labels
from zoo.models.tap import LOGITS
from zoo.spec.base import PositiveInt
from zoo.spec.shape import Shape


@final
class Wid(Method):
    """Weight-inherited distillation (arXiv 2305.09098; released code; methods.md 2).

    On the corpus there is no student: a copy of the pretrained teacher has a square map, at first
    the identity, before and after every linear map, y = ((x C_l^T) W^T + b) C_r^T, and one behind
    the sum of its embeddings. L = CE of masked pieces. Every `window` steps the columns of smallest
    norm are chosen, at first few, then as many as the student lacks: one set for the residual
    stream, one a layer for the heads, one a layer inside the feed-forward network, one in the head.
    Their entries are drawn to 0 through the gradient; layer norms count the kept dimensions only.
    At the end W' = C_r[out] W C_l[in] is the student, whose decoder is not tied. Then, on a task,
    labels only.

    The optimisation of the corpus is the compactors': the code has 400,000 steps at 5e-5, epsilon
    1e-6, warm-up 0.01 and no clipping. No first weights of a student are used: state no `start`.

    Choices: exactly the scheduled number is pruned among equal norms; moments are edited with the
    optimiser's own beta1; a schedule that is not through at the end is cut short (the report says
    what that costs); layer norms keep the models' own variance and epsilon, the reference's
    (unbiased, outside the root) are not offered.
    """

    reads_corpus: ClassVar[bool] = True

    name: Literal["wid"] = "wid"
    strategy: Strategy = "dim"
    """`dim`: as many heads as the teacher, narrower; `head`: fewer, as wide as the teacher's. The
    README's command for 192 is `dim`; 516 can only be `dim`."""
    fuse: Fusing = "reference"
    """`reference`: the code's edit of gradient and first moment; `decoupled`: pruned entries leave
    the optimiser and decay."""
    penalty: Penalty = "l2"
    """What draws entries to 0: themselves (the code) or their row's or column's direction."""
    l2_lambda: float = Field(20.0, gt=0)
    """Strength of the penalty with `fuse: reference`."""
    decay: float = Field(40.0, gt=0)
    """With `fuse: decoupled`: a pruned entry shrinks by `decay` times the learning rate a step."""
    window: PositiveInt = 500
    """Steps between two choices of masks; the README's command (the code's default is 1000)."""
    dim_updates: PositiveInt = 8
    """Updates in which `dim` cuts hidden and head dimensions; where their number is no multiple of
    it, a few more."""
    linear_updates: PositiveInt = 16
    """Updates in which the feed-forward networks and the head are cut."""
    updates_per_head: PositiveInt = 2
    """Updates after which `head` cuts the next head."""
    weights_pace: float = Field(0.02, ge=0)
    """Learning rate of everything but compactors, relative to theirs: 1e-6 beside 5e-5."""
    only_compactors: bool = False
    """Whether nothing but compactors is trained, the code's `comp_only`."""
    rescale_query: bool = True
    """Whether merged queries make up for narrower heads; false as in the code, whose student then
    answers differently from what was trained."""
    mask_fraction: float = Field(0.15, gt=0, lt=1)
    """Share of real pieces that is masked."""
    report_updates: PositiveInt = 64
    """Updates that the report tells of one by one; later ones share the last place."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """The teacher made compact on the corpus, then a stage on the task."""
        self._refuse_shapes(setting)
        return (
            self._corpus_stage(setting),
            Stage("labels", "task", (Term("labels", hard_labels, LOGITS),)),
        )

    @classmethod
    def trial(cls) -> Self:
        """With a choice of masks at every step, and weights that learn as fast as compactors."""
        return cls(window=1, weights_pace=1.0)

    @classmethod
    def example(cls, teacher: Shape) -> Shape:
        """The teacher at half its width."""
        halved = {"hidden": teacher.hidden // 2, "intermediate": teacher.intermediate // 2}
        return teacher.model_copy(update=halved)

    def _corpus_stage(self, setting: Setting) -> Stage:
        # The table holds what decides: of two ways to do a thing, the settings of the one taken.
        by_head, at_once = self.strategy == "head", self.fuse == "reference"
        schedule = Schedule(
            setting.teacher,
            setting.student,
            self.strategy,
            self.window,
            linear_updates=self.linear_updates,
            **(
                {"updates_per_head": self.updates_per_head}
                if by_head
                else {"dim_updates": self.dim_updates}
            ),
        )
        surgery = Compaction(
            schedule,
            Fuse(
                self.fuse,
                self.penalty,
                **({"strength": self.l2_lambda} if at_once else {"decay": self.decay}),
            ),
            1.0 if self.only_compactors else self.weights_pace,
            self.only_compactors,
            by_head or self.rescale_query,
            self.report_updates,
        )
        return Stage(
            "compact",
            "corpus",
            (Term("mlm", hard_labels, LOGITS),),
            surgery,
            masking=Masking(self.mask_fraction),
            note=f"the student's size is reached at step {schedule.full_step}",
        )

    def _refuse_shapes(self, setting: Setting) -> None:
        student, teacher = setting.student, setting.teacher
        if student.family != teacher.family or student.layers != teacher.layers:
            raise MisfitError(
                "name",
                f"a {student.family} of {student.layers} layers cannot inherit the weights of a"
                f" {teacher.family} of {teacher.layers}",
                f"{teacher.family} with {teacher.layers} layers",
            )
        if student.hidden > teacher.hidden:
            raise MisfitError(
                "name",
                f"{student.hidden} hidden units cannot be cut out of {teacher.hidden}",
                f"up to {teacher.hidden}",
            )
        if student.intermediate * teacher.hidden != teacher.intermediate * student.hidden:
            fitting = teacher.intermediate * student.hidden / teacher.hidden
            raise MisfitError(
                "name",
                f"feed-forward networks shrink as hidden states do, not to {student.intermediate}",
                f"intermediate: {fitting:g}",
            )
        self._refuse_heads(student, teacher)

    def _refuse_heads(self, student: Shape, teacher: Shape) -> None:
        width = teacher.hidden // teacher.heads
        if self.strategy == "dim" and student.heads != teacher.heads:
            raise MisfitError(
                "strategy",
                f"dim keeps all {teacher.heads} heads, the student has {student.heads}",
                f"heads: {teacher.heads}, or strategy: head",
            )
        if self.strategy == "head" and student.hidden != student.heads * width:
            raise MisfitError(
                "strategy",
                f"head keeps heads of {width}, the student's have"
                f" {student.hidden // student.heads}",
                f"hidden = {width} x heads, or strategy: dim",
            )
