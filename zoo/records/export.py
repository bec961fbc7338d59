"""How exported files agree with their model."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from zoo.records.measured import Amount, Count, Measure, MeasuredRun, refuse_impossible
from zoo.spec.base import Sha256, misfit
from zoo.spec.bench import Precision


class ExportRecord(MeasuredRun):
    """How an exported model agrees with its source."""

    said: ClassVar[tuple[str, ...]] = ("weights_sha256", "file_sha256")

    kind: Literal["export"] = "export"
    precision: Precision
    bytes: Count
    weights_sha256: Sha256 | None = None
    """Of the weights that were exported."""
    file_sha256: Sha256 | None = None
    """Of the ONNX file."""
    max_length: Count
    """Longest sequence the file takes, in pieces."""
    compared: Count
    """Dev examples that both answered."""
    max_abs_error: Measure
    largest_logit: Measure | None = None
    """Of the model, by its size: rounding errors grow with it."""
    flips: Amount
    """Examples with another prediction."""
    shapes: tuple[str, ...] = ()
    """The batches that were compared, batch x length."""
    metric: str | None = None
    """The task's primary metric, on the compared examples."""
    metric_model: float | None = None
    """What the model scores on them; None: undefined."""
    metric_file: float | None = None
    """What the file scores on them; None: undefined."""
    parameters: Count | None = None
    """Numbers in the file's weights."""
    route: str | None = None
    """torch's exporter that wrote the graph."""
    nodes: Count | None = None
    """Of the graph that ONNX Runtime runs after its own optimisation."""
    fused: dict[str, int] | None = None
    """How often it holds each fused operator."""

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
