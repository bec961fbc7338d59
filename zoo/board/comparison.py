"""Each student beside its twin, its teacher and its paper: comparison.csv, .json and .md."""

from collections.abc import Sequence

from zoo.board.beside import (
    AGAINST,
    COMPARED_METHOD,
    COMPARED_NAME,
    COMPARED_SCORE,
    COMPARED_TASK,
    FASTEST_COLUMNS,
    PARAMETERS,
    PARAMETERS_PERCENT,
    RETENTION,
)
from zoo.board.budgets import budget_columns
from zoo.board.columns import Column, Table
from zoo.board.compared import Compared, compared
from zoo.board.comparison_text import comparison_text
from zoo.board.render import as_csv, as_json
from zoo.board.table import Row
from zoo.records.reported import Reported
from zoo.records.statistics import SuiteStatistics

COMPARISON = "comparison"
"""The name of the files, without their endings."""


def comparison_files(
    suite: str,
    rows: Sequence[Row],
    statistics: SuiteStatistics | None,
    reported: Sequence[Reported],
) -> dict[str, str]:
    """The comparison by file name: all columns as data, and four tables for people."""
    lines = compared(rows, statistics)
    whole = Table(suite, lines, comparison_columns(reported))
    return {
        f"{COMPARISON}.csv": as_csv(whole),
        f"{COMPARISON}.json": as_json(whole),
        f"{COMPARISON}.md": comparison_text(suite, lines, statistics, reported),
    }


def comparison_columns(reported: Sequence[Reported] = ()) -> list[Column[Compared]]:
    """The columns of comparison.csv; shares of published budgets are of the `reported` ones."""
    return [
        COMPARED_NAME,
        COMPARED_METHOD,
        Column("teacher", lambda line: line.teacher, "entry it is distilled from"),
        COMPARED_TASK,
        Column("split", lambda line: line.split or None, "split of the task's data"),
        COMPARED_SCORE,
        Column("score_low", lambda line: line.low, "lower end of its 95 % interval"),
        Column("score_high", lambda line: line.high, "upper end of its 95 % interval"),
        RETENTION,
        *AGAINST,
        PARAMETERS,
        PARAMETERS_PERCENT,
        *FASTEST_COLUMNS,
        *budget_columns(reported),
    ]
