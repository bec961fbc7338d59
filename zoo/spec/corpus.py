"""Raw text for masked language modelling: generated, from files, or streamed from the hub."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo.spec.base import Addressed, BelowData, HubId, Revision, Seed
from zoo.spec.bounds import CorpusTokens, DocumentCount

Packing = Literal["blocks", "documents"]
"""`blocks`: documents are concatenated and split into sequences of equal length; `documents`: one
document per sequence, one sentence per line, truncated where too long."""


class PocketCorpus(Addressed):
    """Documents of the generated language."""

    addresses: ClassVar[tuple[str, ...]] = ("kind", "documents", "seed")

    kind: Literal["pocket"] = "pocket"
    packing: Packing = "documents"
    """How text is packed into sequences."""
    documents: DocumentCount = 4000
    """Number of documents to generate."""
    seed: Seed = 0
    """Seed of the generator."""


class FolderCorpus(Addressed):
    """Plain text below `$ZOO_DATA`: one paragraph per line, a blank line between documents."""

    addresses: ClassVar[tuple[str, ...]] = ("kind", "path")

    kind: Literal["folder"] = "folder"
    path: BelowData
    """A .txt, .txt.xz or .txt.gz file, or a folder of such files, relative to `$ZOO_DATA`."""
    packing: Packing = "blocks"
    """How text is packed into sequences."""
    max_tokens: CorpusTokens | None = None
    """Stop after this many tokens; absent: the whole text."""


class HubCorpus(Addressed):
    """A text data set on the hub, streamed."""

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
    """How text is packed into sequences."""
    max_tokens: CorpusTokens | None = None
    """Stop after this many tokens; absent: the whole text."""


Corpus = Annotated[PocketCorpus | FolderCorpus | HubCorpus, Field(discriminator="kind")]
