"""What a checkpoint is, and whether its bytes are those it was saved with.

Nothing here needs PyTorch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from zoo.errors import CheckpointError, Problem
from zoo.files import MISSING, read_file, unreadable
from zoo.paths import file_sha256
from zoo.spec.base import Inputs, Sha256, Spec, digest
from zoo.spec.recipe import RunRecipe

IDENTITY_FILE = "zoo.json"
REBUILD = "build it with `zoo run`, or `dvc checkout --force` to restore it"


TrainingStage = Literal["pretrained", "transferred", "trained"]


class Identity(Spec):
    """What a checkpoint is: its place in the zoo, what made it, its bytes."""

    schema_version: Literal[2] = 2
    suite: str
    entry: str
    stage: TrainingStage
    task: str | None = None
    seed: int
    declared: Sha256
    """sha256 of the resolved spec."""
    digest: Sha256
    """Identity of the weights: of the recipe and the content of all that it was made of."""
    inputs: Inputs
    """What it was made of."""
    files: dict[str, Sha256] = Field(default_factory=dict)
    """Every other file of the folder."""
    projections: Sha256 | None = None
    """Of the projections beside the folder, where some were learnt with it."""

    def beside(self, projections: str) -> "Identity":
        """The same checkpoint with projections beside it."""
        return self.model_copy(update={"projections": projections})

    @property
    def files_sha256(self) -> str:
        """Of all its bytes: the same recipe on another machine may give others."""
        return digest(self.files)

    @property
    def weights_sha256(self) -> str:
        """Of the weights: of their file, or of several by their names."""
        weights = {k: v for k, v in self.files.items() if k.endswith(".safetensors")}
        return next(iter(weights.values())) if len(weights) == 1 else digest(weights)


@dataclass(frozen=True)
class Wanted:
    """What the reader of a checkpoint expects."""

    suite: str
    entry: str
    stage: TrainingStage
    declared: str
    task: str | None = None
    seed: int | None = None
    """None where any will do: what is pretrained is declared with its seed."""

    @classmethod
    def run(cls, suite: str, entry: str, run: RunRecipe) -> "Wanted":
        """The checkpoint of a run that is to be measured."""
        return cls(suite, entry, "trained", run.declared, run.task, run.seed)


def verified(folder: Path, wanted: Wanted | None = None) -> Identity:
    """The identity of a checkpoint whose files are those that it was saved with.

    Raises:
        CheckpointError: it is not one of the zoo's, not the wanted one, or its bytes are others.
    """
    identity = read_identity(folder)
    _refuse_another(folder, identity, wanted)
    found = hashed_files(folder)
    differing = [
        f"{name} {'is missing' if name not in found else 'has changed'}"
        for name, sha256 in identity.files.items()
        if found.get(name) != sha256
    ]
    added = [f"{name} was added" for name in found if name not in identity.files]
    if differing or added:
        raise CheckpointError(
            Problem(
                str(folder),
                f"its files have changed since it was saved: {', '.join((*differing, *added))}",
                f"the files whose sha256 are listed in its {IDENTITY_FILE}",
                REBUILD,
            )
        )
    return identity


def _refuse_another(folder: Path, identity: Identity, wanted: Wanted | None) -> None:
    stated = vars(wanted) if wanted else {}
    differing = {
        name: value
        for name, value in stated.items()
        if getattr(identity, name) != value and not (name == "seed" and value is None)
    }
    if differing:
        raise CheckpointError(
            Problem(
                str(folder),
                "this is a different checkpoint: "
                + ", ".join(f"{name} {_short(getattr(identity, name))}" for name in differing),
                ", ".join(f"{name} {_short(value)}" for name, value in differing.items()),
                "its spec has changed, or it was copied here; rebuild it with `zoo run`, or with "
                "`dvc repro --force` if DVC considers it up to date",
            )
        )


def _short(value: object) -> str:
    """A hash by its beginning, and anything else whole."""
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 else text


def hashed_files(folder: Path) -> dict[str, str]:
    """sha256 of every file of a checkpoint but the one that holds them; hidden files excluded."""
    return {
        path.name: file_sha256(path)
        for path in sorted(folder.glob("[!.]*"))
        if path.is_file() and path.name != IDENTITY_FILE
    }


def read_identity(folder: Path) -> Identity:
    """The zoo.json of a checkpoint.

    Raises:
        CheckpointError: there is none, or it is not ours.
    """
    path = folder / IDENTITY_FILE
    if unreadable(path) == MISSING:
        given = "this checkpoint is missing or not one of the zoo's"
        raise CheckpointError(Problem(str(path), given, remedy=REBUILD))
    content = read_file(path, remedy=REBUILD, error=CheckpointError)
    try:
        return Identity.model_validate_json(content)
    except ValidationError as error:
        given = f"not an identity of a checkpoint: {error.errors()[0]['msg']}"
        raise CheckpointError(Problem(str(path), given, remedy=REBUILD)) from error
