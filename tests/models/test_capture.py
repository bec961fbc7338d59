"""What a capture returns is what the model computed, for every family and attention kernel."""

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from tests import tiny
from zoo.errors import TrainingError
from zoo.models.anatomy import anatomy_of, layers_of
from zoo.models.capture import Capture, Captured, logits_of, model_inputs
from zoo.models.tap import EMBEDDINGS, LAYERLESS, LOGITS, Site, Tap
from zoo.tensors.batch import Batch, Layout

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
every_kernel = pytest.mark.parametrize("kernel", ["eager", "sdpa"])
CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def ready(family: str, task: str | None = "sentiment") -> PreTrainedModel:
    return tiny.model(tiny.STUDENT.model_copy(update={"family": family}), task).eval()


def captured(model: PreTrainedModel, batch: Batch, *taps: Tap) -> Captured:
    with torch.no_grad(), Capture(model, taps) as capture:
        return capture(batch)


@every_family
@every_kernel
def test_states_are_the_models_own(family: str, kernel: str) -> None:
    """Embeddings and every layer's output equal `output_hidden_states`, logits the output."""
    model, batch = ready(family), tiny.batch()
    taps = (EMBEDDINGS, *(Tap(Site.HIDDEN, layer) for layer in range(2)))
    model.set_attn_implementation(kernel)
    found = captured(model, batch, *taps, LOGITS)
    with torch.no_grad():
        expected = model(**model_inputs(model, batch), output_hidden_states=True)
    for tap, states in zip(taps, expected.hidden_states, strict=True):
        assert torch.equal(found[tap], states), tap
    assert torch.equal(found[LOGITS], expected.logits)


@every_family
@every_kernel
def test_scores_make_the_models_attention(family: str, kernel: str) -> None:
    """softmax(scores + mask) equals `output_attentions` of the eager kernel, whatever runs."""
    model, batch = ready(family), tiny.batch()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        expected = model(**model_inputs(model, batch), output_attentions=True).attentions
    model.set_attn_implementation(kernel)
    found = captured(model, batch, Tap(Site.SCORES, 0), Tap(Site.SCORES, 1))
    for layer, attention in enumerate(expected):
        scores = found[Tap(Site.SCORES, layer)]
        probabilities = scores.masked_fill(~batch.real[:, None, None, :], -1e9).softmax(-1)
        torch.testing.assert_close(probabilities, attention, **CLOSE)


@every_family
@every_kernel
def test_values_and_context_are_before_the_output_projection(family: str, kernel: str) -> None:
    """attention x VALUE, heads side by side, is CONTEXT, and its projection the module's output."""
    model, batch = ready(family), tiny.batch()
    model.set_attn_implementation(kernel)
    projection = layers_of(model)[1].get_submodule(anatomy_of(model).attention_output)
    seen: list[Tensor] = []
    handle = projection.register_forward_hook(lambda _m, _i, output: seen.append(output))
    sites = {site: Tap(site, 1) for site in (Site.SCORES, Site.VALUE, Site.CONTEXT)}
    found = captured(model, batch, *sites.values())
    with torch.no_grad():
        model(**model_inputs(model, batch))
    handle.remove()
    context = found[sites[Site.CONTEXT]]
    with torch.no_grad():
        torch.testing.assert_close(projection(context), seen[0], **CLOSE)
    scores = found[sites[Site.SCORES]].masked_fill(~batch.real[:, None, None, :], -1e9)
    mixed = scores.softmax(-1) @ found[sites[Site.VALUE]]
    torch.testing.assert_close(mixed.transpose(1, 2).flatten(2), context, **CLOSE)


@every_family
def test_queries_and_keys_are_by_head(family: str) -> None:
    """(B, A, S, D): the linear map's output of the layer's input, cut into heads."""
    model, batch = ready(family), tiny.batch()
    found = captured(model, batch, Tap(Site.QUERY, 1), Tap(Site.KEY, 1), Tap(Site.HIDDEN, 0))
    anatomy = anatomy_of(model)
    for site, name in ((Site.QUERY, anatomy.query), (Site.KEY, anatomy.key)):
        with torch.no_grad():
            flat = layers_of(model)[1].get_submodule(name)(found[Tap(Site.HIDDEN, 0)])
        assert found[Tap(site, 1)].shape == (3, 4, 7, 8)
        assert torch.equal(found[Tap(site, 1)][1, 2], flat[1, :, 16:24])


@every_family
@every_kernel
@pytest.mark.parametrize("layers", [(0, 1), (1, 0), (1,)], ids=str)
def test_several_layers_are_each_of_them_side_by_side(
    family: str, kernel: str, layers: tuple[int, ...]
) -> None:
    """At every site that layers have: behind the batch, in the order named, number by number."""
    model, batch = ready(family), tiny.batch()
    model.set_attn_implementation(kernel)
    together = [Tap(site, layers) for site in Site if site not in LAYERLESS]
    found = captured(model, batch, *together)
    alone = captured(model, batch, *(each for tap in together for each in tap.each))
    for tap in together:
        expected = torch.stack([alone[each] for each in tap.each], dim=1)
        assert found[tap].shape[:2] == (3, len(layers))
        assert torch.equal(found[tap], expected), tap


@every_family
def test_padding_content_does_not_reach_real_tokens(family: str) -> None:
    """Other pieces in padding leave the real tokens' states as they were."""
    model, batch = ready(family), tiny.batch()
    other = tiny.batch()
    other.input_ids[~other.real] = 9
    tap = Tap(Site.HIDDEN, 1)
    before, after = captured(model, batch, tap)[tap], captured(model, other, tap)[tap]
    torch.testing.assert_close(before[batch.real], after[batch.real], **CLOSE)


@every_family
def test_an_empty_capture_is_an_error(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that never runs would make its loss silently zero."""
    model, batch = ready(family), tiny.batch()
    layer = layers_of(model)[0]
    unused = torch.nn.Linear(2, 2)
    monkeypatch.setattr(layer, "get_submodule", lambda _name: unused)
    with Capture(model, [Tap(Site.VALUE, 0)]) as capture, pytest.raises(TrainingError) as raised:
        capture(batch)
    assert str(raised.value) == (
        f"tap value[0] of a {family}: nothing was captured; a loss on it would silently be "
        "zero\n  fix: check the family's row in zoo/models/anatomy.py"
    )


def test_hooks_are_taken_off_even_after_an_error() -> None:
    """A closed capture leaves the model as it was."""
    model = ready("bert")
    with pytest.raises(KeyError), Capture(model, [EMBEDDINGS, Tap(Site.CONTEXT, 1)]):
        raise KeyError
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_gradients_flow_through_what_is_captured() -> None:
    """A loss on hidden states trains the layers below, and none above."""
    model = ready("bert")
    with Capture(model, [Tap(Site.HIDDEN, 0)]) as capture:
        capture(tiny.batch())[Tap(Site.HIDDEN, 0)].square().sum().backward()
    first, second = layers_of(model)
    assert all(p.grad is not None for p in first.parameters())
    assert all(p.grad is None for p in second.parameters())


@pytest.mark.parametrize(
    ("task", "layout", "shape"),
    [
        ("inference", Layout.CLASSES, (3, 3)),
        ("similarity", Layout.VALUE, (3, 1)),
        ("span", Layout.SPAN, (3, 7, 2)),
        (None, Layout.TOKENS, (3, 7, 600)),
    ],
)
@every_family
def test_logits_are_laid_out_as_the_batch_says(
    family: str, task: str | None, layout: Layout, shape: tuple[int, ...]
) -> None:
    """Every head of every family; spans are start and end side by side."""
    model, batch = ready(family, task), tiny.batch(layout)
    assert captured(model, batch, LOGITS)[LOGITS].shape == shape
    if layout is Layout.SPAN:
        with torch.no_grad():
            output = model(**model_inputs(model, batch))
        assert torch.equal(logits_of(output, layout)[..., 1], output.end_logits)
