"""How many dimensions of each group are pruned at every update of the masks (docs/methods)."""

import sys
from dataclasses import dataclass
from itertools import count
from typing import Literal, NamedTuple

from zoo.spec.shape import Shape

Strategy = Literal["dim", "head"]
GroupName = Literal["hidden", "attention", "inner", "head"]
"""Whose dimensions share a mask: the residual stream (H), a layer's heads (A), the inside of its
feed-forward network (F), the inside of the masked-piece head (M)."""

ENOUGH = sys.maxsize
"""The number of an update so late that everything is pruned."""


class Cut(NamedTuple):
    """What is pruned of a group whose dimensions lie in `chunks` of equal width.

    `pruned` dimensions within each chunk or, with `whole`, so many chunks as a whole.
    """

    chunks: int
    pruned: int
    whole: bool = False

    def dimensions(self, size: int) -> int:
        """How many of the group's `size` dimensions that is."""
        return self.pruned * (size // self.chunks if self.whole else self.chunks)


@dataclass(frozen=True)
class Schedule:
    """Which cut every group has at update n, made at step n * `window`.

    With D = H - h: the feed-forward groups lose int(n (I - i) / `linear_updates`) up to I - i, the
    head's group likewise of D. The residual stream and the attention groups lose, with strategy
    `dim`, n int(D / heads / `dim_updates`) of every head-wide chunk up to D / heads; with `head`,
    int(n / `updates_per_head`) chunks up to D / head width. A choice, where D / heads is smaller
    than `dim_updates` (the reference fails there): one of every chunk at each update.
    """

    teacher: Shape
    student: Shape
    strategy: Strategy = "dim"
    window: int = 500
    dim_updates: int = 8
    linear_updates: int = 16
    updates_per_head: int = 2

    def cut(self, group: GroupName, update: int) -> Cut:
        """The cut of a group at an update, counted from 1."""
        teacher, student = self.teacher, self.student
        surplus = teacher.hidden - student.hidden
        if group == "inner":
            return self._linear(teacher.intermediate - student.intermediate, update)
        if group == "head":
            return self._linear(surplus, update)
        if self.strategy == "head":
            blocks = surplus // (teacher.hidden // teacher.heads)
            return Cut(teacher.heads, min(update // self.updates_per_head, blocks), whole=True)
        # Every head-wide chunk loses equally many: what is left can be cut into heads again.
        share = surplus // teacher.heads
        return Cut(teacher.heads, min(update * max(1, share // self.dim_updates), share))

    def final(self, group: GroupName) -> Cut:
        """The cut that leaves the student's size."""
        return self.cut(group, ENOUGH)

    @property
    def updates(self) -> int:
        """The number of the update at which every group has the student's size."""
        names: tuple[GroupName, ...] = ("hidden", "attention", "inner", "head")
        final = [self.final(name) for name in names]
        return next(n for n in count() if [self.cut(name, n) for name in names] == final)

    @property
    def full_step(self) -> int:
        """The step at which every group has the student's size."""
        return self.updates * self.window

    def _linear(self, surplus: int, update: int) -> Cut:
        return Cut(1, min(update * surplus // self.linear_updates, surplus))
