"""Losses on logits: soft labels of a teacher, hard labels of a data set.

Logits of every layout are first laid out as rows of one distribution each (see `rows`), so that
one loss serves classes, spans and tokens. KL(p||q) = sum p (log p - log q), teacher first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zoo.lazy import torch
from zoo.tensors.batch import Batch, Layout
from zoo.tensors.precision import MASKED, full

if TYPE_CHECKING:
    from torch import Tensor


def soft_labels(
    student: Tensor,
    teacher: Tensor,
    batch: Batch,
    *,
    temperature: float = 1.0,
    scaled: bool = True,
    over: Literal["rows", "elements"] = "rows",
) -> Tensor:
    """KL divergence of softened outputs, mean over rows or over their elements; scalar.

    `scaled` multiplies by temperature^2, which keeps the gradient's size (Hinton et al. 2015,
    section 2). Rows: one per example (classes), start and end per example over the answerable
    positions (span), one per real token (tokens). For a number (VALUE) there is no distribution:
    the loss is the squared difference of the outputs, without temperature.

    Over "elements" the mean is also over what can be chosen in a row (classes, answerable
    positions, pieces), as the released code of PKD and of TinyBERT has it.
    """
    if batch.layout is Layout.VALUE:
        return output_mse(student, teacher, batch)
    student_rows, teacher_rows = rows(student, batch), rows(teacher.detach(), batch)
    student_log = torch.log_softmax(full(student_rows) / temperature, dim=-1)
    teacher_log = torch.log_softmax(full(teacher_rows) / temperature, dim=-1)
    divergence = torch.nn.functional.kl_div(
        student_log, teacher_log, reduction="batchmean", log_target=True
    )
    if over == "elements":
        divergence = divergence / _choices(student, batch)
    return divergence * temperature**2 if scaled else divergence


def output_mse(student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:  # noqa: ARG001  (as every loss)
    """Mean squared difference of (B, 1) outputs; scalar (docs/methods, tasks of numbers)."""
    return (full(student) - full(teacher.detach())).square().mean()


def hard_labels(student: Tensor, labels: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy with the labels; scalar.

    Classes: mean over examples. Span: mean of the start's and the end's. Tokens: mean over the
    positions that ask for a prediction (label not -100); 0 when none does. A number (VALUE): mean
    squared error.
    """
    if batch.layout is Layout.VALUE:
        return (full(student).squeeze(-1) - full(labels)).square().mean()
    if batch.layout is Layout.TOKENS:
        asked = labels != -100
        if not bool(asked.any()):
            # Not a plain 0: the loss must have a graph to go backward through.
            return full(student).sum() * 0.0
        return torch.nn.functional.cross_entropy(full(student[asked]), labels[asked])
    targets = labels.T.reshape(-1) if batch.layout is Layout.SPAN else labels
    return torch.nn.functional.cross_entropy(full(rows(student, batch)), targets)


def rows(logits: Tensor, batch: Batch) -> Tensor:
    """The distributions in `logits`, one per row: (B, C), (2B, S) or (real tokens, V).

    Span rows are all starts, then all ends, with the positions that cannot be chosen masked.
    """
    if batch.layout is Layout.TOKENS:
        return logits[batch.real]
    if batch.layout is Layout.SPAN:
        allowed = _answerable(batch)
        starts_ends = full(torch.cat([logits[..., 0], logits[..., 1]]))
        return starts_ends.masked_fill(~allowed.repeat(2, 1), MASKED)
    return logits


def _choices(logits: Tensor, batch: Batch) -> Tensor | int:
    """How many outputs one row chooses among; the mean where rows differ."""
    if batch.layout is Layout.SPAN:
        return _answerable(batch).sum() / len(logits)
    return logits.shape[-1]


def _answerable(batch: Batch) -> Tensor:
    """(B, S) booleans: the positions that a span may start or end at."""
    return batch.real if batch.answerable is None else batch.answerable
