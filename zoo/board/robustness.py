"""What entries lose on altered examples: columns of the board, and a table of the comparison."""

from collections.abc import Callable, Sequence

from zoo.board.beside import COMPARED_NAME, COMPARED_SCORE, COMPARED_TASK
from zoo.board.columns import Absent, Column, Table
from zoo.board.compared import Compared
from zoo.board.costs import NOT_MEASURED, UNDEFINED
from zoo.board.render import markdown_table
from zoo.board.scores import percent
from zoo.board.table import Row
from zoo.records.statistics import Drop

_ABOUT = (
    "Scores x 100 on altered examples. The drop is the score on the dev split minus that, mean over"
    " seeds, with its 95 % interval over examples and, if there are several, seeds: above 0 the"
    " entry is worse on altered examples. `typos`: the same examples with typos, so pairs are"
    " compared. `adversarial`: other examples of the task, so their own difficulty is in the drop"
    " too."
)


def _drop_beside(drop: Drop) -> str:
    """The interval."""
    if drop.low is None or drop.high is None:
        return ""
    return f" [{percent(drop.low)}, {percent(drop.high)}]"


_DROP: tuple[Column[Drop], ...] = (
    Column(
        "score",
        lambda drop: UNDEFINED if drop.score is None else drop.score,
        "score on altered examples, mean over seeds",
        head="score",
        text=percent,
    ),
    Column(
        "drop",
        lambda drop: UNDEFINED if drop.drop is None else drop.drop,
        "score on the dev split minus that on altered examples, with its 95 % interval",
        head="drop",
        text=lambda value: f"{100 * value:+.1f}",
        beside=_drop_beside,
    ),
    Column("low", lambda drop: drop.low, "lower end of the drop's 95 % interval"),
    Column("high", lambda drop: drop.high, "upper end of the drop's 95 % interval"),
    Column("examples", lambda drop: drop.examples, "number of altered examples"),
    Column(
        "paired",
        lambda drop: drop.paired,
        "whether the altered examples are those of the dev split, resampled together",
    ),
)


def drop_columns(perturbations: Sequence[str]) -> list[Column[Row]]:
    """The columns of a board, for each of these perturbations."""
    return [
        column.within(_drop_of(perturbation), perturbation, perturbation)
        for perturbation in perturbations
        for column in _DROP
    ]


def _drop_of(perturbation: str) -> Callable[[Row], Drop | Absent]:
    return lambda row: row.drops.get(perturbation, NOT_MEASURED)


def robustness_text(lines: Sequence[Compared]) -> list[str]:
    """The section of the comparison, as paragraphs; none where nothing was measured.

    `lines` are of single tasks.
    """
    own = [line for line in lines if any(row.drops for row in line.rows)]
    own.sort(key=lambda line: (line.task, line.split, line.is_student, -(line.score or -1.0)))
    if not own:
        return []
    perturbations = sorted({name for line in own for row in line.rows for name in row.drops})
    columns = [
        COMPARED_NAME,
        COMPARED_TASK,
        COMPARED_SCORE,
        *(column.within(_single_row) for column in drop_columns(perturbations)),
    ]
    return ["## Robustness", _ABOUT, markdown_table(Table("robustness", own, columns))]


def _single_row(line: Compared) -> Row:
    return line.rows[0]
