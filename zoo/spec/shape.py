"""The shape of an encoder, and what follows from it before any weight is loaded."""

from math import isqrt
from typing import Literal, Self

from pydantic import ValidationInfo, field_validator, model_validator

from zoo.spec.base import Spec, misfit
from zoo.spec.bounds import Depth, PositionCount, Size, TokenTypes

Family = Literal["bert", "distilbert", "roberta", "electra"]

_SEGMENTS = {"bert": 2, "distilbert": 0, "roberta": 1, "electra": 2}
"""Default number of token types per family."""
_PIECES_BEFORE_POSITIONS = 2
"""RoBERTa counts positions from its padding id + 1, so its table has two rows more."""


class Shape(Spec):
    """The shape of an encoder of one Hugging Face family."""

    family: Family = "bert"
    """Hugging Face architecture."""
    layers: Depth
    """Transformer layers."""
    hidden: Size
    """Hidden size."""
    heads: Size
    """Attention heads per layer; must divide `hidden`."""
    intermediate: Size
    """Intermediate size of the feed-forward network."""
    vocabulary: Size
    """Vocabulary size."""
    positions: PositionCount = 512
    """Maximum sequence length in tokens."""
    token_types: TokenTypes | None = None
    """Token types; defaults to the family's (BERT and ELECTRA 2, RoBERTa 1)."""

    @field_validator("token_types")
    @classmethod
    def _usual_token_types(cls, stated: int | None, fields: ValidationInfo) -> int | None:
        """The family's own number is the same shape, set or not."""
        family = fields.data.get("family", "bert")
        if stated is not None and not _SEGMENTS[family]:
            raise misfit("", f"{family} has no token types", "remove this key")
        return None if stated == _SEGMENTS[family] else stated

    @model_validator(mode="after")
    def _heads_divide_hidden(self) -> Self:
        if self.hidden % self.heads:
            given = f"{self.heads} heads do not divide a hidden size of {self.hidden}"
            raise misfit("heads", given, ", ".join(map(str, divisors(self.hidden))))
        return self

    @property
    def segments(self) -> int:
        """Rows of the token type table."""
        return _SEGMENTS[self.family] if self.token_types is None else self.token_types

    def parameters(self) -> "ParameterCount":
        """Parameters of the encoder without pooler and heads (docs/methods, exact)."""
        hidden, inner = self.hidden, self.intermediate
        rows = self.vocabulary + self.positions + self.segments
        if self.family == "roberta":
            rows += _PIECES_BEFORE_POSITIONS
        layer = 4 * (hidden * hidden + hidden) + 2 * hidden * inner + inner + hidden + 4 * hidden
        return ParameterCount(embedding=rows * hidden + 2 * hidden, encoder=self.layers * layer)


class ParameterCount(Spec):
    """Parameters of an encoder, in two parts."""

    embedding: int
    """Word, position and token type tables and their layer norm."""
    encoder: int
    """All transformer layers."""

    @property
    def total(self) -> int:
        """Both together."""
        return self.embedding + self.encoder


def divisors(number: int) -> list[int]:
    """All divisors of a number, ascending."""
    small = [candidate for candidate in range(1, isqrt(number) + 1) if number % candidate == 0]
    return sorted({*small, *(number // candidate for candidate in small)})
