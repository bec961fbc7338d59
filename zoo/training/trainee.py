"""What a phase does to the model it trains and to its batches before the first step."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from torch import nn
from transformers import PreTrainedModel

from zoo.distil.stage import Data, Stage
from zoo.models.anatomy import part_parameters
from zoo.models.attention import attend_cheaply
from zoo.models.dropout import Dropout
from zoo.tensors.batch import Batch


def freeze(trainee: PreTrainedModel, stage: Stage) -> None:
    """Take the stage's frozen parts out of training."""
    for part in stage.frozen:
        for parameter in part_parameters(trainee, part):
            parameter.requires_grad_(False)


def part_paces(trainee: PreTrainedModel, stage: Stage) -> dict[int, float]:
    """What learning rates are multiplied with where the stage has paces, by parameter identity."""
    return {
        id(parameter): pace
        for part, pace in stage.paces.items()
        for parameter in part_parameters(trainee, part)
    }


def set_dropout(model: nn.Module, rate: float | None) -> None:
    """Set every dropout to `rate`; the model keeps its own values when it is None."""
    if rate is not None:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = rate


def draw_cheaply(model: PreTrainedModel) -> None:
    """Let a model that is about to be trained drop out by `dropped`, everywhere."""
    for module in [*model.modules()]:
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p).train(child.training))
    attend_cheaply(model)


def make_projections(
    stages: Iterable[Stage], student_width: int, teacher_width: Callable[[Data], int]
) -> nn.ModuleDict:
    """The linear maps that the terms name, from the student's width to the teacher's.

    All stages of a training share them. Between equal widths they start as the identity (a
    choice: no source says), else as torch starts a linear map.
    """
    wanted: dict[str, Data] = {}
    for stage in stages:
        wanted |= {term.project: stage.data for term in stage.terms if term.project is not None}
    return nn.ModuleDict(
        {name: _projection(student_width, teacher_width(wanted[name])) for name in sorted(wanted)}
    )


def _projection(width: int, teacher_width: int) -> nn.Linear:
    made = nn.Linear(width, teacher_width)
    if width == teacher_width:
        nn.init.eye_(made.weight)
        nn.init.zeros_(made.bias)
    return made


def cut(batch: Batch, parts: int) -> Iterator[Batch]:
    """The rows of a batch in order, in `parts` parts or fewer."""
    whole = len(batch.input_ids)
    size = -(-whole // parts)
    for start in range(0, whole, size):
        yield rows_of(batch, slice(start, start + size))


def rows_of(batch: Batch, rows: slice) -> Batch:
    """Some rows of a batch, as long as they are in it."""
    return replace(
        batch,
        input_ids=batch.input_ids[rows],
        attention_mask=batch.attention_mask[rows],
        token_type_ids=batch.token_type_ids[rows],
        labels=batch.labels[rows],
        answerable=None if batch.answerable is None else batch.answerable[rows],
        rows=batch.rows[rows],
    )
