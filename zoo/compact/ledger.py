"""What a trainee remembers of its masks: which are in force, and how they came about."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from zoo.compact.compactors import MaskedNorm
from zoo.compact.groups import Group, groups_of, places_of
from zoo.compact.schedule import Schedule
from zoo.compact.selection import column_norms, kept

Masks = Mapping[str, Tensor]
"""(N,) booleans by the key of the group: True where a dimension is kept."""
MEASURES = ("kept", "smallest_kept", "largest_pruned", "stable", "largest_entry")


class Ledger(nn.Module):
    """Buffers of fixed shapes, so that a saved state holds the masks and their history.

    The first `rows` - 1 updates are noted one by one; later ones overwrite the last row.
    """

    step: Tensor
    steps: Tensor
    measures: Tensor
    norms: Tensor
    columns: Tensor

    def __init__(self, trainee: PreTrainedModel, rows: int) -> None:
        super().__init__()
        self.groups = groups_of(places_of(trainee))
        device = trainee.device
        for group in self.groups:
            size = len(trainee.get_parameter(group.measured))
            self.register_buffer(group.key, torch.ones(size, dtype=torch.bool, device=device))
        width = len(self.get_buffer(self.groups[0].key))
        self.register_buffer("step", torch.zeros((), dtype=torch.long, device=device))
        self.register_buffer("steps", torch.zeros(rows, dtype=torch.long, device=device))
        shape = rows, len(self.groups), len(MEASURES)
        self.register_buffer("measures", torch.zeros(shape, device=device))
        self.register_buffer("norms", torch.zeros(rows, width, device=device))
        empty = torch.zeros(rows, width, dtype=torch.bool, device=device)
        self.register_buffer("columns", empty)

    @property
    def masks(self) -> Masks:
        """The masks in force."""
        return {group.key: self.get_buffer(group.key) for group in self.groups}

    @torch.no_grad()
    def put(self, trainee: PreTrainedModel, masks: Masks) -> None:
        """Put masks in force, in the layer norms too."""
        for group in self.groups:
            self.get_buffer(group.key).copy_(masks[group.key])
            for name in group.norms:
                norm = trainee.get_submodule(name)
                assert isinstance(norm, MaskedNorm)
                norm.kept.copy_(masks[group.key])

    @torch.no_grad()
    def note(self, trainee: PreTrainedModel, masks: Masks, update: int, step: int) -> None:
        """Note an update (from 1) that puts `masks` in the place of those in force."""
        row = min(update, len(self.steps)) - 1
        hidden = self.groups[0]
        self.steps[row] = step
        self.measures[row] = self.measured(trainee, masks)
        self.norms[row] = column_norms(trainee.get_parameter(hidden.measured))
        self.columns[row] = masks[hidden.key]

    @torch.no_grad()
    def measured(self, trainee: PreTrainedModel, masks: Masks) -> Tensor:
        """(groups, MEASURES) of masks beside those in force; 0 where nothing is pruned."""
        return torch.stack(
            [
                _measured(trainee, group, masks[group.key], self.get_buffer(group.key))
                for group in self.groups
            ]
        )


def select(trainee: PreTrainedModel, groups: Sequence[Group], schedule: Schedule, n: int) -> Masks:
    """The masks of update n, chosen from scratch by the norms as they are."""
    return {
        group.key: kept(
            column_norms(trainee.get_parameter(group.measured)), schedule.cut(group.name, n)
        )
        for group in groups
    }


def largest_entry(trainee: PreTrainedModel, group: Group, mask: Tensor) -> Tensor:
    """The largest |entry| of the group's compactors that `mask` prunes; scalar."""
    found = torch.zeros((), device=mask.device)
    for name, axis in group.members:
        parameter = trainee.get_parameter(name)
        if parameter.ndim == 2:
            lines = parameter.detach().abs().amax(dim=1 - axis)
            found = torch.maximum(found, lines.masked_fill(mask, 0.0).max())
    return found


def _measured(trainee: PreTrainedModel, group: Group, mask: Tensor, before: Tensor) -> Tensor:
    norms = column_norms(trainee.get_parameter(group.measured))
    count = mask.sum()
    return torch.stack(
        [
            count.to(norms.dtype),
            norms.masked_fill(~mask, torch.inf).min(),
            norms.masked_fill(mask, 0.0).max(),
            (mask & before).sum() / count,
            largest_entry(trainee, group, mask),
        ]
    )
