"""What is merged answers as what was trained."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM, PreTrainedModel

from tests import tiny
from zoo.compact.groups import places_of
from zoo.compact.ledger import Masks, select
from zoo.compact.merge import merged_model
from zoo.compact.schedule import ENOUGH, Schedule, Strategy
from zoo.compact.trainee import ledger_of, open_trainee, pieces
from zoo.models.anatomy import encoder_of
from zoo.models.build import MASKED_LM, Head, build, load_weights, shape_of
from zoo.models.capture import model_inputs
from zoo.spec.shape import Shape
from zoo.spec.task import TASKS

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
HALF: dict[Strategy, Shape] = {
    "dim": tiny.STUDENT.model_copy(update={"hidden": 16, "intermediate": 32}),
    "head": tiny.STUDENT.model_copy(update={"hidden": 16, "intermediate": 32, "heads": 2}),
}


def pruned(family: str, strategy: Strategy) -> tuple[PreTrainedModel, Masks, Shape]:
    """A trainee with random compactors whose masked entries are dead."""
    teacher = tiny.STUDENT.model_copy(update={"family": family})
    shape = HALF[strategy].model_copy(update={"family": family})
    trainee = open_trainee(tiny.frozen(tiny.model(teacher, seed=7)), 3).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in trainee.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        schedule = Schedule(teacher, shape, strategy)
        masks = select(trainee, ledger_of(trainee).groups, schedule, ENOUGH)
        ledger_of(trainee).put(trainee, masks)
        for piece in pieces(trainee, 1):
            piece.parameter.masked_fill_(piece.pruned, 0.0)
    return trainee, masks, shape


@torch.no_grad()
def difference(ours: PreTrainedModel, theirs: PreTrainedModel) -> float:
    """The largest difference of their logits on real positions."""
    batch = tiny.batch()
    logits = [model(**model_inputs(model, batch)).logits for model in (ours.eval(), theirs.eval())]
    return float((logits[0] - logits[1])[batch.real].abs().max())


@every_family
@pytest.mark.parametrize("strategy", ["dim", "head"])
def test_masked_is_merged(family: str, strategy: Strategy) -> None:
    """Invariant 2: within 1e-5 with the rescale; without it only where heads keep their width."""
    trainee, masks, shape = pruned(family, strategy)
    scaled = merged_model(trainee, masks, shape, rescale_query=True)
    assert difference(trainee, scaled) < 1e-5
    plain = difference(trainee, merged_model(trainee, masks, shape, rescale_query=False))
    assert (plain < 1e-5) == (strategy == "head")
    assert strategy == "head" or plain > 0.01


@every_family
def test_masked_is_merged_in_half_precision(family: str) -> None:
    """bf16 autocast: within 0.1, logits going up to 3."""
    trainee, masks, shape = pruned(family, "dim")
    with torch.autocast("cpu", torch.bfloat16):
        assert difference(trainee, merged_model(trainee, masks, shape, rescale_query=True)) < 0.1


def test_what_the_masked_norms_do_is_needed() -> None:
    """With statistics over all dimensions the two would differ, dead entries or not."""
    trainee, masks, shape = pruned("bert", "dim")
    student = merged_model(trainee, masks, shape, rescale_query=True)
    ledger_of(trainee).put(trainee, {key: torch.ones_like(mask) for key, mask in masks.items()})
    assert difference(trainee, student) > 0.01


@every_family
def test_merging_identities_returns_the_teacher(family: str) -> None:
    """Invariant 8: full masks, identity compactors: every tensor to the bit."""
    shape = tiny.STUDENT.model_copy(update={"family": family})
    teacher = tiny.frozen(tiny.model(shape, seed=7))
    trainee = open_trainee(teacher, 3)
    student = merged_model(trainee, ledger_of(trainee).masks, shape, rescale_query=True)
    assert tiny.same_weights(student, teacher)
    decoder, words = student.get_output_embeddings(), student.get_input_embeddings()
    assert decoder.weight.data_ptr() != words.weight.data_ptr()


@every_family
@pytest.mark.parametrize("strategy", ["dim", "head"])
def test_the_student_opens_without_us(family: str, strategy: Strategy, tmp_path: Path) -> None:
    """An ordinary folder: untied, of the declared shape, its encoder under any head the same."""
    trainee, masks, shape = pruned(family, strategy)
    student = merged_model(trainee, masks, shape, rescale_query=True)
    assert shape_of(student.config) == shape
    student.save_pretrained(tmp_path)
    again = AutoModelForMaskedLM.from_pretrained(tmp_path)
    assert tiny.same_weights(again, student)
    assert difference(again, student) < 1e-5
    classifier = load_weights(tmp_path, Head(TASKS["sentiment"]), seed=3)
    ours, theirs = encoder_of(student).state_dict(), encoder_of(classifier).state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    assert {name.partition(".")[0] for name in theirs.keys() - ours.keys()} <= {"pooler"}
    counted = sum(p.numel() for p in encoder_of(student).parameters())
    assert counted == shape.parameters().total


@every_family
def test_settings_of_the_teacher_stay(family: str) -> None:
    """Activation, epsilon, dropout and padding are the teacher's, whatever a shape implies."""
    usual = tiny.STUDENT.model_copy(update={"family": family})
    stated: dict[str, float | str] = {"pad_token_id": 4}
    if family == "distilbert":
        stated |= {"activation": "relu", "attention_dropout": 0.3}
    else:
        stated |= {"hidden_act": "relu", "attention_probs_dropout_prob": 0.3}
        stated |= {"layer_norm_eps": 1e-3}
    teacher = tiny.frozen(build(usual, MASKED_LM, seed=3, **stated))
    trainee = open_trainee(teacher, 3)
    shape = shape_of(teacher.config)
    student = merged_model(trainee, ledger_of(trainee).masks, shape, rescale_query=True)
    assert {name: getattr(student.config, name) for name in stated} == stated
    assert difference(student, teacher) < 1e-6


def test_merging_leaves_the_global_generator() -> None:
    """A resumed training closes finished stages again: random numbers must not notice."""
    trainee, masks, shape = pruned("bert", "dim")
    torch.manual_seed(4)
    expected = torch.rand(2)
    torch.manual_seed(4)
    merged_model(trainee, masks, shape, rescale_query=True)
    assert torch.equal(torch.rand(2), expected)


def published(hidden: int) -> Shape:
    return Shape(
        layers=12, hidden=hidden, heads=12, intermediate=4 * hidden, vocabulary=30522, positions=512
    )


@pytest.mark.parametrize(("hidden", "count"), [(192, 11_297_664), (516, 54_436_968)])
def test_published_sizes(hidden: int, count: int) -> None:
    """Invariant 7: without pooler, by the formula."""
    assert published(hidden).parameters().total == count


@pytest.mark.slow
@pytest.mark.parametrize(("hidden", "count"), [(192, 11_297_664), (516, 54_436_968)])
def test_published_sizes_in_fact(hidden: int, count: int) -> None:
    """Invariant 7: a model of BERT-base's shape merged to the published ones; takes 3 GB."""
    teacher = tiny.frozen(build(published(768), MASKED_LM, seed=0))
    trainee = open_trainee(teacher, 3)
    compactors = sum(
        p.numel() for n, p in trainee.named_parameters() if "left" in n or "right" in n
    )
    assert compactors == 299_630_592
    schedule = Schedule(published(768), published(hidden))
    masks = select(trainee, ledger_of(trainee).groups, schedule, ENOUGH)
    student = merged_model(trainee, masks, published(hidden), rescale_query=True)
    assert sum(p.numel() for p in encoder_of(student).parameters()) == count
    assert places_of(student).decoder == "cls.predictions.decoder"
