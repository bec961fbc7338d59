"""The surgery of weight-inherited distillation: compactors in, pruned at every step, merged out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.compact.fuse import Fuse
from zoo.compact.schedule import Schedule
from zoo.distil.surgery import Columns, Continue, Progress, Seat

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Compaction(Continue):
    """The trainee is a copy of the teacher between compactors, trained along with them.

    Every `schedule.window` steps masks are chosen afresh; they are in force from the next step on,
    later ones from the step itself. The seat's student is not used: its shape is the schedule's.
    `weights_pace` is the learning rate of all but compactors, relative to theirs.
    """

    schedule: Schedule
    fuse: Fuse
    weights_pace: float
    only_compactors: bool = False
    rescale_query: bool = True
    report_updates: int = 64

    @property
    def reads_teacher(self) -> bool:
        """Yes: it is what is trained."""
        return True

    @property
    def reads_student(self) -> bool:
        """No: the student is cut out of the teacher."""
        return False

    def open(self, seat: Seat) -> PreTrainedModel:
        """A copy of the teacher with identity compactors: it answers as the teacher does."""
        from zoo.compact import trainee  # noqa: PLC0415  (methods are imported without torch)

        opened = trainee.opened(seat.teacher(), self.report_updates)
        for name, parameter in opened.named_parameters():
            parameter.requires_grad_(not self.only_compactors or _is_compactor(name))
        return opened

    def edit(self, trainee: PreTrainedModel, optimiser: Optimizer, progress: Progress) -> None:
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

    def close(self, trainee: PreTrainedModel) -> PreTrainedModel:
        """The student: what the masks keep, multiplied out."""
        from zoo.compact import merge  # noqa: PLC0415
        from zoo.compact import trainee as seated  # noqa: PLC0415

        masks = seated.final_masks(trainee, self.schedule)
        shape = self.schedule.student
        return merge.merged(trainee, masks, shape, rescale_query=self.rescale_query)

    def pace(self, name: str) -> float:
        """1 for compactors, `weights_pace` for everything else."""
        return 1.0 if _is_compactor(name) else self.weights_pace

    def report(self, trainee: PreTrainedModel) -> Columns:
        """Every update and group in a row; then what merging cuts, after the last step.

        `stable` is the share of the kept dimensions that were kept before, `largest_entry` the
        largest |entry| of the group's pruned rows and columns: what merging would lose. Rows of
        the residual stream state the column norms and, as 0 and 1, the columns that are kept.
        """
        from zoo.compact import report  # noqa: PLC0415

        return report.table(trainee, self.schedule)


def _is_compactor(name: str) -> bool:
    return name.endswith((".left.weight", ".right.weight"))
