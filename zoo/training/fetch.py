"""Fetching third-party weights: from the hub or a folder, verified."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from zoo.disk import cannot_write, no_room
from zoo.errors import CheckpointError, Problem, at
from zoo.models.anatomy import word_head
from zoo.models.checkpoint import load_tokenizer
from zoo.models.configuration import Head
from zoo.models.load import loaded_weights
from zoo.models.weights import INDEX_FILE, WEIGHTS_FILE, stored_names, weights_sha256
from zoo.paths import data_folder
from zoo.spec.shape import Shape
from zoo.spec.teacher import FolderSource, HubSource
from zoo.training.brought import number_problems, shape_problems, tokenizer_problems

_WANTED = [
    *("config.json", WEIGHTS_FILE, INDEX_FILE, "model-*.safetensors"),
    *("tokenizer*.json", "vocab.*", "merges.txt"),
]


@dataclass(frozen=True)
class Brought:
    """A model and its tokenizer, and the names of parameters that its files do not hold.

    transformers initialises what files lack; untrained parameters are not passed on.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    invented: frozenset[str]


def fetch_source(source: HubSource | FolderSource, *, student: bool = False) -> Brought:
    """What a source of a teacher or for a student holds, after every check.

    Raises:
        CheckpointError: it cannot be had, its bytes are others than declared, or as
            `load_declared`.
    """
    return load_declared(source_folder(source), source.shape, student=student)


def source_folder(source: HubSource | FolderSource) -> Path:
    """Where the files of a source are on this machine.

    Raises:
        CheckpointError: it cannot be had, or its bytes are others than declared.
    """
    return _downloaded(source) if isinstance(source, HubSource) else _local(source)


def load_declared(folder: Path, shape: Shape, *, student: bool) -> Brought:
    """What a folder holds; a student's model is cut into the heads it wants.

    Raises:
        CheckpointError: it is incomplete, its shape is not the declared one, a weight is no
            number, or the tokenizer is not one for this model; all that is wrong at once.
    """
    loaded = loaded_weights(folder, _head(folder), seed=0, heads=shape.heads if student else None)
    model, tokenizer = loaded.model, load_tokenizer(folder)
    remedy = (
        "correct the shape in `student`, or choose another `start`"
        if student
        else "correct `source.shape` in the teacher's spec"
    )
    problems = [
        *shape_problems(folder, model.config, shape, remedy),
        *number_problems(folder, model),
        *tokenizer_problems(folder, tokenizer, model.config),
    ]
    if problems:
        raise CheckpointError(*problems)
    model.config.pad_token_id = tokenizer.pad_token_id
    words = word_head(model)
    # A head of which a part is random answers at random.
    more = words if words & loaded.invented else frozenset[str]()
    return Brought(model, tokenizer, loaded.invented | more)


def _head(folder: Path) -> Head:
    """The masked-language-model head, with the pooler where one was pretrained."""
    return Head(pooled=any(".pooler." in f".{name}" for name in stored_names(folder)))


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
                f"cannot be downloaded from the hub: {str(error).splitlines()[0]}",
                "an existing model and revision, and access to the hub",
                "go online, or declare `kind: folder`",
            )
        ) from error


def _local(source: FolderSource) -> Path:
    root = data_folder()
    folder = (root or Path()) / source.path
    if root is None or not folder.is_dir():
        given = "ZOO_DATA is not set" if root is None else "there is no such folder"
        raise CheckpointError(
            Problem(
                str(folder),
                given,
                "a model folder below $ZOO_DATA",
                "set ZOO_DATA, or copy it there",
            )
        )
    found = weights_sha256(folder)
    if found != source.sha256:
        whole = (folder / WEIGHTS_FILE).is_file()
        raise CheckpointError(
            Problem(
                at(folder / (WEIGHTS_FILE if whole else INDEX_FILE)),
                f"its sha256 is {found}"
                if whole
                else f"the sha256 of what `sha256sum model-*.safetensors` prints is {found}",
                source.sha256,
                "download the declared file again, or declare this one",
            )
        )
    return folder
