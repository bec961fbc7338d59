"""The places of a model that a loss can look at."""

from enum import StrEnum
from typing import NamedTuple


class Site(StrEnum):
    """What can be tapped. B batch, S length, H width, A heads, D head width, V outputs.

    EMBEDDINGS  (B, S, H) the embedding layer's output, after its layer norm
    HIDDEN      (B, S, H) the output of a layer
    QUERY       (B, A, S, D) queries of a layer, by head; KEY and VALUE alike
    SCORES      (B, A, S, S) attention scores before the softmax, without the padding mask
    CONTEXT     (B, S, H) the heads' outputs side by side, before the output projection
    LOGITS      as the batch's layout says
    """

    EMBEDDINGS = "embeddings"
    HIDDEN = "hidden"
    QUERY = "query"
    KEY = "key"
    VALUE = "value"
    SCORES = "scores"
    CONTEXT = "context"
    LOGITS = "logits"


class Tap(NamedTuple):
    """One place in a model; layers count from 0."""

    site: Site
    layer: int = 0

    def __str__(self) -> str:
        if self.site in (Site.EMBEDDINGS, Site.LOGITS):
            return self.site.value
        return f"{self.site.value}[{self.layer}]"


LOGITS = Tap(Site.LOGITS)
EMBEDDINGS = Tap(Site.EMBEDDINGS)
