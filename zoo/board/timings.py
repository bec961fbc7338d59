"""The columns of latency, and all cells of a suite as one table."""

from collections.abc import Callable, Iterable

from zoo.board.columns import Absent, Cell, Column, Table, middle
from zoo.board.table import DECIMAL_PLACES
from zoo.records.latency import NOT_AVAILABLE, LatencyRecord, Memory, ModelTiming, Quantile, Timing
from zoo.records.records import Record

TIMINGS = "latency.csv"
REFUSED = Absent("below the sample floor")
"""There are too few samples for this percentile or interval."""
NO_COUNTER = Absent("no energy counter")
UNAVAILABLE = Absent(NOT_AVAILABLE)
DRAWN = Absent("inputs are drawn")

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
        note=f"the {rank} of the timed calls; milliseconds hold for this machine only",
        unit="ms",
        head="ms" if rank == "p50" else "",
        text="{:.3g}".format,
    )


def _percentile_bound(rank: str, of: Callable[[Timing], Quantile | None]) -> Column[Timing]:
    return Column(
        name=f"latency_ms_{rank}_bound",
        value=lambda timing: _bound(of(timing)),
        note=f"what the {rank} lies below with 99 % confidence",
        unit="ms",
    )


_PERCENTILES = tuple(_percentile(rank, of) for rank, of in _RANKS.items())
_SAMPLES: Column[Timing] = Column("samples", lambda timing: timing.samples, "timed calls")
_BOUNDS = tuple(_percentile_bound(rank, of) for rank, of in _RANKS.items())
_MEMORY_LOADED: Column[Memory] = Column(
    "memory_loaded_bytes",
    lambda memory: memory.loaded_bytes,
    "what loading the model adds to a process of its own",
    unit="bytes",
)
_MEMORY_PEAK: Column[Memory] = Column(
    "memory_peak_bytes",
    lambda memory: memory.peak_bytes,
    "what loading and calling it at this shape add at most",
    unit="bytes",
)
_ENERGY: Column[ModelTiming] = Column(
    "energy_mj",
    lambda subject: NO_COUNTER if isinstance(subject.energy_mj, str) else subject.energy_mj,
    "of one call, by the counters of the processor or the GPU",
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
    """The interval of the ratio and the milliseconds."""
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
    Column("cell", lambda record: record.cell, "batch x length in pieces, or the replay"),
    Column(
        "ratio",
        lambda record: _or_refused(record.ratio),
        "this model's median time over its teacher's, taken in turns in one process: below 1 is"
        " faster; ± is half of the 95 % interval over rounds, in brackets the median in ms; busy:"
        " other work disturbed it, and milliseconds say little",
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
        "energy of one inference, a sequence, by the counters of the processor or the GPU",
        unit="mJ",
        head="mJ",
        text="{:.3g}".format,
        over=middle,
    ),
    Column(
        "busy",
        lambda record: record.circumstances.busy,
        "whether other work had more than a tenth of a core, or a host took 2 % of the time",
    ),
)
"""What boards show of a runtime."""

_ABOUT: tuple[Column[LatencyRecord], ...] = (
    Column("entry", lambda record: record.entry, "the student"),
    Column("task", lambda record: record.task, "whose model was timed"),
    Column("device", lambda record: record.device, "cpu or cuda"),
    Column("runtime", lambda record: record.runtime, "what ran it, and in which precision"),
    Column("seed", lambda record: record.seed, "of the run that was timed"),
    Column("provider", lambda record: record.provider, "what really ran it"),
    Column("attention", lambda record: record.attention, "the kernel of attention"),
    Column("threads", lambda record: record.threads, "of the process"),
    Column("batch_size", lambda record: record.batch_size, "sequences per call"),
    Column("length_min", lambda record: record.lengths[0], "shortest input", unit="pieces"),
    Column("length_median", lambda record: record.lengths[1], "median input", unit="pieces"),
    Column("length_max", lambda record: record.lengths[2], "longest input", unit="pieces"),
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
        "median of what the harness itself adds to a call",
        unit="ms",
    ),
    Column("warmup_calls", lambda record: record.warmup_calls, "calls before any was timed"),
    Column("settled", lambda record: record.settled, "whether medians were stable by then"),
    Column(
        "other_cores",
        lambda record: _or_unavailable(record.circumstances.other_cores),
        "what other processes kept busy meanwhile",
        unit="cores",
    ),
    Column(
        "steal",
        lambda record: _or_unavailable(record.circumstances.steal),
        "share of the time that the host of a virtual machine took away",
    ),
    Column(
        "throttled",
        lambda record: _or_unavailable(record.circumstances.throttled),
        "whether the processor slowed itself down for heat or power",
    ),
    Column("digest", lambda record: record.digest, "of the run that was timed"),
)

LATENCY_COLUMNS = (*_ABOUT, *HEADLINES, *_REST)
"""The columns of latency.csv; `teacher_` are the teacher's, `tokenisation_` those of cutting the
replayed texts into pieces."""


def timings_table(suite: str, records: Iterable[Record]) -> Table[LatencyRecord]:
    """One row per entry, task, device, runtime and cell; the teacher's figures beside its own."""
    rows = [record for record in records if isinstance(record, LatencyRecord)]
    rows.sort(key=lambda r: (r.entry, r.task, r.device, r.runtime, r.cell, str(r.seed)))
    return Table(f"{suite}: latency", rows, LATENCY_COLUMNS)
