"""comparison.md: students beside twin, teacher and paper, as tables for people."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from zoo.board.beside import (
    COMPARED_NAME,
    COMPARED_SCORE,
    COMPARED_TASK,
    FASTEST_COLUMNS,
    PARAMETERS,
    RETENTION,
    of_teacher,
    of_twin,
)
from zoo.board.budgets import BUDGETS, StatedBudget, published_budget
from zoo.board.claims import Claimed, claimed
from zoo.board.columns import Absent, Cell, Column, Table
from zoo.board.compared import MEAN, Compared, means_of
from zoo.board.render import markdown_table
from zoo.board.robustness import robustness_text
from zoo.board.scores import percent
from zoo.board.summary import place_name
from zoo.records.reported import Reported
from zoo.records.statistics import Contrast, SuiteStatistics

_ABOUT_DIFFERENCES = (
    "Scores x 100, and their differences with 95 % intervals over examples and, if there are"
    " several, seeds. p is Holm-corrected (means and tasks apart), and below 0.05 only where the"
    " interval excludes 0. `of teacher` and `time` are relative to the teacher, `time` with the"
    " entry's fastest runtime. All columns are in comparison.csv, and explained in"
    " [docs/columns.md](../../docs/columns.md)."
)
_ABOUT_CLAIMS = (
    "In the unit of the first column. A claim is about another teacher, other data and other tasks"
    " than here; the last table shows how far apart they are. Scores are those of the PyTorch"
    " model, times those of the fastest runtime."
)
_ABOUT_BUDGETS = (
    "In brackets the share of what the method's paper states, where it does: by steps, whatever the"
    " batches, or by passes over the data, however large the corpora."
)


def comparison_text(
    suite: str,
    lines: Sequence[Compared],
    statistics: SuiteStatistics | None,
    reported: Sequence[Reported],
) -> str:
    """The document: means, tasks, claims and what differs from the papers."""
    means = [line for line in means_of(lines) if line.is_student]
    tasks = [line for line in lines if line.task != MEAN and line.is_student]
    tasks.sort(key=lambda line: (line.task, line.split, -(line.score or -1.0)))
    over = ", ".join(map(place_name, statistics.mean_over)) if statistics else ""
    claims = claimed(lines, reported)
    parts = [
        f"# {suite}: students beside twin, teacher and paper",
        _ABOUT_DIFFERENCES,
        f"## Means over {over or 'no task, as none is shared by all entries'}",
        markdown_table(Table(suite, means, _MEANS)),
        "## Task by task",
        markdown_table(Table(suite, tasks, _TASKS)),
        *robustness_text([line for line in lines if line.task != MEAN]),
        "## What the papers claim",
        _ABOUT_CLAIMS,
        markdown_table(Table(suite, claims, _CLAIMED)) if claims else "No claims.",
        "## What differs from the papers",
        _ABOUT_BUDGETS,
        markdown_table(Table(suite, means, _differing(lines, reported))),
    ]
    return "\n\n".join(parts) + "\n"


def _interval_column(rival: str, of: Callable[[Compared], Contrast | None]) -> Column[Compared]:
    return Column(
        f"to_{rival}",
        lambda line: found.difference if (found := of(line)) else None,
        "",
        head=f"to {rival}",
        text=lambda value: f"{100 * value:+.1f}",
        beside=lambda line: (
            f" [{percent(found.low)}, {percent(found.high)}]" if (found := of(line)) else ""
        ),
    )


def _p_column(rival: str, of: Callable[[Compared], Contrast | None]) -> Column[Compared]:
    return Column(
        f"p_{rival}",
        lambda line: found.p_holm if (found := of(line)) else None,
        "",
        head="p",
        text="{:.2g}".format,
    )


_RIVALS: tuple[Column[Compared], ...] = (
    _interval_column("twin", of_twin),
    _p_column("twin", of_twin),
    _interval_column("teacher", of_teacher),
    _p_column("teacher", of_teacher),
    RETENTION,
)
_TIME = next(column for column in FASTEST_COLUMNS if column.name == "fastest_ratio")
_MEANS: tuple[Column[Compared], ...] = (
    COMPARED_NAME,
    replace(COMPARED_SCORE, head="mean"),
    *_RIVALS,
    PARAMETERS,
    replace(_TIME, text="{:.2f} x".format),
)
_TASKS: tuple[Column[Compared], ...] = (COMPARED_NAME, COMPARED_TASK, COMPARED_SCORE, *_RIVALS)
_CLAIMED: tuple[Column[Claimed], ...] = (
    Column("quantity", lambda one: one.quantity, "", head="quantity"),
    Column("method", lambda one: one.claim.method, "", head="method"),
    Column("published", lambda one: one.published, "", head="published", text="{:.4g}".format),
    Column("entry", lambda one: one.entry.entry, "", head="entry"),
    Column(
        "measured",
        lambda one: Absent("not measured here") if one.measured is None else one.measured,
        "",
        head="here",
        text="{:.1f}".format,
    ),
    Column(
        "source",
        lambda one: f"{one.claim.model}: {one.claim.metric} {one.claim.value:g}",
        "",
        head="as printed",
        beside=lambda one: (
            f"{f' ({one.claim.note})' if one.claim.note else ''}; {one.claim.source}"
            f" ({one.claim.arxiv})"
        ),
    ),
)


def _differing(lines: Sequence[Compared], reported: Sequence[Reported]) -> list[Column[Compared]]:
    """Budgets, data and teachers here, and what is published of them."""
    examples: dict[str, list[str]] = {}
    for line in lines:
        count = line.rows[0].train_examples
        if line.task != MEAN and count is not None:
            examples.setdefault(line.entry, []).append(f"{line.task} {count:,}")
    return [
        COMPARED_NAME,
        Column(
            "teacher",
            lambda line: line.teacher,
            "",
            head="teacher",
            beside=lambda line: _millions(line.costs.teacher_parameters),
        ),
        Column(
            "published_teacher",
            lambda line: _published_teacher(line.method, reported),
            "",
            head="paper's teacher",
        ),
        *(_beside_published(budget, reported) for budget in BUDGETS),
        Column(
            "examples",
            lambda line: ", ".join(examples.get(line.entry, ())),
            "",
            head="training examples",
        ),
    ]


def _beside_published(budget: StatedBudget, reported: Sequence[Reported]) -> Column[Compared]:
    """A budget here and, in brackets, its share of the published one."""

    def value(line: Compared) -> Cell:
        here = budget.spent(line)
        return None if isinstance(here, Absent) else here

    def beside(line: Compared) -> str:
        published = published_budget(reported, line.method, budget.metric)
        share = budget.share(line, reported)
        if published is None or not isinstance(share, int | float):
            return ""
        return f" ({_few_digits(share)} % of {published:,.0f})"

    return Column(budget.name, value, "", head=budget.head, text=_few_digits, beside=beside)


def _few_digits(number: float) -> str:
    """Two significant digits of what is below 100, whole numbers above."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"


def _millions(parameters: int | None) -> str:
    return "" if parameters is None else f" ({parameters / 1e6:.3g} M)"


def _published_teacher(method: str, reported: Sequence[Reported]) -> Cell:
    """The teacher of the papers that claim something of a method."""
    papers = {row.arxiv for row in reported if row.method == method and row.claim}
    named = {
        f"{row.model}{_millions(int(1e6 * row.parameters_m))}"
        for row in reported
        if row.arxiv in papers and row.method == "teacher" and row.parameters_m is not None
    }
    return min(named, default=None)
