"""How large a model is."""

from typing import Literal

from zoo.records.measured import MeasuredRun


class SizeRecord(MeasuredRun):
    """How large a run's model is; tied weights count once."""

    kind: Literal["size"] = "size"
    parameters: int
    embedding: int
    """Word, position and token type tables."""
    non_embedding: int
    checkpoint_bytes: int
    """Of model.safetensors."""

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"size-{self.task}-{self.seed}"
