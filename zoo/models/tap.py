"""The activations of a model that a loss can read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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


LAYERLESS = frozenset({Site.EMBEDDINGS, Site.LOGITS})
"""Sites that a model has once."""


@dataclass(frozen=True, order=True)
class Tap:
    """A place in a model, or the same place in several of its layers; layers count from 0.

    As an index does, one layer gives what stands there, and a tuple of layers gives them side by
    side: K of them are a second axis behind the batch, in the order named, (B, K, S, H) of HIDDEN.

    Raises:
        ValueError: no layer is named, or one of a site that belongs to none.
    """

    site: Site
    layer: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        """Refuse what no model has."""
        if not self.layers:
            raise ValueError(f"a tap of {self.site} names no layer")
        if self.site in LAYERLESS and self.layer != 0:
            raise ValueError(f"a model has {self.site} once, not in layers")

    @property
    def stacked(self) -> bool:
        """Whether it gives layers side by side, be it one alone."""
        return isinstance(self.layer, tuple)

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers it looks at."""
        return self.layer if isinstance(self.layer, tuple) else (self.layer,)

    @property
    def each(self) -> tuple[Tap, ...]:
        """One tap for every layer it looks at."""
        return tuple(Tap(self.site, layer) for layer in self.layers)

    def __str__(self) -> str:
        if self.site in LAYERLESS:
            return self.site.value
        first, last = self.layers[0], self.layers[-1]
        if len(self.layers) > 2 and self.layers == tuple(range(first, last + 1)):
            return f"{self.site.value}[{first}..{last}]"
        return f"{self.site.value}[{', '.join(map(str, self.layers))}]"


LOGITS = Tap(Site.LOGITS)
EMBEDDINGS = Tap(Site.EMBEDDINGS)
