"""Weights that exist before an entry is trained: where they come from."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo.spec.base import Addressed, BelowData, HubId, Name, Revision, Sha256, Spec


class HubWeights(Addressed):
    """A model on the hub, at one revision."""

    addresses: ClassVar[tuple[str, ...]] = ("kind", "id", "revision")

    kind: Literal["hub"] = "hub"
    id: HubId
    """Owner and name on the hub."""
    revision: Revision
    """Full commit hash: a branch or tag can move."""


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
