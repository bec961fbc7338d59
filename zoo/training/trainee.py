"""What a phase does to the model it trains and to its batches before the first step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from torch import nn
from transformers import PreTrainedModel

from zoo.distil.stage import Stage
from zoo.distil.term import Term
from zoo.losses.batch import Batch
from zoo.models.anatomy import part_parameters


def freeze(trainee: PreTrainedModel, stage: Stage) -> None:
    """Take the stage's frozen parts out of training."""
    for part in stage.frozen:
        for parameter in part_parameters(trainee, part):
            parameter.requires_grad_(False)


def set_dropout(model: nn.Module, rate: float | None) -> None:
    """Set every dropout to `rate`; the model keeps its own values when it is None."""
    if rate is not None:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = rate


def make_projections(
    terms: Sequence[Term], trainee: PreTrainedModel, teacher_width: Callable[[], int]
) -> nn.ModuleDict:
    """The linear maps that the terms name, from the student's width to the teacher's."""
    names = sorted({term.project for term in terms if term.project is not None})
    width = int(trainee.config.hidden_size)
    return nn.ModuleDict({name: nn.Linear(width, teacher_width()) for name in names})


def cut(batch: Batch, parts: int) -> Iterator[tuple[Batch, float]]:
    """The batch in `parts` parts or fewer, each with its share of the sequences."""
    whole = len(batch.input_ids)
    size = -(-whole // parts)
    for start in range(0, whole, size):
        rows = slice(start, start + size)
        part = replace(
            batch,
            input_ids=batch.input_ids[rows],
            attention_mask=batch.attention_mask[rows],
            token_type_ids=batch.token_type_ids[rows],
            labels=batch.labels[rows],
            answerable=None if batch.answerable is None else batch.answerable[rows],
            rows=batch.rows[rows],
        )
        yield part, len(part.input_ids) / whole
