"""Replaceable modules are the predecessor, the successors, or a mix that the rate decides."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.optim import AdamW
from transformers import PreTrainedModel

from tests import tiny
from zoo.distil.replaceable import Replaceable, set_rate, with_modules, with_successors
from zoo.distil.replacement import Replacement
from zoo.distil.surgery import Seat, StageProgress
from zoo.models.anatomy import embeddings_of, layers_of, part_parameters
from zoo.models.build import Head, load_weights, shape_of
from zoo.models.capture import Capture
from zoo.models.tap import LOGITS, Site, Tap
from zoo.spec.task import TASKS
from zoo.training.trainee import set_dropout

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
DEPTH = tiny.STUDENT.layers


def teacher(family: str = "bert", task: str = "sentiment") -> PreTrainedModel:
    shape = tiny.TEACHER.model_copy(update={"family": family})
    return tiny.frozen(tiny.model(shape, task, seed=7))


def student(family: str = "bert", task: str = "sentiment") -> PreTrainedModel:
    return tiny.model(tiny.STUDENT.model_copy(update={"family": family}), task, seed=1)


def training(model: PreTrainedModel) -> PreTrainedModel:
    """In training, but without the noise of dropout."""
    set_dropout(model, 0.0)
    return model.train()


def logits(model: PreTrainedModel) -> Tensor:
    with torch.no_grad(), Capture(model, [LOGITS]) as capture:
        return capture(tiny.batch())[LOGITS]


def modules(trainee: PreTrainedModel) -> list[Replaceable]:
    found = [module for module in layers_of(trainee) if isinstance(module, Replaceable)]
    assert len(found) == DEPTH
    return found


@every_family
def test_rate_0_is_the_predecessor(family: str) -> None:
    """methods.md 5.8, invariant 1: p = 0 equals the predecessor exactly, in every family."""
    whole = teacher(family)
    trainee = training(with_modules(whole, DEPTH))
    set_rate(trainee, 0.0)
    assert torch.equal(logits(trainee), logits(whole))


@every_family
def test_rate_1_is_the_short_model(family: str) -> None:
    """Invariant 2: p = 1 equals the M-layer model: the teacher's ends around its first layers."""
    whole = teacher(family)
    trainee = training(with_modules(whole, DEPTH))
    set_rate(trainee, 1.0)
    short = student(family)
    state = {key: whole.state_dict()[key] for key in short.state_dict()}
    short.load_state_dict(state)
    assert torch.equal(logits(trainee), logits(short.eval()))


@every_family
def test_evaluation_uses_successors(family: str) -> None:
    """Invariant 4: in evaluation the rate does not matter, and nothing is drawn."""
    trainee = with_modules(teacher(family), DEPTH).eval()
    set_rate(trainee, 0.0)
    before = torch.get_rng_state()
    found = logits(trainee)
    assert torch.equal(torch.get_rng_state(), before)
    set_rate(training(trainee), 1.0)
    assert torch.equal(found, logits(trainee))


@every_family
def test_successors_start_as_the_student(family: str) -> None:
    """Asked for, they are the student's layers bit for bit; ends stay the teacher's."""
    whole, ours = teacher(family), student(family)
    model = with_successors(with_modules(whole, DEPTH, ours))
    assert tiny.same_weights(layers_of(model), layers_of(ours))
    assert tiny.same_weights(embeddings_of(model), embeddings_of(whole))
    assert all(
        torch.equal(mine, theirs)
        for mine, theirs in zip(
            part_parameters(model, "head"), part_parameters(whole, "head"), strict=True
        )
    )


@every_family
def test_closing_leaves_a_plain_model(family: str, tmp_path: Path) -> None:
    """It has a student's class, shape and names, loads as one, and the teacher stays as it was."""
    whole = teacher(family)
    before = tiny.weights(whole)
    model = with_successors(with_modules(whole, DEPTH))
    plain = student(family)
    assert type(model) is type(plain)
    assert shape_of(model.config) == shape_of(plain.config)
    assert model.state_dict().keys() == plain.state_dict().keys()
    model.save_pretrained(tmp_path)
    loaded = load_weights(tmp_path, Head(TASKS["sentiment"]), seed=0)
    assert torch.equal(logits(loaded.eval()), logits(model.eval()))
    assert shape_of(whole.config).layers == tiny.TEACHER.layers
    assert all(torch.equal(tensor, whole.state_dict()[key]) for key, tensor in before.items())
    assert not any(parameter.requires_grad for parameter in whole.parameters())


def test_a_module_is_used_at_its_rate() -> None:
    """Invariant 5: each module's successor is used in a share p of many forwards, on its own."""
    trainee = training(with_modules(teacher(), DEPTH))
    set_rate(trainee, 0.3)
    used = torch.zeros(2, 2)
    calls: list[int] = []
    for index, module in enumerate(modules(trainee)):
        module.successor.register_forward_hook(lambda *_, index=index: calls.append(index))
    batch = tiny.batch(rows=1, length=2)
    torch.manual_seed(0)
    draws = 1500
    with torch.no_grad(), Capture(trainee, [Tap(Site.HIDDEN, 1)]) as capture:
        for _ in range(draws):
            calls.clear()
            capture(batch)
            used[int(0 in calls), int(1 in calls)] += 1
    expected = torch.tensor([[0.49, 0.21], [0.21, 0.09]])
    # Four standard deviations of the largest share.
    assert torch.allclose(used / draws, expected, atol=4 * 0.5 / draws**0.5)


def test_only_successors_ask_for_gradients() -> None:
    """Invariant 6: embeddings, head and predecessors take no part in training."""
    trainee = with_modules(teacher(), DEPTH)
    asking = {id(p) for p in trainee.parameters() if p.requires_grad}
    assert asking == {id(p) for module in modules(trainee) for p in module.successor.parameters()}


@pytest.mark.parametrize("bf16", [False, True])
def test_a_step_without_successors_goes_backward(bf16: bool) -> None:
    """With all modules on their predecessors there is a graph, and nothing gets a gradient."""
    trainee = training(with_modules(teacher(), DEPTH))
    set_rate(trainee, 0.0)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)
    with Capture(trainee, [LOGITS]) as capture, autocast:
        found = capture(tiny.batch())[LOGITS]
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None for parameter in trainee.parameters())


def test_the_rate_is_part_of_the_state() -> None:
    """A saved state brings the rate back to the bit, as resuming needs."""
    first, second = with_modules(teacher(), DEPTH), with_modules(teacher(), DEPTH)
    set_rate(first, 0.1 + 0.2)
    second.load_state_dict(first.state_dict())
    assert [module.rate for module in modules(second)] == [0.1 + 0.2] * DEPTH


@pytest.mark.parametrize(
    ("surgery", "expected"),
    [
        (Replacement("predecessor", 0.3, slope=0.0006), {1: 0.3, 501: 0.6, 1168: 1.0, 5000: 1.0}),
        (Replacement("predecessor", 0.3), {1: 0.3, 5001: 0.65, 10001: 1.0}),
        (Replacement("predecessor", 0.2, full_after=0.5), {1: 0.2, 2501: 0.6, 5001: 1.0}),
        (Replacement("predecessor", 0.5, slope=0.0), {1: 0.5, 10000: 0.5}),
    ],
)
def test_rates_follow_the_schedule(surgery: Replacement, expected: dict[int, float]) -> None:
    """p(s) = min(1, k (s - 1) + b) (methods.md 10.9), k stated, derived or 0."""
    found = {step: surgery.rate(step, 10000) for step in expected}
    assert found == pytest.approx(expected)


def test_an_edit_sets_the_next_step() -> None:
    """Step 1 draws with b; after its edit the rate is that of step 2."""
    surgery = Replacement("predecessor", 0.3, slope=0.05)
    trainee = surgery.open(Seat(student(), teacher))
    rates = [modules(trainee)[0].rate]
    optimiser = AdamW([p for p in trainee.parameters() if p.requires_grad])
    for step in (1, 2, 3):
        surgery.edit(trainee, optimiser, StageProgress(step, 100))
        rates.append(modules(trainee)[1].rate)
    assert rates == pytest.approx([0.3, 0.35, 0.4, 0.45])
