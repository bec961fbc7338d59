"""WID: the student inherits the teacher's weights through compactors that shrink to its size."""

from typing import ClassVar, Literal, Self, final

from zoo.compact.fuse import Fuse, Fusing, Penalty
from zoo.compact.schedule import Schedule, Strategy
from zoo.compact.surgery import Compaction
from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.stage import Masking, Stage
from zoo.distil.term import Term
from zoo.losses.logits import hard_labels
from zoo.models.tap import LOGITS
from zoo.spec.bounds import MaskShare, Repeats, StepCount, Strength
from zoo.spec.shape import Shape

_BY_BUDGET = ("window", "l2_lambda", "decay")
"""Settings that the budget of the corpus stage decides where they are not set."""


@final
class Wid(Method):
    """Weight-inherited distillation (arXiv 2305.09098; released code; docs/methods).

    On the corpus there is no student: a copy of the pretrained teacher has a square map, at first
    the identity, before and after every linear map, y = ((x C_l^T) W^T + b) C_r^T, and one behind
    the sum of its embeddings. L = CE of masked pieces. Every `window` steps the columns of smallest
    norm are chosen, at first few, then as many as the student lacks: one set for the residual
    stream, one a layer for the heads, one a layer inside the feed-forward network, one in the head.
    Their entries are drawn to 0 through the gradient; layer norms count the kept dimensions only.
    At the end W' = C_r[out] W C_l[in] is the student, whose decoder is not tied. Then, on a task,
    labels only.

    Window and pull are the code's where the corpus stage has steps enough; else the student's size
    is chosen in its first two fifths, and the last pruned entries are near 0 by nine tenths.

    The optimisation of the corpus is the compactors': the code has 400,000 steps at 5e-5, epsilon
    1e-6, warm-up 0.01 and no clipping. No first weights of a student are used: state no `start`.

    Choices: exactly the scheduled number is pruned among equal norms; moments are edited with the
    optimiser's own beta1; what is not near 0 at the end is only cut where `allow_cut` says
    so; layer norms keep the models' own variance and epsilon, the reference's (unbiased, outside
    the root) are not offered.
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
    l2_lambda: Strength | None = None
    """Strength of the penalty with `fuse: reference`; null: 20 as in the code, or more where the
    steps are few."""
    decay: Strength | None = None
    """With `fuse: decoupled`: a pruned entry shrinks by `decay` times the learning rate a step;
    null: 40, or more where the steps are few."""
    window: StepCount | None = None
    """Steps between two choices of masks; null: 500 as in the README's command (the code's default
    is 1000), or fewer where the steps are few."""
    dim_updates: Repeats | None = None
    """Updates in which `dim` cuts hidden and head dimensions; where their number is no multiple of
    it, a few more; null: 8 as in the code."""
    linear_updates: Repeats = 16
    """Updates in which the feed-forward networks and the head are cut."""
    updates_per_head: Repeats | None = None
    """Updates after which `head` cuts the next head; null: 2 as in the code."""
    weights_pace: Strength | None = None
    """Learning rate of everything but compactors, relative to theirs; null: 0.02, the code's 1e-6
    beside 5e-5."""
    only_compactors: bool = False
    """Whether only compactors are trained, the code's `comp_only`."""
    rescale_query: bool = True
    """Whether merged queries make up for narrower heads; false as in the code, whose student then
    answers differently from what was trained."""
    allow_cut: bool = False
    """Whether merging may cut away rows and columns that are not near 0. It is then marked."""
    mask_fraction: MaskShare = 0.15
    """Share of real tokens to mask."""
    report_updates: Repeats = 64
    """Updates that the report lists one by one; later ones share the last row."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """The teacher made compact on the corpus, then a stage on the task."""
        self._refuse_shapes(setting)
        self._refuse_idle(setting)
        return (
            self._corpus_stage(setting),
            Stage("labels", "task", (Term("labels", hard_labels, LOGITS),)),
        )

    @classmethod
    def trial(cls) -> Self:
        """With a choice of masks at every step, weights as fast as compactors, however short."""
        return cls(window=1, weights_pace=1.0, allow_cut=True)

    @classmethod
    def example(cls, teacher: Shape) -> Shape:
        """The teacher at half its width."""
        halved = {"hidden": teacher.hidden // 2, "intermediate": teacher.intermediate // 2}
        return teacher.model_copy(update=halved)

    def _corpus_stage(self, setting: Setting) -> Stage:
        schedule = Schedule(
            setting.teacher,
            setting.student,
            self.strategy,
            self.window or 500,
            self.dim_updates or 8,
            self.linear_updates,
            self.updates_per_head or 2,
        )
        surgery = Compaction(
            schedule,
            Fuse(self.fuse, self.penalty, self.l2_lambda or 20.0, self.decay or 40.0),
            self.weights_pace or 0.02,
            self.only_compactors,
            self.rescale_query,
            self.report_updates,
            frozenset(key for key in _BY_BUDGET if getattr(self, key) is not None),
            self.allow_cut,
        )
        return Stage(
            "compact",
            "corpus",
            (Term("mlm", hard_labels, LOGITS),),
            surgery,
            masking=Masking(self.mask_fraction),
        )

    def _refuse_idle(self, setting: Setting) -> None:
        """Refuse what is set without effect given the other settings."""
        student, teacher = setting.student, setting.teacher
        widths = student.hidden // student.heads, teacher.hidden // teacher.heads
        idle = {
            "l2_lambda": (self.fuse == "decoupled", "fuse: decoupled draws by decay"),
            "decay": (self.fuse == "reference", "fuse: reference draws by l2_lambda"),
            "dim_updates": (self.strategy == "head", "strategy: head cuts no dimensions of heads"),
            "updates_per_head": (self.strategy == "dim", "strategy: dim cuts no heads"),
            "weights_pace": (self.only_compactors, "only_compactors trains nothing else"),
        }
        for key, (without_effect, why) in idle.items():
            if without_effect and getattr(self, key) is not None:
                raise MisfitError(key, f"no effect: {why}", "null", "remove it")
        if not self.rescale_query and len(set(widths)) == 1:
            why = "the student's heads are as wide as the teacher's"
            raise MisfitError("rescale_query", f"no effect: {why}", "true", "remove it")

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
                f"{student.hidden} hidden units cannot be selected from {teacher.hidden}",
                f"up to {teacher.hidden}",
            )
        if student.intermediate * teacher.hidden != teacher.intermediate * student.hidden:
            fitting = teacher.intermediate * student.hidden / teacher.hidden
            raise MisfitError(
                "name",
                "feed-forward networks shrink in proportion to hidden states,"
                f" not to {student.intermediate}",
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
