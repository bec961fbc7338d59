"""The surgery of weight-inherited distillation: compactors in, pruned at every step, merged out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zoo.compact.fuse import Fuse
from zoo.compact.pace import NEAR_ZERO, fading, pull_within, window_within
from zoo.compact.schedule import Schedule
from zoo.distil.budget import Budget
from zoo.distil.method import MisfitError
from zoo.distil.surgery import Continue, ReportColumns, Seam, Seat, StageProgress

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Compaction(Continue):
    """The trainee is a copy of the teacher between compactors, trained along with them.

    Every `schedule.window` steps masks are chosen afresh; they are in force from the next step on,
    later ones from the step itself. The seat's student is not used: its shape is the schedule's.
    `weights_pace` is the learning rate of all but compactors, relative to theirs. `stated` are the
    settings that the budget does not decide: `window`, and the fuse's `l2_lambda` and `decay`; the
    others are the longest window and the weakest pull. With `allow_cut` rows and columns that are
    not near 0 may be cut away.
    """

    schedule: Schedule
    fuse: Fuse
    weights_pace: float
    only_compactors: bool = False
    rescale_query: bool = True
    report_updates: int = 64
    stated: frozenset[str] = frozenset()
    allow_cut: bool = False

    @property
    def reads_teacher(self) -> bool:
        """Yes: it is what is trained."""
        return True

    @property
    def reads_student(self) -> bool:
        """No: the student is cut out of the teacher."""
        return False

    def within(self, budget: Budget) -> Compaction:
        """With a shorter window and a stronger pull, where these are not stated and it needs them.

        Raises:
            MisfitError: the student's size is not reached, or only by cutting away what is not
                near 0, and that is not allowed.
        """
        fitting = self._fitted(budget)
        if not self.allow_cut:
            self._refuse_late(fitting.schedule, budget)
            self._refuse_weak(fitting, budget)
        return fitting

    def note(self, budget: Budget | None) -> str:
        """When the student's size is chosen, and when the weights that fall away are gone."""
        if budget is None:
            if "window" in self.stated:
                return f"the student's size is chosen at step {self.schedule.full_step}"
            return "the student's size is chosen in the first two fifths of the steps"
        fitting = self._fitted(budget)
        schedule, steps = fitting.schedule, budget.steps
        if schedule.full_step > steps:
            return f"the student's size is not chosen by step {steps}: merging cuts it"
        chosen = f"the student's size is chosen at step {schedule.full_step}"
        fade = fading(fitting.fuse, schedule, budget)
        if fade.step is None:
            return f"{chosen}, its weights are not reached: merging cuts {fade.left:.2g} of them"
        return f"{chosen}, its weights are reached at step {fade.step}"

    def _fitted(self, budget: Budget) -> Compaction:
        schedule, fuse = self.schedule, self.fuse
        if "window" not in self.stated:
            schedule = window_within(schedule, budget.steps)
        free = self._pull not in self.stated
        return replace(self, schedule=schedule, fuse=pull_within(fuse, schedule, budget, free=free))

    @property
    def _pull(self) -> str:
        """The setting that says how strongly pruned entries are drawn to 0."""
        return "l2_lambda" if self.fuse.mode == "reference" else "decay"

    def _refuse_late(self, schedule: Schedule, budget: Budget) -> None:
        if schedule.full_step <= budget.steps:
            return
        longest = budget.steps // schedule.updates
        raise MisfitError(
            "window" if "window" in self.stated else "name",
            f"the student's size is chosen at step {schedule.full_step} of {budget.steps}",
            f"a window of up to {longest}" if longest else f"{schedule.updates} steps or more",
            "give the stage more steps, leave window unset, or set allow_cut: true",
        )

    def _refuse_weak(self, fitting: Compaction, budget: Budget) -> None:
        fade = fading(fitting.fuse, fitting.schedule, budget)
        if fade.left < NEAR_ZERO:
            return
        chosen = fitting.schedule.full_step
        raise MisfitError(
            next((key for key in ("window", self._pull) if key in self.stated), "name"),
            f"{fade.left:.2g} of what is pruned at step {chosen} is left at step {budget.steps}",
            f"less than {NEAR_ZERO:g}",
            f"give the stage more steps, leave window and {self._pull} unset, or set allow_cut: "
            "true",
        )

    def open(self, seat: Seat) -> PreTrainedModel:
        """A copy of the teacher with identity compactors: it answers as the teacher does."""
        from zoo.compact import trainee  # noqa: PLC0415  (methods are imported without torch)

        opened = trainee.open_trainee(seat.teacher(), self.report_updates)
        for name, parameter in opened.named_parameters():
            parameter.requires_grad_(not self.only_compactors or _is_compactor(name))
        return opened

    def edit(self, trainee: PreTrainedModel, optimiser: Optimizer, progress: StageProgress) -> None:
        """Choose masks when it is time to, then let the pruned entries shrink."""
        from zoo.compact import trainee as seated  # noqa: PLC0415

        window = self.schedule.window
        if progress.step % window == 0:
            seated.update(trainee, self.schedule, progress.step)
        pieces = seated.pieces(trainee, progress.step)
        if progress.step <= window:
            self.fuse.before_masks(pieces)
        else:
            self.fuse.with_masks(pieces, optimiser)

    def seam(self, trainee: PreTrainedModel) -> Seam:
        """The largest norm of a row or column that is cut away, beside the mean of those kept.

        Raises:
            MisfitError: it is not near 0, and `allow_cut` does not say that it may be so.
        """
        from zoo.compact import trainee as seated  # noqa: PLC0415

        seam = Seam(seated.largest_cut(trainee, self.schedule), NEAR_ZERO)
        if seam.cut < seam.near_zero or self.allow_cut:
            return seam
        raise MisfitError(
            "allow_cut",
            f"merging would cut away rows and columns of up to {seam.cut:.2g} of those it keeps",
            f"less than {seam.near_zero:g}",
            "give the stage more steps, a shorter window or a stronger pull, or set allow_cut: "
            "true",
        )

    def close(self, trainee: PreTrainedModel) -> PreTrainedModel:
        """The student: what the masks keep, multiplied out."""
        from zoo.compact import merge  # noqa: PLC0415
        from zoo.compact import trainee as seated  # noqa: PLC0415

        masks = seated.final_masks(trainee, self.schedule)
        shape = self.schedule.student
        return merge.merged_model(trainee, masks, shape, rescale_query=self.rescale_query)

    def pace(self, name: str) -> float:
        """1 for compactors, `weights_pace` for everything else."""
        return 1.0 if _is_compactor(name) else self.weights_pace

    def report(self, trainee: PreTrainedModel) -> ReportColumns:
        """Every update and group in a row; then what merging cuts, after the last step.

        `stable` is the share of the kept dimensions that were kept before, `largest_entry` the
        largest |entry| of the group's pruned rows and columns: what merging would lose. Rows of
        the residual stream state the column norms and, as 0 and 1, the columns that are kept.
        """
        from zoo.compact import report  # noqa: PLC0415

        return report.table(trainee, self.schedule)


def _is_compactor(name: str) -> bool:
    return name.endswith((".left.weight", ".right.weight"))
