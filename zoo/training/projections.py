"""Projections learnt by corpus stages: stored next to the weights, never inside a student."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from zoo.errors import CheckpointError, Problem
from zoo.models.identity import read_identity
from zoo.paths import file_sha256, projections_beside, write_file


def save_projections(weights: Path, learnt: Mapping[str, Tensor], digest: str) -> str:
    """Save projections next to the weights that they were learnt with, `digest` being theirs.

    Keys are `<projection>.weight` (teacher's width, student's width) and `<projection>.bias`.
    Returns the sha256 of the file, which the weights' checkpoint names.
    """
    tensors = {name: tensor.contiguous().cpu() for name, tensor in learnt.items()}
    content = save(tensors, {"digest": digest})
    write_file(projections_beside(weights), content)
    return hashlib.sha256(content).hexdigest()


def load_projections(weights: Path) -> dict[str, Tensor]:
    """The projections stored next to some weights.

    Raises:
        CheckpointError: they are missing, other bytes than were saved, or were learnt with other
            weights.
    """
    path = projections_beside(weights)
    remedy = "build the entry that learnt them again with `zoo run`"
    try:
        with safe_open(path, framework="pt") as file:
            made_with = (file.metadata() or {}).get("digest", "unknown weights")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        given = f"the projections are unreadable: {str(error).splitlines()[0]}"
        raise CheckpointError(Problem(str(path), given, remedy=remedy)) from error
    identity = read_identity(weights)
    if made_with != identity.digest:
        given = f"these projections were learnt with {made_with}"
        raise CheckpointError(Problem(str(path), given, f"those of {identity.digest}", remedy))
    if file_sha256(path) != identity.projections:
        given = "these projections have changed since they were saved"
        allowed = f"the file whose sha256 is listed in {weights.name}/zoo.json"
        raise CheckpointError(Problem(str(path), given, allowed, remedy))
    return tensors


def take_up(projections: nn.ModuleDict, learnt: Mapping[str, Tensor]) -> None:
    """Begin each projection as the learnt one of its name, where one has its widths."""
    for name, projection in projections.items():
        begins = {key: learnt.get(f"{name}.{key}") for key in projection.state_dict()}
        fitting = {
            key: tensor
            for key, tensor in begins.items()
            if tensor is not None and tensor.shape == projection.get_parameter(key).shape
        }
        if fitting.keys() == begins.keys():
            projection.load_state_dict(fitting)
