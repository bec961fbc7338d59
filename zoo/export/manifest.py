"""The contents of an export folder: every file with its hash, every model with its run."""

import json
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from zoo.errors import ExportError, Problem
from zoo.files import MISSING, read_file, unreadable
from zoo.paths import file_sha256, write_file
from zoo.spec.base import Sha256, Spec
from zoo.spec.recipe import RunRecipe

EXPORT_MANIFEST = "manifest.json"


class ExportedRun(Spec):
    """The run of an exported model."""

    task: str
    seed: int
    declared: Sha256
    """The sha256 of the run's resolved spec."""
    digest: Sha256
    """The identity of its weights."""
    weights_sha256: Sha256


class Manifest(Spec):
    """All files that the zoo wrote to an export folder."""

    schema_version: Literal[1] = 1
    suite: str
    entry: str
    files: dict[str, Sha256]
    """The sha256 of each file, by name."""
    models: dict[str, ExportedRun]
    """The run of each model, by name of the ONNX file."""


def write_manifest(folder: Path, suite: str, entry: str, models: dict[str, ExportedRun]) -> None:
    """Write the manifest of a folder: its models and all other files."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    files = {name: file_sha256(folder / name) for name in names if name != EXPORT_MANIFEST}
    manifest = Manifest(suite=suite, entry=entry, files=files, models=models)
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
    write_file(folder / EXPORT_MANIFEST, text)


def verified_model(folder: Path, name: str, whose: tuple[str, str], run: RunRecipe) -> str:
    """The sha256 of an exported model, verified to be unmodified and of the expected run.

    `whose` are suite and entry.

    Raises:
        ExportError: the manifest is missing, or the model is of another run or modified.
    """
    manifest = _read(folder)
    found = manifest.models.get(name)
    wanted = (*whose, run.task, run.seed, run.declared)
    stated = found and (manifest.suite, manifest.entry, found.task, found.seed, found.declared)
    sha256 = file_sha256(folder / name)
    if stated != wanted:
        given = "is not in the manifest" if found is None else "belongs to another run"
    elif manifest.files.get(name) != sha256:
        given = "was modified after it was written"
    else:
        return sha256
    remedy = f"export it again with `zoo run {'/'.join(whose)}`"
    raise ExportError(
        Problem(str(folder / name), f"this model {given}", str(folder / EXPORT_MANIFEST), remedy)
    )


def _read(folder: Path) -> Manifest:
    path = folder / EXPORT_MANIFEST
    remedy = "export again with `zoo run`"
    if unreadable(path) == MISSING:
        raise ExportError(Problem(str(path), "manifest not found", remedy=remedy))
    content = read_file(path, remedy=remedy, error=ExportError)
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise ExportError(Problem(str(path), "not a manifest", remedy=remedy)) from error
