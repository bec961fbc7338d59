"""Contrast between examples: those of one label attract, the others repel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.lazy import torch
from zoo.tensors.batch import Batch, Layout
from zoo.tensors.precision import MASKED, full

if TYPE_CHECKING:
    from torch import Tensor


def label_contrast(
    student: Tensor, teacher: Tensor, batch: Batch, *, temperature: float = 0.1
) -> Tensor:
    """Contrast of the first tokens' vectors of (B, S, H) states by label; scalar.

    (1/2B) sum_i (1/|P(i)|) sum_{p in P(i)} -log(exp(z_i.z_p/t) / sum_{a != i} exp(z_i.z_a/t)):
    z the student's and the teacher's vectors at length 1, 2B together; P(i) the others of i's
    label, at least i's counterpart in the other network. MLKD-BERT (arXiv 2407.02775, L_SC).

    Raises:
        ValueError: the batch's labels are not classes.
    """
    if batch.layout is not Layout.CLASSES:
        raise ValueError(f"contrast by label needs classes, and the labels are a {batch.layout}")
    vectors = torch.cat([full(student[:, 0]), full(teacher[:, 0].detach())])
    directions = torch.nn.functional.normalize(vectors, dim=-1)
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    # Each vector's own product is taken out of the denominator: it would win every softmax.
    scores = (directions @ directions.mT / temperature).masked_fill(itself, MASKED)
    labels = batch.labels.repeat(2)
    positives = (labels[:, None] == labels[None, :]) & ~itself
    per_vector = (torch.log_softmax(scores, dim=-1) * positives).sum(-1) / positives.sum(-1)
    return -per_vector.mean()
