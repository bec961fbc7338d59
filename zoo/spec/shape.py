"""The shape of an encoder, and what follows from it before any weight is loaded."""

from math import isqrt
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.spec.base import Spec, misfit

Family = Literal["bert", "distilbert", "roberta", "electra"]
Depth = Annotated[int, Field(gt=0, le=1_000)]
Size = Annotated[int, Field(gt=0, le=10_000_000)]

_PIECES_BEFORE_POSITIONS = 2
"""RoBERTa counts positions from its padding id + 1, so its table has two rows more."""


class Shape(Spec):
    """The shape of an encoder of one Hugging Face family."""

    family: Family = "bert"
    """Which Hugging Face architecture it is."""
    layers: Depth
    """Transformer layers."""
    hidden: Size
    """Width of the hidden states."""
    heads: Size
    """Attention heads per layer; they divide `hidden`."""
    intermediate: Size
    """Width inside the feed-forward network."""
    vocabulary: Size
    """Pieces of the tokenizer."""
    positions: int = Field(512, ge=8, le=1_000_000)
    """Longest sequence in pieces."""

    @model_validator(mode="after")
    def _heads_divide_hidden(self) -> Self:
        if self.hidden % self.heads:
            given = f"{self.heads} heads do not divide a hidden width of {self.hidden}"
            raise misfit("heads", given, ", ".join(map(str, divisors(self.hidden))))
        return self

    @property
    def token_types(self) -> int:
        """Rows of the token type table."""
        return {"distilbert": 0, "roberta": 1}.get(self.family, 2)

    def parameters(self) -> "ParameterCount":
        """Parameters of the encoder without pooler and heads (methods.md 0.4, exact)."""
        hidden, inner = self.hidden, self.intermediate
        rows = self.vocabulary + self.positions + self.token_types
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
