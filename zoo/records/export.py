"""How exported files agree with their model."""

from typing import ClassVar, Literal

from zoo.records.measured import MeasuredRun
from zoo.spec.base import Sha256
from zoo.spec.bench import Precision


class ExportRecord(MeasuredRun):
    """How an exported model agrees with its source."""

    said: ClassVar[tuple[str, ...]] = ("weights_sha256", "file_sha256")

    kind: Literal["export"] = "export"
    precision: Precision
    bytes: int
    weights_sha256: Sha256 | None = None
    """Of the weights that were exported."""
    file_sha256: Sha256 | None = None
    """Of the ONNX file."""
    max_length: int
    """Longest sequence the file takes, in pieces."""
    compared: int
    """Dev examples that both answered."""
    max_abs_error: float
    largest_logit: float | None = None
    """Of the model, by its size: rounding errors grow with it."""
    flips: int
    """Examples with another prediction."""
    shapes: tuple[str, ...] = ()
    """The batches that were compared, batch x length."""
    metric: str | None = None
    """The task's primary metric, on the compared examples."""
    metric_model: float | None = None
    """What the model scores on them; None: undefined."""
    metric_file: float | None = None
    """What the file scores on them; None: undefined."""
    parameters: int | None = None
    """Numbers in the file's weights."""
    route: str | None = None
    """torch's exporter that wrote the graph."""
    nodes: int | None = None
    """Of the graph that ONNX Runtime runs after its own optimisation."""
    fused: dict[str, int] | None = None
    """How often it holds each fused operator."""

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"export-{self.task}-{self.precision}-{self.seed}"
