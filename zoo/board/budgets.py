"""How long entries were trained, and the share of what their papers state."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from zoo.board.columns import Absent, Cell, Column
from zoo.board.compared import MEAN, Compared
from zoo.board.table import Row
from zoo.records.reported import Reported

NOT_PUBLISHED = Absent("not published")
NO_CORPUS = Absent("no corpus stage of its own")
_TASK_EPOCHS = "epochs on a task"


def published_budget(reported: Sequence[Reported], method: str, metric: str) -> float | None:
    """The budget that a method's paper states; None where it states none."""
    stated = (row.value for row in reported if (row.method, row.metric) == (method, metric))
    return next(stated, None)


class StatedBudget(NamedTuple):
    """A budget of trainings, and the metric of those that papers report."""

    name: str
    head: str
    note: str
    metric: str
    of: Callable[[Row], float | None]

    def spent(self, line: Compared) -> Cell:
        """The largest of all tasks."""
        known = [value for row in line.rows if (value := self.of(row)) is not None]
        if known:
            return max(known)
        return NO_CORPUS if self.metric != _TASK_EPOCHS and line.is_student else None

    def share(self, line: Compared, reported: Sequence[Reported]) -> Cell:
        """What is spent, in per cent of what the method's paper states."""
        here, published = self.spent(line), published_budget(reported, line.method, self.metric)
        if not isinstance(here, int | float) or not line.is_student:
            return here if isinstance(here, Absent) else None
        return NOT_PUBLISHED if published is None else round(100 * here / published, 4)


BUDGETS = (
    StatedBudget(
        "corpus_steps",
        "corpus steps",
        "steps on the corpus, all stages together",
        "steps on the corpus",
        lambda row: row.corpus_steps,
    ),
    StatedBudget(
        "corpus_epochs",
        "corpus epochs",
        "passes over the corpus, all stages together",
        "epochs on the corpus",
        lambda row: row.corpus_epochs,
    ),
    StatedBudget(
        "task_epochs",
        "task epochs",
        "passes over the task's data, all stages together; maximum over tasks",
        _TASK_EPOCHS,
        lambda row: row.task_epochs,
    ),
)
"""The budgets that papers state; `metric` is that of their reported rows."""


def budget_columns(reported: Sequence[Reported]) -> list[Column[Compared]]:
    """Every budget with its share of the `reported` one, and the number of training examples."""
    columns = []
    for budget in BUDGETS:
        share = partial(budget.share, reported=reported)
        note = f"the same in per cent of the paper's {budget.head}"
        columns += [
            Column(budget.name, budget.spent, budget.note),
            Column(f"{budget.name}_percent_of_published", share, note, unit="%"),
        ]
    examples = "training examples of the task, without augmented copies"
    return [*columns, Column("train_examples", _examples, examples)]


def _examples(line: Compared) -> Cell:
    return line.rows[0].train_examples if line.task != MEAN else None
