"""Which dimensions of a group are kept: those whose columns have the largest norms."""

import torch
from torch import Tensor

from zoo.compact.schedule import Cut
from zoo.tensors.precision import full


def column_norms(compactor: Tensor) -> Tensor:
    """L2 norms of the columns of a left compactor: (N, N) -> (N,)."""
    norms: Tensor = torch.linalg.vector_norm(full(compactor.detach()), dim=0)
    return norms


def kept(norms: Tensor, cut: Cut) -> Tensor:
    """(N,) booleans: False for the dimensions with the smallest norms, exactly as many as cut.

    Chunks lie side by side; a whole chunk's norm is the sum of its dimensions'. Among equal norms
    the first are pruned (a choice; the reference prunes all of them, docs/methods).
    """
    table = norms.reshape(cut.chunks, -1)
    if cut.whole:
        chunks = _all_but_smallest(table.sum(dim=1, keepdim=True).mT, cut.pruned)
        return chunks.mT.expand_as(table).reshape(-1)
    return _all_but_smallest(table, cut.pruned).reshape(-1)


def _all_but_smallest(table: Tensor, number: int) -> Tensor:
    """Booleans: False for the `number` smallest of every row."""
    # Stable: identity compactors have equal norms, and every machine must prune the same of them.
    smallest = table.argsort(dim=1, stable=True)[:, :number]
    return torch.ones_like(table, dtype=torch.bool).scatter(1, smallest, value=False)
