"""The latency columns, and the table of all cells of a suite."""

from collections.abc import Callable, Iterable

from zoo.board.columns import Absent, Cell, Column, Table, middle
from zoo.board.table import DECIMAL_PLACES
from zoo.records.latency import NOT_AVAILABLE, LatencyRecord, Memory, ModelTiming, Quantile, Timing
from zoo.records.records import Record

TIMINGS = "latency.csv"
REFUSED = Absent("below the sample floor")
"""Too few samples for this percentile or interval."""
NO_COUNTER = Absent("no energy counter")
UNAVAILABLE = Absent(NOT_AVAILABLE)
DRAWN = Absent("random inputs")

_RANKS: dict[str, Callable[[Timing], Quantile | None]] = {
    "p50": lambda timing: timing.p50,
    "p90": lambda timing: timing.p90,
    "p95": lambda timing: timing.p95,
    "p99": lambda timing: timing.p99,
}


def _value(quantile: Quantile | None) -> Cell:
    return REFUSED if quantile is None else quantile.value


def _bound(quantile: Quantile | None) -> Cell:
    return REFUSED if quantile is None else quantile.bound


def _or_refused(value: float | None) -> Cell:
    return REFUSED if value is None else value


def _or_unavailable(value: float | str) -> Cell:
    return UNAVAILABLE if isinstance(value, str) else value


def _percentile(rank: str, of: Callable[[Timing], Quantile | None]) -> Column[Timing]:
    return Column(
        name=f"latency_ms_{rank}",
        value=lambda timing: _value(of(timing)),
        note=f"{rank} of the timed calls; absolute times are specific to this machine",
        unit="ms",
        head="ms" if rank == "p50" else "",
        text="{:.3g}".format,
    )


def _percentile_bound(rank: str, of: Callable[[Timing], Quantile | None]) -> Column[Timing]:
    return Column(
        name=f"latency_ms_{rank}_bound",
        value=lambda timing: _bound(of(timing)),
        note=f"upper bound of the {rank} at 99 % confidence",
        unit="ms",
    )


_PERCENTILES = tuple(_percentile(rank, of) for rank, of in _RANKS.items())
_SAMPLES: Column[Timing] = Column("samples", lambda timing: timing.samples, "timed calls")
_BOUNDS = tuple(_percentile_bound(rank, of) for rank, of in _RANKS.items())
_MEMORY_LOADED: Column[Memory] = Column(
    "memory_loaded_bytes",
    lambda memory: memory.loaded_bytes,
    "memory that loading the model adds to a fresh process",
    unit="bytes",
)
_MEMORY_PEAK: Column[Memory] = Column(
    "memory_peak_bytes",
    lambda memory: memory.peak_bytes,
    "peak memory that loading and calling the model at this shape adds",
    unit="bytes",
)
_ENERGY: Column[ModelTiming] = Column(
    "energy_mj",
    lambda subject: NO_COUNTER if isinstance(subject.energy_mj, str) else subject.energy_mj,
    "energy per call, from the counters of the CPU or GPU",
    unit="mJ",
)


def _student(record: LatencyRecord) -> ModelTiming:
    return record.student


def _teacher(record: LatencyRecord) -> ModelTiming:
    return record.teacher


def _memory(subject: ModelTiming) -> Memory | Absent:
    return subject.memory if isinstance(subject.memory, Memory) else UNAVAILABLE


def _tokenisation(record: LatencyRecord) -> Timing | Absent:
    return record.tokenisation or DRAWN


def _timing(subject: ModelTiming) -> Timing:
    return subject.timing


def _details(record: LatencyRecord) -> str:
    """The interval of the ratio, and the absolute time."""
    text = ""
    if record.ratio_low is not None and record.ratio_high is not None:
        low, high = (
            round(record.ratio_low, DECIMAL_PLACES),
            round(record.ratio_high, DECIMAL_PLACES),
        )
        text += f" ± {(high - low) / 2:.2f}"
    if record.student.timing.p50 is not None:
        milliseconds = round(record.student.timing.p50.value, DECIMAL_PLACES)
        text += f" ({milliseconds:.3g} ms{', busy' if record.circumstances.busy else ''})"
    return text


HEADLINES: tuple[Column[LatencyRecord], ...] = (
    Column("cell", lambda record: record.cell, "batch x length in tokens, or replay"),
    Column(
        "ratio",
        lambda record: _or_refused(record.ratio),
        "median time relative to the teacher, interleaved in one process: below 1 is faster; ± is"
        " half the 95 % interval over rounds, in brackets the median in ms; busy: under other load"
        " the ratio stays valid, absolute times do not",
        head="time",
        text="{:.2f}".format,
        beside=_details,
        over=middle,
    ),
    Column(
        "ratio_low", lambda record: _or_refused(record.ratio_low), "lower end of the 95 % interval"
    ),
    Column(
        "ratio_high",
        lambda record: _or_refused(record.ratio_high),
        "upper end of the 95 % interval",
    ),
    *(column.within(_timing).within(_student) for column in _PERCENTILES),
    _MEMORY_PEAK.within(_memory).within(_student),
    Column(
        "energy_mj_per_sequence",
        lambda record: (
            NO_COUNTER
            if isinstance(record.student.energy_mj, str)
            else record.student.energy_mj / record.batch_size
        ),
        "energy per sequence, from the counters of the CPU or GPU",
        unit="mJ",
        head="mJ",
        text="{:.3g}".format,
        over=middle,
    ),
    Column(
        "busy",
        lambda record: record.circumstances.busy,
        "whether other processes used more than 0.1 cores, or CPU steal exceeded 2 %",
    ),
)
"""The columns of a runtime on boards."""

_ABOUT: tuple[Column[LatencyRecord], ...] = (
    Column("entry", lambda record: record.entry, "the student"),
    Column("task", lambda record: record.task, "task of the timed model"),
    Column("device", lambda record: record.device, "cpu or cuda"),
    Column("runtime", lambda record: record.runtime, "runtime and precision"),
    Column("seed", lambda record: record.seed, "seed of the timed run"),
    Column("provider", lambda record: record.provider, "device or execution provider in use"),
    Column("attention", lambda record: record.attention, "attention kernel"),
    Column("threads", lambda record: record.threads, "threads of the process"),
    Column("batch_size", lambda record: record.batch_size, "sequences per call"),
    Column("length_min", lambda record: record.lengths[0], "shortest input", unit="tokens"),
    Column("length_median", lambda record: record.lengths[1], "median input", unit="tokens"),
    Column("length_max", lambda record: record.lengths[2], "longest input", unit="tokens"),
)

_REST: tuple[Column[LatencyRecord], ...] = (
    *(column.within(_timing).within(_student) for column in (_SAMPLES, *_BOUNDS)),
    _MEMORY_LOADED.within(_memory).within(_student),
    _ENERGY.within(_student),
    *(
        column.within(_timing).within(_teacher, "teacher")
        for column in (_SAMPLES, *_PERCENTILES, *_BOUNDS)
    ),
    *(
        column.within(_memory).within(_teacher, "teacher")
        for column in (_MEMORY_LOADED, _MEMORY_PEAK)
    ),
    _ENERGY.within(_teacher, "teacher"),
    *(
        column.within(_tokenisation, "tokenisation")
        for column in (_SAMPLES, *_PERCENTILES, *_BOUNDS)
    ),
    Column(
        "overhead_ms",
        lambda record: record.overhead_ms,
        "median overhead of the harness per call",
        unit="ms",
    ),
    Column("warmup_calls", lambda record: record.warmup_calls, "calls before timing starts"),
    Column("settled", lambda record: record.settled, "whether medians were stable after warm-up"),
    Column(
        "other_cores",
        lambda record: _or_unavailable(record.circumstances.other_cores),
        "cores used by other processes meanwhile",
        unit="cores",
    ),
    Column(
        "steal",
        lambda record: _or_unavailable(record.circumstances.steal),
        "share of CPU time stolen by the host of a virtual machine",
    ),
    Column(
        "throttled",
        lambda record: _or_unavailable(record.circumstances.throttled),
        "whether the processor throttled (thermal or power)",
    ),
    Column("digest", lambda record: record.digest, "digest of the timed run"),
)

LATENCY_COLUMNS = (*_ABOUT, *HEADLINES, *_REST)
"""The columns of latency.csv; `teacher_` ones are the teacher's, `tokenisation_` ones are for
tokenising the replayed texts."""


def timings_table(suite: str, records: Iterable[Record]) -> Table[LatencyRecord]:
    """One row per entry, task, device, runtime and cell, with the teacher's figures alongside."""
    rows = [record for record in records if isinstance(record, LatencyRecord)]
    rows.sort(key=lambda r: (r.entry, r.task, r.device, r.runtime, r.cell, str(r.seed)))
    return Table(f"{suite}: latency", rows, LATENCY_COLUMNS)
