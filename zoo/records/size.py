"""The size of a model."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from zoo.records.measured import Amount, Count, MeasuredRun
from zoo.spec.base import Sha256, misfit


class SizeRecord(MeasuredRun):
    """The size of a run's model; tied weights count once."""

    said: ClassVar[tuple[str, ...]] = ("weights_sha256",)
    later: ClassVar[tuple[str, ...]] = ("layers", "hidden", "heads")

    kind: Literal["size"] = "size"
    parameters: Count
    embedding: Amount
    """Parameters in word, position and token type embeddings."""
    non_embedding: Amount
    checkpoint_bytes: Count
    """Of model.safetensors."""
    weights_sha256: Sha256 | None = None
    """Of model.safetensors."""
    stored_parameters: Count | None = None
    """Parameters in model.safetensors; tied weights are stored once."""
    flops: Count | None = None
    """FLOPs of a forward pass on `flops_length` tokens; a multiply-add counts as 2."""
    flops_length: Count | None = None
    layers: Count | None = None
    """Transformer layers; None in records older than this field, like the next two."""
    hidden: Count | None = None
    """Hidden size."""
    heads: Count | None = None
    """Attention heads per layer."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if max(self.embedding, self.non_embedding) > self.parameters:
            given = f"{self.parameters:,}, and {self.embedding:,} of them in embeddings"
            raise misfit("parameters", given, "at least as many as any part")
        return self

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"size-{self.task}-{self.seed}"
