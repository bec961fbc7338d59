"""The columns of a model's costs: training, size, exports and latency."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zoo.board.columns import Absent, Cell, Column, half_width, largest, rounded
from zoo.board.table import DECIMAL_PLACES, Row, minus
from zoo.board.timings import HEADLINES
from zoo.records.export import ExportRecord
from zoo.records.kept import KeptQuality
from zoo.records.latency import LatencyRecord
from zoo.records.size import SizeRecord
from zoo.spec.teacher import TEACHER

UNRECORDED = Absent("not recorded")
UNDEFINED = Absent("undefined")
NOT_EXPORTED = Absent("not exported")
NOT_MEASURED = Absent("not measured")
THE_TEACHER = Absent("is the teacher")


@dataclass(frozen=True)
class Parts:
    """The metrics, precisions, runtimes and perturbations of some rows: each has its columns."""

    metrics: tuple[str, ...]
    precisions: tuple[str, ...]
    scored: tuple[str, ...]
    """The precisions whose files are scored on dev splits."""
    runtimes: tuple[str, ...]
    perturbations: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Parts":
        """The union over all rows."""
        return cls(
            tuple(sorted({name for row in rows for name in row.metrics})),
            tuple(sorted({name for row in rows for name in row.exports})),
            tuple(sorted({name for row in rows for name in row.exports if row.exports[name].kept})),
            tuple(sorted({name for row in rows for name in row.runtimes})),
            tuple(sorted({name for row in rows for name in row.drops})),
        )


ANY = Parts(("<metric>",), ("<precision>",), ("<precision>",), ("<runtime>",), ("<perturbation>",))
"""Placeholders for all of them where columns are documented."""

TRAINING_SECONDS: Column[Row] = Column(
    "training_seconds",
    lambda row: UNRECORDED if row.training_seconds is None else row.training_seconds,
    "training time of a run on the task, mean over seeds; corpus training excluded",
    unit="s",
    head="training s",
    text="{:.1f}".format,
)

_SIZE: tuple[Column[SizeRecord], ...] = (
    Column(
        "parameters",
        lambda size: size.parameters,
        "whole model with its head, tied weights counted once; maximum over tasks",
        head="parameters",
        text="{:,}".format,
        over=largest,
    ),
    Column("non_embedding", lambda size: size.non_embedding, "parameters outside the embeddings"),
    Column(
        "flops",
        lambda size: UNRECORDED if size.flops is None else size.flops,
        "forward pass on one sequence of `flops_length` tokens; a multiply-add counts as 2",
        unit="FLOP",
        head="MFLOP",
        text=lambda flops: f"{flops / 1e6:,.1f}",
    ),
    Column(
        "flops_per_token",
        lambda size: (
            size.flops / size.flops_length if size.flops and size.flops_length else UNRECORDED
        ),
        "per token of a sequence of `flops_length`, shown after `at`; maximum over tasks",
        unit="FLOP",
        head="MFLOP/token",
        text=lambda flops: f"{flops / 1e6:.3g}",
        beside=lambda size: f" at {size.flops_length}" if size.flops_length else "",
        over=largest,
    ),
    Column(
        "flops_length",
        lambda size: UNRECORDED if size.flops_length is None else size.flops_length,
        "sequence length at which FLOPs are counted",
        unit="tokens",
    ),
)


def _change(record: ExportRecord) -> Cell:
    change = minus(record.metric_file, record.metric_model)
    return UNDEFINED if change is None else change


_EXPORT: tuple[Column[ExportRecord], ...] = (
    Column(
        "bytes",
        lambda record: record.bytes,
        "size of the ONNX file; maximum over tasks",
        unit="bytes",
        head="MB",
        text=lambda size: f"{size / 1e6:.2f}",
        over=largest,
    ),
    Column(
        "change",
        _change,
        "the file's primary metric minus the model's on the compared examples, x 100; in"
        " brackets the number of changed predictions",
        head="change",
        text=lambda change: f"{100 * change:+.1f}",
        beside=lambda record: f" ({record.flips} of {record.compared} flip)",
    ),
    Column("compared", lambda record: record.compared, "dev examples compared"),
    Column("flips", lambda record: record.flips, "compared examples whose prediction changes"),
    Column("max_abs_error", lambda record: record.max_abs_error, "largest difference of logits"),
)


_KEPT: Column[KeptQuality] = Column(
    "lost",
    lambda kept: UNDEFINED if kept.lost is None else round(kept.lost, DECIMAL_PLACES),
    "primary metric that the file loses to the fp32 file on the whole dev split, x 100; ± is half"
    " the 95 % interval of the paired difference; maximum over tasks",
    head="lost",
    text=lambda lost: f"{100 * lost:.1f}",
    beside=lambda kept: half_width(kept.low, kept.high),
    over=largest,
)


def cost_columns(parts: Parts) -> list[Column[Row]]:
    """Training, size, and the columns of every precision and runtime."""
    return [
        Column(
            "transfer_seconds",
            lambda row: row.transfer_seconds,
            "training time on the corpus, once for all tasks",
            unit="s",
        ),
        Column(
            "training_peak_memory_bytes",
            lambda row: row.training_peak_memory_bytes or UNRECORDED,
            "peak memory of training on the task, libraries included; maximum over seeds",
            unit="bytes",
        ),
        *(column.within(_size) for column in _SIZE),
        *(column for name in parts.precisions for column in _of_precision(name)),
        *map(_lost_in, parts.scored),
        *(column for name in parts.runtimes for column in _of_runtime(name)),
    ]


def _size(row: Row) -> SizeRecord | Absent:
    return row.size or UNRECORDED


def _of_precision(precision: str) -> list[Column[Row]]:
    def export(row: Row) -> ExportRecord | Absent:
        return row.exports.get(precision, NOT_EXPORTED)

    return [column.within(export, _group(precision), precision) for column in _EXPORT]


def _lost_in(precision: str) -> Column[Row]:
    def kept(row: Row) -> KeptQuality | Absent:
        record = row.exports.get(precision)
        found = record.kept if record else ()
        return next((one for one in found if one.split == row.split), UNRECORDED)

    return _KEPT.within(kept, _group(precision), precision)


def _group(precision: str) -> str:
    return f"export_{precision.replace('-', '_')}"


def _of_runtime(runtime: str) -> list[Column[Row]]:
    measured = _measured(runtime)
    group = runtime.replace("-", "_")
    return [
        rounded(column.within(measured, group, runtime), DECIMAL_PLACES) for column in HEADLINES
    ]


def _measured(runtime: str) -> Callable[[Row], LatencyRecord | Absent]:
    def measured(row: Row) -> LatencyRecord | Absent:
        absent = THE_TEACHER if row.method == TEACHER else NOT_MEASURED
        return row.runtimes.get(runtime, absent)

    return measured
