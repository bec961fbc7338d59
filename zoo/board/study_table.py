"""A study as a table: one row per variant, task and split, and one line per variant."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zoo.board.columns import Absent, Cell, Column, Table, average, total
from zoo.board.costs import TRAINING_SECONDS, UNRECORDED, Parts, cost_columns
from zoo.board.scores import SCORE_COLUMN, percent, score_columns
from zoo.board.seeds import seeds_remark
from zoo.board.study import StudyRow, value_text
from zoo.board.summary import Line, line_of, place_name, summed_up, task_columns
from zoo.spec.study import StudyJob

AS_DECLARED = Absent("as declared")
ATTENTION_KL: Column[StudyRow] = Column(
    "attention_kl",
    lambda row: UNRECORDED if row.attention_kl is None else row.attention_kl,
    "KL divergence of attention from the teacher's on the dev split: mean over layers, heads,"
    " tokens, seeds and tasks; every head's is in attention.csv",
    unit="nat",
    head="attention KL",
    text="{:.3g}".format,
    over=average,
)


def study_table(job: StudyJob, rows: Sequence[StudyRow]) -> Table[StudyRow]:
    """All rows with all columns."""
    return Table(_title(job), rows, study_columns(job, rows))


def study_summary(
    job: StudyJob, rows: Sequence[StudyRow], remarks: Sequence[str] = ()
) -> Table[Line[StudyRow]]:
    """One line per variant, one column per task; scores show the difference to the base."""
    places = list(dict.fromkeys((row.task, row.split) for row in rows))
    score = _score_column(rows)
    lines = [
        line_of(variant.name, score, [row for row in rows if row.variant == variant.name])
        for variant in job.variants
    ]
    name: Column[Line[StudyRow]] = Column("variant", lambda line: line.name, "", head="variant")
    note = "training time of one run per task, summed; corpus training excluded"
    training = replace(TRAINING_SECONDS, note=note, over=total)
    costs: list[Column[StudyRow]] = [training, *cost_columns(Parts.of(rows))]
    attention = summed_up([ATTENTION_KL]) if job.attention else []
    columns = [name, *task_columns(rows, places, score), *attention, *summed_up(costs)]
    return Table(_title(job), lines, columns, [*_remarks(job, rows), *remarks])


def study_columns(job: StudyJob, rows: Sequence[StudyRow]) -> list[Column[StudyRow]]:
    """A study's own columns, and those shared with boards."""
    parts = Parts.of(rows)
    seeds = sorted({seed for row in rows for seed in row.seeds})
    return [
        Column("variant", lambda row: row.variant, "name within the study", head="variant"),
        *(_axis(axis) for axis in job.axes),
        *score_columns(parts, _score_column(rows)),
        Column("to_base", lambda row: row.to_base, "score minus the base's"),
        *((ATTENTION_KL,) if job.attention else ()),
        *(_seed(seed) for seed in seeds),
        Column("train_examples", lambda row: row.train_examples, "number of training examples"),
        TRAINING_SECONDS,
        *cost_columns(parts),
    ]


def _axis(axis: str) -> Column[StudyRow]:
    return Column(axis, lambda row: _stated(row.values[axis]), "value that the variant sets")


def _stated(value: Any) -> Cell:
    if value is None:
        return AS_DECLARED
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else value_text(value)


def _seed(seed: int) -> Column[StudyRow]:
    return Column(f"score_seed_{seed}", lambda row: row.scores.get(seed), "score of one run")


def _score_column(rows: Sequence[StudyRow]) -> Column[StudyRow]:
    """The score with its spread and, except for the base, the difference to the base."""
    base = rows[0].variant if rows else ""

    def beside(row: StudyRow) -> str:
        spread = "" if row.score_sd is None else f" ± {percent(row.score_sd)}"
        compared = row.variant != base and row.to_base is not None
        return spread + (f" ({100 * (row.to_base or 0.0):+.1f})" if compared else "")

    note = (
        "mean over seeds, displayed x 100; ± is the standard deviation over seeds, in brackets the"
        " score minus the base's"
    )
    score: Column[StudyRow] = SCORE_COLUMN
    return replace(score, note=note, beside=beside)


def _title(job: StudyJob) -> str:
    return f"{job.suite}: {job.entry}"


def _remarks(job: StudyJob, rows: Sequence[StudyRow]) -> list[str]:
    values = job.variants[0].values
    stated = ", ".join(
        f"{axis} {'as declared' if values[axis] is None else value_text(values[axis])}"
        for axis in job.axes
    )
    examples = {(row.task, row.split): row.examples for row in rows}
    sizes = ", ".join(f"{place_name(place)} {count:,}" for place, count in examples.items())
    return [
        f"The base is {job.varied} with {stated}.",
        seeds_remark(rows),
        f"Scored examples: {sizes}.",
    ]
