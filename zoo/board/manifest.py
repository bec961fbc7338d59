"""The manifest: hashes of all published files of a suite that are not regenerated.

Only publishing writes it, so an edited, added or removed record is detected.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from zoo.errors import Problem, ZooError
from zoo.files import MISSING, read_file, unreadable
from zoo.paths import Project, file_sha256
from zoo.records.measured import RECORD_SCHEMA
from zoo.spec.base import Sha256

BOARD_MANIFEST = "manifest.json"
_FOLDERS = ("records", "predictions", "samples")
_Hashes = dict[str, Sha256]
_ADAPTER = TypeAdapter(_Hashes)
_LISTED = 20


def manifest_text(files: Mapping[str, str | bytes]) -> str:
    """The manifest of published files, by path relative to the suite's results."""
    hashes = {
        name: hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()
        for name, text in files.items()
        if _is_held(Path(name))
    }
    return json.dumps(hashes, indent=0, sort_keys=True) + "\n"


def refuse_edited(project: Project, folder: Path) -> None:
    """Check that a suite's published files are unchanged.

    Results published before manifests were introduced have none.

    Raises:
        ZooError: files were edited, added or removed since publication.
    """
    path = folder / BOARD_MANIFEST
    found = sorted(
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if file.is_file() and _is_held(file.relative_to(folder))
    )
    if unreadable(path) == MISSING:
        _refuse_without(project, folder, found)
        return
    where, remedy = project.relative(path), "restore it from git"
    content = read_file(path, shown=where, remedy=remedy)
    try:
        stated = _ADAPTER.validate_json(content)
    except ValidationError as error:
        raise ZooError(Problem(where, "not a manifest", remedy=remedy)) from error
    given = {
        name: "published, but missing"
        if name not in found
        else "added by hand"
        if name not in stated
        else "modified after publication"
        for name in sorted({*stated, *found})
        if name not in found or name not in stated or file_sha256(folder / name) != stated[name]
    }
    _refuse({project.relative(folder / name): why for name, why in given.items()})


def _refuse_without(project: Project, folder: Path, found: list[str]) -> None:
    mark = f'"schema_version": {RECORD_SCHEMA}'.encode()
    new = [
        name
        for name in found
        if name.startswith("records/") and mark in (folder / name).read_bytes()
    ]
    _refuse({project.relative(folder / name): f"not covered by a {BOARD_MANIFEST}" for name in new})


def _refuse(given: Mapping[str, str]) -> None:
    if given:
        remedy = "restore it from git; only `zoo publish` may change numbers"
        problems = [Problem(where, why, remedy=remedy) for where, why in given.items()]
        rest = len(problems) - _LISTED
        more = (Problem("results", f"and {rest} more files like these"),) if rest > 0 else ()
        raise ZooError(*problems[:_LISTED], *more)


def _is_held(path: Path) -> bool:
    """Records, predictions and samples, also of studies; tables are regenerated from them."""
    parts = path.parts[2:] if path.parts[0] == "studies" else path.parts
    return bool(parts) and parts[0] in _FOLDERS and not any(p.startswith(".") for p in parts)
