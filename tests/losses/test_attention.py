"""Losses on attention: torch's own divergence agrees, and TinyBERT's code has its own mean."""

import pytest
import torch
from torch import Tensor

from tests.losses.table import Subject, sides
from zoo.losses.attention import attention_kl, attention_mse

SCORES = Subject(attention_kl, (3, "S", "S"), (3, "S", "S"))
SIZE = (3, 5)


def test_attention_kl_is_torchs_divergence_of_the_real_tokens() -> None:
    """Probabilities of a sequence without its padding, through kl_div, a sample at a time."""
    at = sides(SCORES, SIZE)
    totals, lengths = [], at.batch.attention_mask.sum(1).tolist()
    for row, length in enumerate(lengths):
        ours, theirs = (
            torch.softmax(side[row, :, :length, :length], dim=-1)
            for side in (at.student, at.teacher)
        )
        totals.append(torch.nn.functional.kl_div(ours.log(), theirs, reduction="sum") / 3)
    over_tokens = torch.stack(totals).sum() / sum(lengths)
    torch.testing.assert_close(attention_kl(at.student, at.teacher, at.batch), over_tokens)
    over_samples = (torch.stack(totals) / torch.tensor(lengths)).mean()
    torch.testing.assert_close(
        attention_kl(at.student, at.teacher, at.batch, mean="samples"), over_samples
    )


def test_attention_that_is_all_on_one_token_is_finite() -> None:
    """A teacher's chance of exactly 0 counts nothing, and a student's is dear but no infinity."""
    at = sides(SCORES, SIZE)
    sharp = torch.zeros_like(at.teacher)
    sharp[..., 0] = 2000.0
    student = at.student.clone().requires_grad_()
    loss = attention_kl(student, sharp, at.batch)
    loss.backward()
    assert student.grad is not None
    assert student.grad.isfinite().all()
    assert 0.0 < float(loss.detach()) < 10.0
    assert float(attention_kl(sharp, at.teacher, at.batch)) < 2001.0


def test_a_constant_added_to_a_row_of_scores_is_no_attention() -> None:
    """The divergence compares distributions, the squared difference compares scores."""
    at = sides(SCORES, SIZE)
    shifted = at.teacher + 3.0
    assert float(attention_kl(shifted, at.teacher, at.batch)) == pytest.approx(0.0, abs=1e-12)
    assert float(attention_mse(shifted, at.teacher, at.batch)) == pytest.approx(9.0)


def tinybert(student: Tensor, teacher: Tensor, real: Tensor) -> Tensor:
    """TinyBERT's rule on scores with the additive mask: what is at most -100 becomes 0."""
    mask = -10000.0 * (~real)[:, None, None, :]
    clean = [torch.where(side + mask <= -1e2, 0.0, side + mask) for side in (student, teacher)]
    return torch.nn.functional.mse_loss(*clean)


def test_counted_padding_is_what_tinyberts_code_does() -> None:
    """Columns of padding are 0 in both, its rows count, and every element is in the mean."""
    at = sides(SCORES, SIZE)
    counted = attention_mse(at.student, at.teacher, at.batch, padding="counted")
    torch.testing.assert_close(counted, tinybert(at.student, at.teacher, at.batch.real))
    columns = ~at.batch.real[:, None, None, :]
    rows = (~at.batch.real[:, None, :, None]) & ~columns
    elsewhere = at.student.masked_fill(columns, 50.0)
    assert torch.equal(counted, attention_mse(elsewhere, at.teacher, at.batch, padding="counted"))
    moved = at.student.masked_fill(rows, 50.0)
    assert attention_mse(moved, at.teacher, at.batch, padding="counted") > counted + 1.0
    left_out = attention_mse(at.student, at.teacher, at.batch)
    assert torch.equal(left_out, attention_mse(moved, at.teacher, at.batch))


@pytest.mark.parametrize("loss", [attention_kl, attention_mse])
@pytest.mark.parametrize("heads", [(1, 3), (3, 1), (2, 3)])
def test_head_counts_must_agree(loss: Subject, heads: tuple[int, int]) -> None:
    """One head would broadcast over the other network's without a word."""
    ours, theirs = heads
    at = sides(Subject(attention_kl, (ours, "S", "S"), (theirs, "S", "S")), SIZE)
    message = f"a student of {ours} heads and a teacher of {theirs} heads"
    with pytest.raises(ValueError, match=message):
        loss(at.student, at.teacher, at.batch)
