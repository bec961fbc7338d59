"""How large a model is."""

from typing import ClassVar, Literal

from zoo.records.measured import MeasuredRun
from zoo.spec.base import Sha256


class SizeRecord(MeasuredRun):
    """How large a run's model is; tied weights count once."""

    said: ClassVar[tuple[str, ...]] = ("weights_sha256",)

    kind: Literal["size"] = "size"
    parameters: int
    embedding: int
    """Word, position and token type tables."""
    non_embedding: int
    checkpoint_bytes: int
    """Of model.safetensors."""
    weights_sha256: Sha256 | None = None
    """Of model.safetensors."""
    stored_parameters: int | None = None
    """The numbers in model.safetensors; tied weights are stored once."""
    flops: int | None = None
    """Of one sequence of `flops_length` pieces, forward; a multiplication and an addition are 2."""
    flops_length: int | None = None

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"size-{self.task}-{self.seed}"
