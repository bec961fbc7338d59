"""Agreement of exported files with their model."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from zoo.records.choice import Choice
from zoo.records.kept import KeptQuality
from zoo.records.measured import Amount, Count, Measure, MeasuredRun, refuse_impossible
from zoo.spec.base import Sha256, misfit
from zoo.spec.bench import Precision


class ExportRecord(MeasuredRun):
    """Agreement of an exported model with its source."""

    later: ClassVar[tuple[str, ...]] = ("choice", "kept")
    said: ClassVar[tuple[str, ...]] = ("weights_sha256", "file_sha256")

    kind: Literal["export"] = "export"
    precision: Precision
    bytes: Count
    weights_sha256: Sha256 | None = None
    """The sha256 of the exported weights."""
    file_sha256: Sha256 | None = None
    """Size of the ONNX file."""
    max_length: Count
    """Longest input sequence, in tokens."""
    compared: Count
    """Dev examples compared."""
    max_abs_error: Measure
    largest_logit: Measure | None = None
    """The model's largest absolute logit: rounding errors scale with it."""
    flips: Amount
    """Examples whose prediction changes."""
    shapes: tuple[str, ...] = ()
    """Shapes of the compared batches, batch x length."""
    metric: str | None = None
    """The task's primary metric, on the compared examples."""
    metric_model: float | None = None
    """The model's score on them; None: undefined."""
    metric_file: float | None = None
    """The file's score on them; None: undefined."""
    parameters: Count | None = None
    """Parameters in the file's weights."""
    route: str | None = None
    """PyTorch's exporter that wrote the graph."""
    nodes: Count | None = None
    """Nodes of the graph after ONNX Runtime's optimisation."""
    fused: dict[str, int] | None = None
    """Count of each fused operator in it."""
    choice: Choice | None = None
    """How an int8 file was chosen, where there were several candidates."""
    kept: tuple[KeptQuality, ...] = ()
    """The quality that the file keeps, by scored split; empty where it was not asked for."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.flips > self.compared:
            raise misfit("flips", f"{self.flips} of {self.compared}", f"0 to {self.compared}")
        if self.metric:
            refuse_impossible("metric_model", {self.metric: self.metric_model})
            refuse_impossible("metric_file", {self.metric: self.metric_file})
        return self

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"export-{self.task}-{self.precision}-{self.seed}"
