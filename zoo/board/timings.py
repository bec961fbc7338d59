"""All latency cells of a suite as one table."""

import csv
import io
from collections.abc import Iterable

from zoo.records.latency import LatencyRecord, Memory, Subject, Timing
from zoo.records.records import Record

TIMINGS = "latency.csv"
RANKS = ("p50", "p90", "p95", "p99")
REFUSED = "refused"
"""In the place of a percentile that there are too few samples for."""


def timings_csv(records: Iterable[Record]) -> str:
    """One line per entry, task, device, runtime and cell; the teacher's figures beside its own."""
    lines = [_line(record) for record in records if isinstance(record, LatencyRecord)]
    lines.sort(key=lambda line: tuple(str(line[key]) for key in _ABOUT))
    text = io.StringIO()
    columns = list(dict.fromkeys(column for line in lines for column in line)) or list(_ABOUT)
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


_ABOUT = ("entry", "task", "device", "runtime", "cell", "seed")


def _line(record: LatencyRecord) -> dict[str, object]:
    shortest, middle, longest = record.lengths
    around = record.circumstances
    return {
        **{name: getattr(record, name) for name in _ABOUT},
        "provider": record.provider,
        "attention": record.attention,
        "threads": record.threads,
        "batch_size": record.batch_size,
        "length_min": shortest,
        "length_median": middle,
        "length_max": longest,
        "ratio": _told(record.ratio),
        "ratio_low": _told(record.ratio_low),
        "ratio_high": _told(record.ratio_high),
        **_timing("", record.student.timing),
        **_timing("teacher_", record.teacher.timing),
        **(_timing("tokenisation_", record.tokenisation) if record.tokenisation else {}),
        **_use("", record.student),
        **_use("teacher_", record.teacher),
        "overhead_ms": record.overhead_ms,
        "warmup_calls": record.warmup_calls,
        "settled": record.settled,
        "busy": around.busy,
        "other_cores": around.other_cores,
        "steal": around.steal,
        "throttled": around.throttled,
        "digest": record.digest,
    }


def _timing(whose: str, timing: Timing) -> dict[str, object]:
    cells: dict[str, object] = {f"{whose}samples": timing.samples}
    for rank in RANKS:
        quantile = getattr(timing, rank)
        value, bound = (quantile.value, quantile.bound) if quantile else (REFUSED, REFUSED)
        cells |= {f"{whose}latency_ms_{rank}": value, f"{whose}latency_ms_{rank}_bound": bound}
    return cells


def _use(whose: str, subject: Subject) -> dict[str, object]:
    memory = subject.memory
    told = (memory.loaded_bytes, memory.peak_bytes) if isinstance(memory, Memory) else (memory,) * 2
    return {
        f"{whose}memory_loaded_bytes": told[0],
        f"{whose}memory_peak_bytes": told[1],
        f"{whose}energy_mj": subject.energy_mj,
    }


def _told(value: float | None) -> object:
    return REFUSED if value is None else value
