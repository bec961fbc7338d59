"""What lies in an export folder: every file by its hash, every model by the run it is of."""

import json
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from zoo.errors import ExportError, Problem
from zoo.paths import file_sha256, write_file
from zoo.spec.base import Sha256, Spec
from zoo.spec.recipe import RunRecipe

EXPORT_MANIFEST = "manifest.json"


class ExportedRun(Spec):
    """The run that an exported model is of."""

    task: str
    seed: int
    declared: Sha256
    """sha256 of the run's resolved spec."""
    digest: Sha256
    """Identity of its weights."""
    weights_sha256: Sha256


class Manifest(Spec):
    """All files of an export folder that the zoo wrote."""

    schema_version: Literal[1] = 1
    suite: str
    entry: str
    files: dict[str, Sha256]
    """By name."""
    models: dict[str, ExportedRun]
    """By the name of the ONNX file."""


def write_manifest(folder: Path, suite: str, entry: str, models: dict[str, ExportedRun]) -> None:
    """Write the manifest of a folder: of its models, and of all that lies beside them."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    files = {name: file_sha256(folder / name) for name in names if name != EXPORT_MANIFEST}
    manifest = Manifest(suite=suite, entry=entry, files=files, models=models)
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
    write_file(folder / EXPORT_MANIFEST, text)


def verified_model(folder: Path, name: str, whose: tuple[str, str], run: RunRecipe) -> str:
    """The sha256 of an exported model, which is that of the run and as it was written.

    `whose` are suite and entry.

    Raises:
        ExportError: there is no manifest, the model is of another run, or its bytes are others.
    """
    manifest = _read(folder)
    found = manifest.models.get(name)
    wanted = (*whose, run.task, run.seed, run.declared)
    stated = found and (manifest.suite, manifest.entry, found.task, found.seed, found.declared)
    sha256 = file_sha256(folder / name)
    if stated != wanted:
        given = "is not in the manifest" if found is None else "is of another run"
    elif manifest.files.get(name) != sha256:
        given = "is not the file that was written here: its bytes have changed"
    else:
        return sha256
    remedy = f"export it again with `zoo run {'/'.join(whose)}`"
    raise ExportError(
        Problem(str(folder / name), f"this model {given}", str(folder / EXPORT_MANIFEST), remedy)
    )


def _read(folder: Path) -> Manifest:
    path = folder / EXPORT_MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        given = "there is no manifest" if isinstance(error, OSError) else "this is no manifest"
        raise ExportError(
            Problem(str(path), given, remedy="export again with `zoo run`")
        ) from error
