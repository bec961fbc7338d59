"""A stage's terms on tiny models in double precision, and what equations are made of."""

import copy
import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tests import tiny
from zoo.distil.method import Kind, Setting
from zoo.distil.stage import Stage
from zoo.models.anatomy import anatomy_of, layers_of
from zoo.models.capture import Capture, Captured
from zoo.models.tap import Tap
from zoo.spec.shape import Shape
from zoo.tensors.batch import Batch, Layout
from zoo.training.trainee import make_projections

TEACHER = Shape(layers=4, hidden=48, heads=12, intermediate=64, vocabulary=600, positions=64)
STUDENT = TEACHER.model_copy(update={"layers": 2, "hidden": 24})
"""Half as deep and half as wide, with as many heads."""
BASE = TEACHER.model_copy(update={"layers": 12, "hidden": 768, "intermediate": 3072})
SMALL = BASE.model_copy(update={"layers": 4, "hidden": 312, "intermediate": 1200})


def with_(shape: Shape, **changes: object) -> Shape:
    """The shape with other sizes, which stay consistent."""
    return Shape.model_validate({**shape.model_dump(), **changes})


def setting(student: Shape, teacher: Shape, kind: Kind = "classification") -> Setting:
    """What a method is asked with."""
    return Setting(student, teacher, kind)


def model(shape: Shape, seed: int, task: str | None = "sentiment") -> PreTrainedModel:
    """A random model without dropout, in double precision."""
    return tiny.model(shape, task, seed).double().eval()


def teacher(shape: Shape = TEACHER, seed: int = 7) -> PreTrainedModel:
    """A random frozen model."""
    return tiny.frozen(model(shape, seed))


def labelled(*labels: int, length: int = 7) -> Batch:
    """A batch of one padded row per label."""
    batch = tiny.batch(Layout.CLASSES, len(labels), length)
    return replace(batch, labels=torch.tensor(labels))


def padded(batch: Batch, by: int = 3) -> Batch:
    """The batch with more padding behind it, full of another piece."""

    def longer(tensor: Tensor, fill: int) -> Tensor:
        return nn.functional.pad(tensor, (0, by), value=fill)

    return replace(
        batch,
        input_ids=longer(batch.input_ids, 17),
        attention_mask=longer(batch.attention_mask, 0),
        token_type_ids=longer(batch.token_type_ids, 0),
    )


def reordered(batch: Batch, order: list[int]) -> Batch:
    """The batch's rows in another order."""
    return replace(
        batch,
        input_ids=batch.input_ids[order],
        attention_mask=batch.attention_mask[order],
        token_type_ids=batch.token_type_ids[order],
        labels=batch.labels[order],
    )


def projections(stages: tuple[Stage, ...], student: Shape, teacher: Shape) -> nn.ModuleDict:
    """The learnt maps of the stages as training begins with them."""
    torch.manual_seed(3)
    return make_projections(stages, student.hidden, lambda _data: teacher.hidden).double()


def captured(made: PreTrainedModel, batch: Batch, taps: set[Tap]) -> Captured:
    """What stands at the taps."""
    with Capture(made, taps) as capture:
        return capture(batch)


def values(
    stage: Stage,
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    batch: Batch,
    maps: nn.ModuleDict | None = None,
) -> dict[str, Tensor]:
    """Each term's value, unweighted, as the training loop takes it."""
    ours = captured(student, batch, {term.student for term in stage.terms})
    theirs = captured(teacher, batch, {term.teacher for term in stage.terms if term.teacher})
    found = {}
    for term in stage.terms:
        place = ours[term.student]
        if term.project is not None:
            assert maps is not None
            place = maps[term.project](place)
        target = batch.labels if term.teacher is None else theirs[term.teacher]
        found[term.name] = term.loss(place, target, batch)
    return found


def plain(found: dict[str, Tensor]) -> dict[str, float]:
    """The values as numbers."""
    return {name: float(value.detach()) for name, value in found.items()}


def backward(found: dict[str, Tensor]) -> None:
    """Gradients of the sum of all terms."""
    torch.stack(list(found.values())).sum().backward()


def largest_gradient(*modules: nn.Module) -> float:
    """The largest gradient of any parameter; 0 where there is none."""
    gradients = [p.grad for module in modules for p in module.parameters() if p.grad is not None]
    return max((float(gradient.abs().max()) for gradient in gradients), default=0.0)


def untouched(parameters: list[nn.Parameter]) -> bool:
    """Whether none of some parameters got a gradient."""
    assert parameters
    return all(parameter.grad is None for parameter in parameters)


def with_heads_in_order(made: PreTrainedModel, layer: int, order: list[int]) -> PreTrainedModel:
    """A copy that computes the same, with the heads of one layer in another order."""
    other = copy.deepcopy(made)
    anatomy, block = anatomy_of(other), layers_of(other)[layer]
    output = block.get_submodule(anatomy.attention_output)
    width = output.weight.shape[1] // len(order)
    units = [head * width + unit for head in order for unit in range(width)]
    with torch.no_grad():
        for name in (anatomy.query, anatomy.key, anatomy.value):
            part = block.get_submodule(name)
            part.weight.copy_(part.weight[units])
            part.bias.copy_(part.bias[units])
        output.weight.copy_(output.weight[:, units])
    return other


def relation(vectors: Tensor) -> Tensor:
    """softmax(X X^T / sqrt(d)) of (n, d) vectors."""
    return (vectors @ vectors.T / math.sqrt(vectors.shape[1])).softmax(dim=-1)


def divergence(teacher: Tensor, student: Tensor) -> float:
    """sum_i sum_j p_ij (log p_ij - log q_ij), the teacher's p first."""
    return float((teacher * (teacher.log() - student.log())).sum().detach())


def slices(states: Tensor, parts: int) -> list[Tensor]:
    """(n, H) cut into `parts` of (n, H / parts)."""
    width = states.shape[1] // parts
    return [states[:, part * width : (part + 1) * width] for part in range(parts)]
