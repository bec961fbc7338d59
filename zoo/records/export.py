"""How exported files agree with their model."""

from typing import Literal

from zoo.records.measured import MeasuredRun


class ExportRecord(MeasuredRun):
    """How an exported model agrees with its source."""

    kind: Literal["export"] = "export"
    precision: Literal["fp32", "int8"]
    bytes: int
    max_length: int
    """Longest sequence the file takes, in pieces."""
    compared: int
    """Dev examples that both answered."""
    max_abs_error: float
    flips: int
    """Examples with another prediction."""

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"export-{self.task}-{self.precision}-{self.seed}"
