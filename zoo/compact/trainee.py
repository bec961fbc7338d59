"""A teacher's copy between compactors: opened, given masks, and asked for those it ends with."""

import copy

import torch
from torch import Tensor
from transformers import PreTrainedModel

from zoo.compact.compactors import insert
from zoo.compact.fuse import MaskedParameter
from zoo.compact.groups import places_of
from zoo.compact.ledger import Ledger, Masks, select
from zoo.compact.schedule import ENOUGH, Schedule
from zoo.tensors.precision import full

LEDGER = "compaction"
"""The name under which a trainee holds its ledger."""


def open_trainee(teacher: PreTrainedModel, rows: int) -> PreTrainedModel:
    """A copy of a masked language model between identity compactors, all dimensions kept."""
    trainee = copy.deepcopy(teacher)
    insert(trainee, places_of(trainee))
    trainee.add_module(LEDGER, Ledger(trainee, rows))
    return trainee


def ledger_of(trainee: PreTrainedModel) -> Ledger:
    """The trainee's masks and their history."""
    ledger = trainee.get_submodule(LEDGER)
    assert isinstance(ledger, Ledger)
    return ledger


def update(trainee: PreTrainedModel, schedule: Schedule, step: int) -> None:
    """Choose the masks of a step that ends a window, note them and put them in force."""
    ledger, number = ledger_of(trainee), step // schedule.window
    masks = select(trainee, ledger.groups, schedule, number)
    ledger.note(trainee, masks, number, step)
    ledger.put(trainee, masks)


def pieces(trainee: PreTrainedModel, step: int) -> list[MaskedParameter]:
    """Every parameter under a mask, at an optimiser step."""
    ledger = ledger_of(trainee)
    ledger.step.fill_(step)
    return [
        MaskedParameter(
            trainee.get_parameter(member.parameter), ledger.get_buffer(group.key), member.axis
        )
        for group in ledger.groups
        for member in group.members
    ]


def largest_cut(trainee: PreTrainedModel, schedule: Schedule) -> float:
    """The largest norm of a pruned row or column of a compactor, beside the mean of those kept."""
    masks = final_masks(trainee, schedule)
    shares = [
        _cut_share(trainee.get_parameter(member.parameter), masks[group.key], member.axis)
        for group in ledger_of(trainee).groups
        for member in group.members
    ]
    return float(torch.stack(shares).max())


def _cut_share(parameter: Tensor, mask: Tensor, axis: int) -> Tensor:
    """0 for vectors: what they hold at pruned places reaches nothing that is kept."""
    if parameter.ndim == 1 or bool(mask.all()):
        return torch.zeros((), device=parameter.device)
    norms = torch.linalg.vector_norm(full(parameter.detach()), dim=1 - axis)
    share: Tensor = norms[~mask].max() / norms[mask].mean()
    return share


def final_masks(trainee: PreTrainedModel, schedule: Schedule) -> Masks:
    """The masks in force; where they do not leave the student's size yet, those that do.

    A choice: a training that ends before its schedule does is cut to size all the same, and its
    report says how large the entries are that fall away.
    """
    ledger = ledger_of(trainee)
    final = select(trainee, ledger.groups, schedule, ENOUGH)
    return {
        key: mask if int(mask.sum()) == int(final[key].sum()) else final[key]
        for key, mask in ledger.masks.items()
    }
