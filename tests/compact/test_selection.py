"""Masks keep the columns of largest norm, and exactly as many as the schedule says."""

import pytest
import torch

from tests.reference.compact import kept_chunks, kept_within
from zoo.compact.schedule import Cut
from zoo.compact.selection import column_norms, kept


@pytest.mark.parametrize("chunks", [1, 3, 6])
@pytest.mark.parametrize("share", [0, 1, 2])
def test_it_is_the_loop_version(chunks: int, share: int) -> None:
    """Within chunks and whole ones, on norms with and without ties."""
    generator = torch.Generator().manual_seed(chunks)
    for norms in (
        torch.rand(18, generator=generator),
        torch.randint(1, 4, (18,), generator=generator).float(),
        torch.ones(18),
    ):
        inside, whole = Cut(chunks, share), Cut(chunks, min(share, chunks), whole=True)
        assert kept(norms, inside).tolist() == kept_within(norms.tolist(), chunks, share)
        assert kept(norms, whole).tolist() == kept_chunks(norms.tolist(), chunks, whole.pruned)


@pytest.mark.parametrize("cut", [Cut(1, 5), Cut(4, 2), Cut(4, 3, whole=True)])
def test_ties_prune_exactly_what_is_scheduled(cut: Cut) -> None:
    """The identity's norms are all 1: the reference would prune everything there."""
    mask = kept(column_norms(torch.eye(12)), cut)
    assert int((~mask).sum()) == cut.dimensions(12)


def test_norms_are_those_of_columns() -> None:
    """What a left compactor does with one input lies in a column."""
    weight = torch.tensor([[3.0, 0.0], [4.0, 1.0]])
    assert column_norms(weight).tolist() == [5.0, 1.0]
