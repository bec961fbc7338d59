"""The columns of entries beside teacher and twin: scores, differences, and relative costs."""

from collections.abc import Callable

from zoo.board.columns import Absent, Cell, Column, half_width
from zoo.board.compared import MEAN, Compared
from zoo.board.costs import NOT_MEASURED, UNDEFINED, UNRECORDED
from zoo.board.fastest import Fastest
from zoo.board.scores import CONTRAST, percent, signs_of, verdict_sign
from zoo.board.summary import split_text
from zoo.board.table import minus
from zoo.records.statistics import Contrast

BUSY = "◦"
"""After a time that was measured under other load."""


def three_digits(number: float) -> str:
    """A positive number with three significant digits, trailing zeros kept."""
    return f"{number:#.3g}".removesuffix(".")


COMPARED_NAME: Column[Compared] = Column(
    "entry",
    lambda line: line.entry,
    "name of its spec",
    head="entry",
    beside=lambda line: signs_of(line.rows),
)
COMPARED_METHOD: Column[Compared] = Column(
    "method", lambda line: line.method, "distillation method", head="method"
)
COMPARED_TASK: Column[Compared] = Column(
    "task",
    lambda line: line.task,
    f"task that was scored, or `{MEAN}` over the tasks that all entries share",
    head="task",
    beside=lambda line: split_text(line.split) if line.split else "",
)
COMPARED_SCORE: Column[Compared] = Column(
    "score",
    lambda line: UNDEFINED if line.score is None else line.score,
    "mean over seeds; ± is half the 95 % interval over examples and, if there are several, seeds",
    head="score",
    text=percent,
    beside=lambda line: half_width(line.low, line.high),
)
RETENTION: Column[Compared] = Column(
    "retention_percent",
    lambda line: UNDEFINED if line.retention is None else round(100 * line.retention, 2),
    "score in per cent of the teacher's, which must be above 0",
    unit="%",
    head="of teacher",
    text="{:.1f} %".format,
)
PARAMETERS: Column[Compared] = Column(
    "parameters",
    lambda line: line.costs.parameters or UNRECORDED,
    "whole model with its head, maximum over tasks; in brackets in per cent of the teacher's",
    head="parameters",
    text=lambda count: f"{three_digits(count / 1e6)} M",
    beside=lambda line: _share(line.costs.of_parameters) if line.is_student else "",
)
PARAMETERS_PERCENT: Column[Compared] = Column(
    "parameters_percent",
    lambda line: _percent_or(line.costs.of_parameters, UNRECORDED),
    "parameters in per cent of the teacher's",
    unit="%",
)


def _share(share: float | None) -> str:
    return "" if share is None else f" ({100 * share:.0f} %)"


def _percent_or(share: float | None, absent: Absent) -> Cell:
    return absent if share is None else round(100 * share, 2)


def _times(fastest: Fastest) -> str:
    """The ratio, and the sign of a disturbed measurement."""
    ratio = "" if fastest.ratio in (None, 1.0) else f" ({fastest.ratio:.2f} x)"
    return ratio + (f" {BUSY}" if fastest.is_busy else "")


_FASTEST: tuple[Column[Fastest], ...] = (
    Column(
        "runtime", lambda one: one.runtime, "the entry's fastest runtime: that of these columns"
    ),
    Column("cell", lambda one: one.cell, "batch x length in tokens"),
    Column(
        "bytes",
        lambda one: one.file_bytes or UNRECORDED,
        "size of the file that it loads, maximum over tasks, with its precision",
        unit="bytes",
        head="MB",
        text=lambda size: three_digits(size / 1e6),
        beside=lambda one: f" {one.precision}",
    ),
    Column("precision", lambda one: one.precision, "precision of that file"),
    Column(
        "latency_ms_p50",
        lambda one: one.latency_ms,
        "median time of a call; in brackets relative to the teacher with the same runtime,"
        " interleaved in one process: below 1 is faster",
        unit="ms",
        head="ms",
        text=three_digits,
        beside=_times,
    ),
    Column("ratio", lambda one: one.ratio, "time relative to the teacher", head="time"),
    Column("ratio_low", lambda one: one.ratio_low, "lower end of its 95 % interval"),
    Column("ratio_high", lambda one: one.ratio_high, "upper end of its 95 % interval"),
    Column("busy", lambda one: one.is_busy, f"whether under other load; displayed as {BUSY}"),
)


def _fastest(line: Compared) -> Fastest | Absent:
    return line.costs.fastest or NOT_MEASURED


FASTEST_COLUMNS: tuple[Column[Compared], ...] = tuple(
    column.within(_fastest, "fastest") for column in _FASTEST
)


def difference_column(
    rival: str, contrast: Callable[[Compared], Contrast | None]
) -> Column[Compared]:
    """The difference to a rival, with half its interval and a sign."""

    def beside(line: Compared) -> str:
        found = contrast(line)
        if found is None:
            return ""
        sign = verdict_sign(found)
        return half_width(found.low, found.high) + (f" {sign}" if sign else "")

    return Column(
        f"to_{rival}",
        lambda line: _difference(line, contrast),
        f"score minus the {rival}'s; ± is half its 95 % interval",
        head=f"to {rival}",
        text=lambda value: f"{100 * value:+.1f}",
        beside=beside,
    )


def _difference(line: Compared, contrast: Callable[[Compared], Contrast | None]) -> Cell:
    found = contrast(line)
    return None if found is None else minus(found.difference, 0.0)


def of_teacher(line: Compared) -> Contrast | None:
    """The contrast with the teacher."""
    return line.against_teacher


def of_twin(line: Compared) -> Contrast | None:
    """The contrast with the twin."""
    return line.against_twin


TO_TEACHER = difference_column("teacher", of_teacher)
TO_TWIN = difference_column("twin", of_twin)
AGAINST: tuple[Column[Compared], ...] = (
    *(column.within(of_teacher, "against_teacher") for column in CONTRAST),
    *(column.within(of_twin, "against_twin") for column in CONTRAST),
)
