"""Weights that exist before an entry is trained: where they come from."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zoo.spec.base import (
    MODEL_FILE_PATTERN,
    PACKAGE_PATH_PATTERN,
    PACKAGE_PATTERN,
    VERSION_PATTERN,
    Addressed,
    BelowData,
    HubId,
    Name,
    Revision,
    Sha256,
    Spec,
    misfit,
)

_PARTS = {
    "the configuration is": {"config.json"},
    "the weights are": {"model.safetensors", "model.safetensors.index.json"},
    "the tokenizer is": {"tokenizer.json", "vocab.txt", "vocab.json"},
}
"""What a model consists of, and the files of which one holds it."""


class FolderPlace(Spec):
    """A folder below `$ZOO_DATA` that may hold a model's files."""

    kind: Literal["folder"] = "folder"
    path: BelowData
    """Relative to `$ZOO_DATA`."""

    def __str__(self) -> str:
        return f"$ZOO_DATA/{self.path}"


class PackagePlace(Spec):
    """A Python package whose files may hold a model; they are read, its code is never imported."""

    kind: Literal["package"] = "package"
    name: Annotated[str, Field(pattern=PACKAGE_PATTERN)]
    """Its name on the package index."""
    version: Annotated[str, Field(pattern=VERSION_PATTERN)]
    """Another version is not read."""
    path: Annotated[str, Field(pattern=PACKAGE_PATH_PATTERN)]
    """The folder of the model among the package's files."""

    def __str__(self) -> str:
        return f"package {self.name} {self.version}"


ModelPlace = Annotated[FolderPlace | PackagePlace, Field(discriminator="kind")]


class HubWeights(Addressed):
    """A model on the hub, at one revision; its bytes may come from elsewhere."""

    addresses: ClassVar[tuple[str, ...]] = ("kind", "id", "revision", "files", "places")
    later: ClassVar[tuple[str, ...]] = ("files", "places")

    kind: Literal["hub"] = "hub"
    id: HubId
    """Owner and name on the hub."""
    revision: Revision
    """Full commit hash: a branch or tag can move."""
    files: dict[Annotated[str, Field(pattern=MODEL_FILE_PATTERN)], Sha256] = Field(
        default_factory=dict
    )
    """The files of the model, no other is read, each with its sha256: `sha256sum` prints it."""
    places: tuple[ModelPlace, ...] = ()
    """Where the files may be instead of the hub, in the order to look. They decide nothing: a run
    is the same wherever its bytes came from."""

    @model_validator(mode="after")
    def _files_are_a_model(self) -> Self:
        if self.places and not self.files:
            given = "nothing tells right files from wrong ones, as `files` is missing"
            raise misfit("places", given, "places of `files`, each with its sha256")
        for part, holders in _PARTS.items():
            if self.files and not holders & self.files.keys():
                raise misfit("files", f"{part} missing", " or ".join(sorted(holders)))
        return self

    def unplaced(self) -> Self:
        """What it is, without where else its bytes may be."""
        return self.model_copy(update={"places": ()})


class FolderWeights(Addressed):
    """A Hugging Face model folder below `$ZOO_DATA`."""

    addresses: ClassVar[tuple[str, ...]] = ("kind", "path", "sha256")

    kind: Literal["folder"] = "folder"
    path: BelowData
    """Relative to `$ZOO_DATA`."""
    sha256: Sha256
    """sha256 of its model.safetensors; of several files, of what `sha256sum model-*.safetensors`
    prints."""


class DistilledWeights(Spec):
    """What an entry of the same suite is after its corpus stages."""

    kind: Literal["distilled"] = "distilled"
    entry: Name
    """Name of the entry; its method has a corpus stage."""


GivenWeights = Annotated[HubWeights | FolderWeights | DistilledWeights, Field(discriminator="kind")]
