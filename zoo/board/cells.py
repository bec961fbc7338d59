"""The parts of a board's row that sum up one export or one runtime."""

from collections.abc import Sequence

from zoo.records.export import ExportRecord
from zoo.records.latency import REPLAY, LatencyRecord, Memory, Quantile
from zoo.spec.base import Spec

PLACES = 4
"""Digits after the point of numbers on boards."""


class RuntimeCell(Spec):
    """Latency in one runtime at one shape: this model's time over its teacher's, and milliseconds.

    What there are too few samples for is None.
    """

    cell: str
    """Batch x length."""
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    latency_ms_p50: float | None
    latency_ms_p90: float | None
    latency_ms_p95: float | None
    latency_ms_p99: float | None
    peak_memory_bytes: int | None
    """What the model adds to a process that runs it at this shape; None where not available."""
    busy: bool
    """Whether other work disturbed the measurement: then milliseconds say little."""


class ExportCell(Spec):
    """One ONNX file of an entry."""

    bytes: int
    max_abs_error: float
    flips: int
    """Compared examples with another answer."""
    compared: int
    change: float | None
    """The file's primary metric on them minus the model's; None where one is undefined."""


def shown(records: Sequence[LatencyRecord]) -> dict[str, LatencyRecord]:
    """Of each runtime the record that boards show, by the name they show it under."""
    drawn = [record for record in records if record.cell != REPLAY]
    found: dict[str, LatencyRecord] = {}
    for record in sorted(drawn, key=lambda r: (r.batch_size, -r.lengths[1], r.name)):
        found.setdefault(runtime_name(record), record)
    return dict(sorted(found.items()))


def runtime_name(record: LatencyRecord) -> str:
    """A runtime as boards name it: with the device where that is not the CPU."""
    return record.runtime if record.device == "cpu" else f"{record.runtime}@{record.device}"


def runtime_cell(record: LatencyRecord) -> RuntimeCell:
    """What a board shows of a latency record."""
    timing, memory = record.student.timing, record.student.memory
    return RuntimeCell(
        cell=record.cell,
        ratio=rounded(record.ratio),
        ratio_low=rounded(record.ratio_low),
        ratio_high=rounded(record.ratio_high),
        latency_ms_p50=_value(timing.p50),
        latency_ms_p90=_value(timing.p90),
        latency_ms_p95=_value(timing.p95),
        latency_ms_p99=_value(timing.p99),
        peak_memory_bytes=memory.peak_bytes if isinstance(memory, Memory) else None,
        busy=record.circumstances.busy,
    )


def export_cell(record: ExportRecord) -> ExportCell:
    """What a board shows of an export record."""
    return ExportCell(
        bytes=record.bytes,
        max_abs_error=record.max_abs_error,
        flips=record.flips,
        compared=record.compared,
        change=minus(record.metric_file, record.metric_model),
    )


def minus(ours: float | None, theirs: float | None) -> float | None:
    """The difference, unknown where a side is."""
    return None if ours is None or theirs is None else round(ours - theirs, PLACES)


def rounded(value: float | None) -> float | None:
    """The number as boards hold it."""
    return None if value is None else round(value, PLACES)


def _value(quantile: Quantile | None) -> float | None:
    return None if quantile is None else rounded(quantile.value)
