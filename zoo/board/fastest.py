"""How fast an entry is at best: its runtime with the fewest milliseconds, and what that loads."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from zoo.board.table import DECIMAL_PLACES, Row, runtime_name
from zoo.records.latency import LatencyRecord, ModelTiming
from zoo.spec.bench import RUNTIMES

CHECKPOINT = "fp32"
"""The precision of the weights in model.safetensors, whatever a runtime computes in."""


@dataclass(frozen=True)
class Fastest:
    """The runtime of an entry with the smallest median, at the cell that boards show."""

    runtime: str
    cell: str
    latency_ms: float
    """Median of the calls, in milliseconds."""
    ratio: float | None
    """Time relative to the teacher with the same runtime, with its 95 % interval over rounds."""
    ratio_low: float | None
    ratio_high: float | None
    is_busy: bool
    precision: str
    """Of the file that it loads."""
    file_bytes: int | None
    """Size of that file, maximum over tasks; None where it was not recorded."""


def fastest_student(rows: Sequence[Row], device: str) -> Fastest | None:
    """The fastest runtime of a student on a device; None if it was not timed there.

    Where several tasks were timed, a runtime counts with its middle median.
    """
    records = [record for row in rows for record in row.runtimes.values()]
    found = _least(records, device, lambda record: record.student)
    return None if found is None else _fastest(found, found.student, rows)


def fastest_teacher(rows: Sequence[Row], students: Iterable[Row], device: str) -> Fastest | None:
    """The fastest runtime of a teacher, as timed beside its students."""
    records = [record for row in students for record in row.runtimes.values()]
    found = _least(records, device, lambda record: record.teacher)
    if found is None:
        return None
    own = _fastest(found, found.teacher, rows)
    return replace(own, ratio=1.0, ratio_low=1.0, ratio_high=1.0)


def device_of(rows: Iterable[Row]) -> str:
    """The device on which entries are compared: the CPU if any was timed there."""
    devices = {record.device for row in rows for record in row.runtimes.values()}
    return "cpu" if "cpu" in devices or not devices else min(devices)


def _least(
    records: Iterable[LatencyRecord], device: str, side: Callable[[LatencyRecord], ModelTiming]
) -> LatencyRecord | None:
    by_runtime: dict[str, list[tuple[float, str, LatencyRecord]]] = defaultdict(list)
    for record in records:
        median = side(record).timing.p50
        if record.device == device and median is not None:
            name = runtime_name(record)
            by_runtime[name].append((median.value, record.entry + record.name, record))
    middles = [sorted(own, key=lambda one: one[:2])[len(own) // 2] for own in by_runtime.values()]
    return min(middles, key=lambda one: one[:2])[2] if middles else None


def _fastest(record: LatencyRecord, subject: ModelTiming, rows: Sequence[Row]) -> Fastest:
    assert subject.timing.p50 is not None
    file = RUNTIMES[record.runtime].file
    if file is None:
        sizes = [row.size.checkpoint_bytes for row in rows if row.size]
    else:
        sizes = [row.exports[file].bytes for row in rows if file in row.exports]
    return Fastest(
        runtime=runtime_name(record),
        cell=record.cell,
        latency_ms=round(subject.timing.p50.value, DECIMAL_PLACES),
        ratio=_rounded(record.ratio),
        ratio_low=_rounded(record.ratio_low),
        ratio_high=_rounded(record.ratio_high),
        is_busy=record.circumstances.busy,
        precision=file or CHECKPOINT,
        file_bytes=max(sizes, default=None),
    )


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, DECIMAL_PLACES)
