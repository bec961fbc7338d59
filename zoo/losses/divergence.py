"""KL divergence between rows of scores: what losses on attention and on relations share.

Shapes: B batch, A heads, S length. KL(p||q) = sum p (log p - log q), teacher first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zoo.lazy import torch
from zoo.tensors.precision import MASKED

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.tensors.batch import Batch

Mean = Literal["tokens", "samples"]
"""Over all real tokens alike, or over samples of the mean over each one's real tokens."""


def token_kl(student: Tensor, teacher: Tensor, batch: Batch, mean: Mean) -> Tensor:
    """KL divergence between the softmaxes of (B, A, S, S) scores; scalar.

    Sum over real columns, mean over heads and over real rows as `mean` says.

    Raises:
        ValueError: head counts differ.
    """
    require_equal_heads(student, teacher)
    padded_columns = ~batch.real[:, None, None, :]
    divergences = row_kl(
        student.masked_fill(padded_columns, MASKED), teacher.masked_fill(padded_columns, MASKED)
    )
    # Rows of padding have scores too, of no meaning: they are 0 before any mean is taken.
    of_rows = divergences.mean(1).masked_fill(~batch.real, 0.0)
    if mean == "tokens":
        return of_rows.sum() / batch.real.sum()
    return (of_rows.sum(1) / batch.real.sum(1)).mean()


def row_kl(student: Tensor, teacher: Tensor) -> Tensor:
    """KL divergence between the softmaxes of scores over the last axis, which it sums over."""
    # Not the logarithm of a softmax: a probability that rounds to 0 has none.
    student_log, teacher_log = torch.log_softmax(student, -1), torch.log_softmax(teacher, -1)
    return (teacher_log.exp() * (teacher_log - student_log)).sum(-1)


def require_equal_heads(student: Tensor, teacher: Tensor) -> None:
    """Check that (B, A, S, S) scores can be compared head by head.

    Raises:
        ValueError: head counts differ.
    """
    if student.shape[1] != teacher.shape[1]:
        raise ValueError(
            f"a student of {student.shape[1]} heads and a teacher of {teacher.shape[1]} heads "
            "cannot be compared head by head"
        )
