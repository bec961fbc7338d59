"""Raw text for masked language modelling: generated, from files, or streamed from the hub."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo.spec.base import Addressed, BelowData, HubId, PositiveInt, Revision, Seed

Packing = Literal["blocks", "documents"]
"""`blocks`: documents follow each other and are cut into sequences of one length; `documents`: a
sequence is a document, each line its own sentence, what is too long is cut off."""


class PocketCorpus(Addressed):
    """Documents of the generated language."""

    addresses: ClassVar[tuple[str, ...]] = ("kind", "documents", "seed")

    kind: Literal["pocket"] = "pocket"
    packing: Packing = "documents"
    """How text becomes sequences."""
    documents: PositiveInt = 4000
    """How many documents are generated."""
    seed: Seed = 0
    """Seed of the generator."""


class FolderCorpus(Addressed):
    """Plain text below `$ZOO_DATA`: a paragraph a line, a blank line between documents."""

    addresses: ClassVar[tuple[str, ...]] = ("kind", "path")

    kind: Literal["folder"] = "folder"
    path: BelowData
    """A .txt, .txt.xz or .txt.gz file, or a folder of such files, relative to `$ZOO_DATA`."""
    packing: Packing = "blocks"
    """How text becomes sequences."""
    max_tokens: PositiveInt | None = None
    """Stop after this many pieces; the whole text when absent."""


class HubCorpus(Addressed):
    """A text data set of the hub, read in streaming."""

    addresses: ClassVar[tuple[str, ...]] = ("kind", "id", "revision", "config", "split", "column")

    kind: Literal["hub"] = "hub"
    id: HubId
    """Owner and name on the hub."""
    revision: Revision
    """Full commit hash."""
    config: str | None = None
    """Configuration of the data set."""
    split: str = "train"
    """Split to read."""
    column: str = "text"
    """Column that holds the text."""
    packing: Packing = "blocks"
    """How text becomes sequences."""
    max_tokens: PositiveInt | None = None
    """Stop after this many pieces; the whole text when absent."""


Corpus = Annotated[PocketCorpus | FolderCorpus | HubCorpus, Field(discriminator="kind")]
