"""Relations: what they do not see of a network, and how heads are cut anew."""

import math

import pytest
import torch
from torch import Tensor

from tests.losses.table import Sides, Subject, sides
from tests.reference import losses as reference
from zoo.losses.attention import attention_kl
from zoo.losses.relations import relation_kl, sample_relation_kl
from zoo.tensors.batch import Batch

SIZE = (3, 5)
STATES = Subject(relation_kl, ("S", 12), ("S", 24))
HEADS = Subject(relation_kl, (3, "S", 4), (12, "S", 2))


def rotation(width: int) -> Tensor:
    """An orthogonal matrix."""
    generator = torch.Generator().manual_seed(width)
    square = torch.randn(width, width, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(square).Q


def value(at: Sides, student: Tensor, heads: int | None, teacher: Tensor | None = None) -> float:
    return float(
        relation_kl(student, at.teacher if teacher is None else teacher, at.batch, heads=heads)
    )


@pytest.mark.parametrize("heads", [None, 1, 2, 3])
def test_a_rotation_within_each_slice_changes_nothing(heads: int | None) -> None:
    """MLKD-BERT's invariant 2: relations know angles and lengths, not directions."""
    at = sides(STATES, SIZE)
    turned = at.student @ torch.block_diag(*[rotation(12 // (heads or 1))] * (heads or 1))
    assert not torch.allclose(turned, at.student)
    before = value(at, at.student, heads)
    assert value(at, turned, heads) == pytest.approx(before, rel=1e-12)
    if heads in (2, 3):
        across = value(at, at.student @ rotation(12), heads)
        assert across != pytest.approx(before, rel=1e-3)


@pytest.mark.parametrize("heads", [1, 2, 3, 4, 6, 12])
def test_the_cut_asks_nothing_of_the_networks_own_heads(heads: int) -> None:
    """MLKD-BERT's invariant 3: a student of 3 and a teacher of 12 heads, cut into equally many."""
    at = sides(HEADS, SIZE)
    found = value(at, at.student, heads)
    assert found > 0.0
    expected = reference.relation_kl(at.student, at.teacher, at.batch, heads=heads)
    assert found == pytest.approx(expected, abs=1e-6)
    merged = at.student.transpose(1, 2).reshape(3, 5, 12)
    assert value(at, merged, heads) == found


def test_heads_may_change_places_within_a_slice() -> None:
    """MLKD-BERT's invariant 3: in one slice any of them, in three the four of each."""
    at = sides(HEADS, SIZE)
    any_order = at.teacher[:, torch.randperm(12, generator=torch.Generator().manual_seed(1))]
    within = at.teacher[:, [3, 1, 0, 2, 4, 6, 5, 7, 11, 10, 9, 8]]
    one, three = value(at, at.student, 1), value(at, at.student, 3)
    assert value(at, at.student, 1, any_order) == pytest.approx(one, rel=1e-12)
    assert value(at, at.student, 3, within) == pytest.approx(three, rel=1e-12)
    assert value(at, at.student, 3, any_order) != pytest.approx(three, rel=1e-3)


def test_rows_of_relations_sum_to_one_over_real_columns() -> None:
    """MLKD-BERT's invariant 1, read off the gradient: a row of it is (R_S - R_T) / rows."""
    at = sides(Subject(relation_kl, ("S", 6), ("S", 9)), SIZE)
    scores = (at.student @ at.student.mT / math.sqrt(6))[:, None].requires_grad_()
    theirs = (at.teacher @ at.teacher.mT / math.sqrt(9))[:, None]
    loss = attention_kl(scores, theirs, at.batch)
    assert float(loss.detach()) == pytest.approx(value(at, at.student, None), rel=1e-12)
    loss.backward()
    assert scores.grad is not None
    for row in range(3):
        real = reference.real_tokens(at.batch, row)
        kept = reference.relations([at.teacher[row, token].tolist() for token in real])
        relations = scores.grad[row, 0] * int(at.batch.real.sum())
        relations[: len(real), : len(real)] += torch.tensor(kept, dtype=torch.float64)
        sums = relations.sum(-1)
        assert sums[: len(real)].tolist() == pytest.approx([1.0] * len(real), abs=1e-12)
        assert not relations[:, len(real) :].any()


def test_the_two_means_part_where_lengths_differ() -> None:
    """Over all tokens alike, or over samples first; on samples of one length they are the same."""
    at = sides(STATES, SIZE)
    tokens = relation_kl(at.student, at.teacher, at.batch, mean="tokens")
    samples = relation_kl(at.student, at.teacher, at.batch, mean="samples")
    assert not torch.isclose(tokens, samples)
    full = Batch(at.batch.layout, *[torch.ones(3, 5, dtype=torch.long)] * 3, at.batch.labels)
    tokens = relation_kl(at.student, at.teacher, full, mean="tokens")
    torch.testing.assert_close(
        tokens, relation_kl(at.student, at.teacher, full, mean="samples"), rtol=1e-12, atol=0
    )


def test_heads_that_cannot_be_compared_are_named() -> None:
    """Neither silently broadcast nor left to a message about shapes."""
    at = sides(HEADS, SIZE)
    with pytest.raises(ValueError, match="student of 3 heads and a teacher of 12 heads"):
        relation_kl(at.student, at.teacher, at.batch)
    with pytest.raises(ValueError, match="width of 12 cannot be split into 5 equal heads"):
        relation_kl(at.student, at.teacher, at.batch, heads=5)


def test_samples_may_come_in_any_order() -> None:
    """MLKD-BERT's invariant 5, first half: L_SS knows no order of the batch."""
    at = sides(STATES, (5, 5))
    order = [3, 0, 4, 1, 2]
    before = float(sample_relation_kl(at.student, at.teacher, at.batch))
    assert before > 0.0
    mixed = sample_relation_kl(at.student[order], at.teacher[order], at.batch)
    assert float(mixed) == pytest.approx(before, rel=1e-12)
    mismatched = sample_relation_kl(at.student[order], at.teacher, at.batch)
    assert float(mismatched) != pytest.approx(before, rel=1e-3)


def test_sample_relations_know_neither_rotation_nor_the_other_tokens() -> None:
    """MLKD-BERT's invariant 2 for L_SS, which looks at [CLS] alone."""
    at = sides(STATES, SIZE)
    before = float(sample_relation_kl(at.student, at.teacher, at.batch))
    turned = at.student @ rotation(12)
    turned[:, 1:] = 7.0
    after = sample_relation_kl(turned, at.teacher, at.batch)
    assert float(after) == pytest.approx(before, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_batch_of_one_has_no_sample_relations(dtype: torch.dtype) -> None:
    """MLKD-BERT's invariant 5, second half: exactly 0, and exactly no gradient."""
    at = sides(STATES, (1, 5))
    student = at.student.to(dtype).requires_grad_()
    loss = sample_relation_kl(student, at.teacher.to(dtype), at.batch)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert student.grad is not None
    assert not student.grad.any()
