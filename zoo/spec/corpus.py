"""Raw text for masked language modelling: generated, from files, or streamed from the hub."""

from typing import Annotated, Literal

from pydantic import Field

from zoo.spec.base import BelowData, HubId, PositiveInt, Revision, Seed, Spec


class PocketCorpus(Spec):
    """Documents of the generated language."""

    kind: Literal["pocket"] = "pocket"
    documents: PositiveInt = 4000
    """How many documents are generated."""
    seed: Seed = 0
    """Seed of the generator."""


class FolderCorpus(Spec):
    """Plain text below `$ZOO_DATA`: a paragraph a line, a blank line between documents."""

    kind: Literal["folder"] = "folder"
    path: BelowData
    """A .txt, .txt.xz or .txt.gz file, or a folder of such files, relative to `$ZOO_DATA`."""
    max_tokens: PositiveInt | None = None
    """Stop after this many pieces; the whole text when absent."""


class HubCorpus(Spec):
    """A text data set of the hub, read in streaming."""

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
    max_tokens: PositiveInt | None = None
    """Stop after this many pieces; the whole text when absent."""


Corpus = Annotated[PocketCorpus | FolderCorpus | HubCorpus, Field(discriminator="kind")]
