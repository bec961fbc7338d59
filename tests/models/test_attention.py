"""Attention functions of our own: eager's numbers, and bits that no batch changes."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tests import tiny
from zoo.models.attention import attend_cheaply, steady, steady_attention
from zoo.models.capture import Capture, model_inputs
from zoo.models.tap import LOGITS, Site, Tap
from zoo.tensors.batch import Batch

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
STATES = Tap(Site.HIDDEN, 1)
REAL = 37
"""Pieces: no multiple of what is steady."""


def model(family: str) -> PreTrainedModel:
    shape = tiny.STUDENT.model_copy(update={"family": family, "positions": 128})
    return tiny.model(shape, "sentiment").double().eval()


def captured(made: PreTrainedModel, batch: Batch) -> Tensor:
    with torch.no_grad(), Capture(made, [STATES]) as capture:
        return capture(batch)[STATES]


@every_family
@pytest.mark.parametrize("padded", [True, False], ids=["padded", "full"])
def test_both_compute_what_eager_attention_does(family: str, *, padded: bool) -> None:
    """At real tokens; the model has its own attention again afterwards."""
    made, batch = model(family), tiny.batch() if padded else tiny.batch(rows=1)
    expected = captured(made, batch)[batch.real]
    with steady_attention(made):
        steady = captured(made, batch)[batch.real]
    assert torch.equal(captured(made, batch)[batch.real], expected)
    attend_cheaply(made)
    torch.testing.assert_close(steady, expected, rtol=1e-9, atol=1e-10)
    assert torch.equal(captured(made, batch)[batch.real], expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("queries", [None, 1], ids=["all", "first"])
def test_a_steady_row_does_not_depend_on_padding(dtype: torch.dtype, queries: int | None) -> None:
    """Whatever stands there, and however many rows a batch has."""
    torch.manual_seed(0)
    # Small, so that probabilities are nearly equal: their sums are what rounds.
    states = (0.02 * torch.randn(3, 32, REAL, 4, 64)).to(dtype)
    found = []
    for length in (REAL, REAL + 1, REAL + 20, 2 * REAL + 3):
        junk = (0.02 * torch.randn(3, 32, length - REAL, 4, 64)).to(dtype)
        mask = torch.zeros(32, 1, length, length, dtype=dtype)
        mask[..., REAL:] = torch.finfo(dtype).min
        for rows in (20, 32):
            # Laid out as linear maps leave them.
            query, key, value = torch.cat([states, junk], dim=2)[:, :rows].transpose(2, 3)
            asked, shown = query[:, :, :queries], mask[:rows, :, :queries]
            context, _ = steady(nn.Identity(), asked, key, value, shown)
            found.append(context[:20, :REAL])
    assert all(torch.equal(each, found[0]) for each in found)


@every_family
@pytest.mark.parametrize("taps", [[LOGITS], [LOGITS, STATES]], ids=["first token", "whole"])
def test_logits_are_those_of_the_model(family: str, taps: list[Tap]) -> None:
    """Heads read what steady layers give, the last of which may have the first token alone."""
    made, batch = model(family), tiny.batch()
    with torch.no_grad(), Capture(made, taps) as capture:
        expected = made(**model_inputs(made, batch)).logits
        with steady_attention(made):
            torch.testing.assert_close(capture(batch)[LOGITS], expected, rtol=1e-9, atol=1e-10)


def test_steady_logits_do_not_depend_on_padding() -> None:
    """Whatever stands there: the one query of a spared layer reads keys of any length."""
    made, short = model("bert").float(), tiny.batch(rows=16, length=REAL)
    found = []
    with torch.no_grad(), steady_attention(made), Capture(made, [LOGITS]) as capture:
        for more in (0, 1, 20, 40, 91):
            longer = {
                name: nn.functional.pad(tensor, (0, more), value=fill)
                for name, fill, tensor in (
                    ("input_ids", more, short.input_ids),
                    ("attention_mask", 0, short.attention_mask),
                    ("token_type_ids", 0, short.token_type_ids),
                )
            }
            found.append(capture(replace(short, **longer))[LOGITS])
    assert all(torch.equal(each, found[0]) for each in found)
