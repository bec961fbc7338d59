"""What nobody reads is not computed, and what is read is the same."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tests import tiny
from zoo.models.anatomy import anatomy_of, layers_of
from zoo.models.capture import Capture, last_states, model_inputs, word_logits
from zoo.models.tap import EMBEDDINGS, LOGITS, Site, Tap
from zoo.tensors.batch import Layout
from zoo.training.trainee import set_dropout

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
every_kernel = pytest.mark.parametrize("kernel", ["eager", "sdpa"])


def model(family: str, task: str | None = "sentiment") -> PreTrainedModel:
    return tiny.model(tiny.STUDENT.model_copy(update={"family": family}), task).double().eval()


def counted(made: PreTrainedModel, part: str) -> list[int]:
    """How many tokens each later call of a part of the last layer reads."""
    found: list[int] = []

    def note(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found.append(inputs[0].shape[:-1].numel())

    layers_of(made)[-1].get_submodule(part).register_forward_pre_hook(note)
    return found


@every_family
@every_kernel
@pytest.mark.parametrize("padded", [True, False], ids=["padded", "full"])
def test_a_head_of_the_first_token_gets_the_same(family: str, kernel: str, *, padded: bool) -> None:
    """Logits and all gradients equal those of the whole model."""
    batch = tiny.batch() if padded else tiny.batch(rows=1)
    found = []
    for spared in (False, True):
        made = model(family)
        made.set_attn_implementation(kernel)
        if spared:
            with Capture(made, [LOGITS]) as capture:
                logits = capture(batch)[LOGITS]
        else:
            logits = made(**model_inputs(made, batch)).logits
        logits.square().sum().backward()
        found.append([logits.detach(), *(p.grad for p in made.parameters())])
    for expected, tensor in zip(*found, strict=True):
        torch.testing.assert_close(tensor, expected, rtol=1e-9, atol=1e-10)


@every_family
def test_the_last_layer_is_computed_where_it_is_read(family: str) -> None:
    """At the first tokens for a head of classes, dropout or not; at all for spans and taps."""
    made = model(family)
    tokens = counted(made, anatomy_of(made).inner)
    batch = tiny.batch()
    for taps in ([LOGITS], [LOGITS, EMBEDDINGS], [LOGITS, Tap(Site.HIDDEN, (0, 1))]):
        with torch.no_grad(), Capture(made, taps) as capture:
            capture(batch)
    made.train()
    with torch.no_grad(), Capture(made, [LOGITS]) as capture:
        capture(batch)
        set_dropout(made, 0.0)
        capture(batch)
    assert tokens == [3, 3, 21, 3, 3]
    spans = model(family, "span")
    tokens = counted(spans, anatomy_of(spans).inner)
    with torch.no_grad(), Capture(spans, [LOGITS]) as capture:
        capture(tiny.batch(Layout.SPAN))
    assert tokens == [21]


def test_a_layer_is_whole_again_after_an_error() -> None:
    """What is left out is left out of one forward pass."""
    made = model("bert")
    with Capture(made, [LOGITS]) as capture, pytest.raises(AttributeError):
        capture(None)
    assert "forward" not in vars(layers_of(made)[-1])
    with torch.no_grad(), Capture(made, [LOGITS]) as capture:
        capture(tiny.batch())
    assert "forward" not in vars(layers_of(made)[-1])


@every_family
def test_a_capture_ends_with_its_last_tap(family: str) -> None:
    """Without logits to read, dropout or not."""
    made = model(family)
    after = counted(made, anatomy_of(made).inner)
    values = Tap(Site.VALUE, 1)
    with torch.no_grad(), Capture(made, [values, Tap(Site.HIDDEN, 0)]) as capture:
        found = capture(tiny.batch())[values]
        assert after == []
        made.train()
        capture(tiny.batch())
        set_dropout(made, 0.0)
        assert torch.equal(capture(tiny.batch())[values], found)
    assert after == []


@every_family
def test_a_spared_layer_drops_out_where_a_whole_one_does(family: str) -> None:
    """Each dropout alone at rate 1, where its draws cannot differ."""
    made, batch = model(family).train(), tiny.batch()
    anatomy, last = anatomy_of(made), layers_of(made)[-1]
    places = (anatomy.attention_dropout, anatomy.attention_output_dropout, anatomy.output_dropout)
    found = []
    for place in filter(None, places):
        set_dropout(made, 0.0)
        set_dropout(last.get_submodule(place), 1.0)
        with torch.no_grad(), Capture(made, [LOGITS]) as capture:
            logits = capture(batch)[LOGITS]
            whole = made(**model_inputs(made, batch)).logits
        torch.testing.assert_close(logits, whole, rtol=1e-9, atol=1e-10)
        found.append(logits)
    assert not any(torch.equal(*pair) for pair in pairwise(found))


@every_family
def test_decoding_is_the_models_own_head(family: str) -> None:
    """The modules of the anatomy's row, in order, make the model's logits of its last states."""
    made, batch = model(family, None), tiny.batch(Layout.TOKENS)
    tap = last_states(made)
    with torch.no_grad(), Capture(made, [LOGITS, tap]) as capture:
        found = capture(batch)
        assert torch.equal(word_logits(made, found[tap]), found[LOGITS])
