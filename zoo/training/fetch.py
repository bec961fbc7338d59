"""Bringing weights that somebody else made: from the hub or a folder, verified."""

import hashlib
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from zoo.disk import cannot_write, no_room
from zoo.errors import CheckpointError, Problem
from zoo.models.build import Head, load_weights, shape_of
from zoo.models.checkpoint import load_tokenizer
from zoo.paths import data_folder
from zoo.spec.shape import Shape
from zoo.spec.teacher import FolderSource, HubSource

_WANTED = ["config.json", "model.safetensors", "tokenizer*.json", "vocab.*", "merges.txt"]


def fetch_source(
    source: HubSource | FolderSource, *, student: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and tokenizer of a source of a teacher or for a student, after every check.

    Raises:
        CheckpointError: it cannot be had, its bytes are others than declared, or its shape is.
    """
    return load_declared(source_folder(source), source.shape, student=student)


def source_folder(source: HubSource | FolderSource) -> Path:
    """Where the files of a source lie on this machine.

    Raises:
        CheckpointError: it cannot be had, or its bytes are others than declared.
    """
    return _downloaded(source) if isinstance(source, HubSource) else _local(source)


def load_declared(
    folder: Path, shape: Shape, *, student: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and tokenizer of a folder; a student's is cut into the heads it wants.

    Raises:
        CheckpointError: it is incomplete, or its shape is not the declared one.
    """
    model = load_weights(folder, _head(folder), seed=0, heads=shape.heads if student else None)
    remedy = (
        "mend the shape in `student`, or take another `start`"
        if student
        else "mend `source.shape` in the teacher's spec"
    )
    _refuse_other_shape(folder, shape, shape_of(model.config), remedy)
    return model, load_tokenizer(folder)


def _head(folder: Path) -> Head:
    """The masked-piece head, with the pooler where one was pretrained: tasks start from it."""
    try:
        with safe_open(folder / "model.safetensors", framework="pt") as weights:
            names = list(weights.keys())
    except (OSError, SafetensorError):
        names = []  # load_weights tells what is wrong with the file
    return Head(pooled=any(".pooler." in name for name in names))


def _downloaded(source: HubSource) -> Path:
    try:
        return Path(snapshot_download(source.id, revision=source.revision, allow_patterns=_WANTED))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        full = no_room(error)
        if full:
            raise CheckpointError(cannot_write(f"{source.id} in the hub's cache", full)) from error
        raise CheckpointError(
            Problem(
                f"{source.id} at {source.revision}",
                f"cannot be fetched from the hub: {str(error).splitlines()[0]}",
                "a model and revision that exist, and a way to reach the hub",
                "go online, or declare `kind: folder`",
            )
        ) from error


def _local(source: FolderSource) -> Path:
    root = data_folder()
    folder = (root or Path()) / source.path
    weights = folder / "model.safetensors"
    if root is None or not weights.is_file():
        given = "ZOO_DATA is not set" if root is None else "there is no model.safetensors here"
        raise CheckpointError(
            Problem(
                str(folder),
                given,
                "a model folder below $ZOO_DATA",
                "set ZOO_DATA, or copy it there",
            )
        )
    found = _sha256(weights)
    if found != source.sha256:
        raise CheckpointError(
            Problem(
                str(weights),
                f"its sha256 is {found}",
                source.sha256,
                "fetch the declared file again, or declare this one",
            )
        )
    return folder


def _sha256(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            whole.update(chunk)
    return whole.hexdigest()


def _refuse_other_shape(folder: Path, declared: Shape, found: Shape, remedy: str) -> None:
    differing = [
        f"{name}: declared {getattr(declared, name)}, found {getattr(found, name)}"
        for name in Shape.model_fields
        if getattr(declared, name) != getattr(found, name)
    ]
    if differing:
        raise CheckpointError(
            Problem(
                str(folder),
                f"its shape is not the declared one; {'; '.join(differing)}",
                remedy=remedy,
            )
        )
