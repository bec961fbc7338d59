"""What tables say of their seeds."""

from zoo.board.leaderboard import leaderboard, summary
from zoo.board.seeds import seeds_remark, seeds_text
from zoo.board.table import Row, make_rows
from zoo.records.records import Record


def rows(records: list[Record], **seeds: tuple[int, ...]) -> list[Row]:
    """The rows of one entry, once for each task with its seeds."""
    first = make_rows(records)[0]
    return [first.model_copy(update={"task": task, "seeds": own}) for task, own in seeds.items()]


def test_equal_seeds_are_told_once() -> None:
    assert seeds_text({"sst2": (1, 2), "mrpc": (1, 2)}) == "1, 2"
    assert (
        seeds_text({"sst2": (1,), "mrpc": (1, 2), "rte": (1, 2)}) == "1 on sst2; 1, 2 on mrpc, rte"
    )


def test_the_remark_says_where_the_spread_is_unknown(records: list[Record]) -> None:
    assert seeds_remark(rows(records, a=(1, 2), b=(1, 2))) == "Seeds: 1, 2."
    alone = "Seeds: 1, so the spread over seeds is unknown."
    assert seeds_remark(rows(records, a=(1,), b=(1,))) == alone
    assert seeds_remark(rows(records, b=(1, 2, 3), a=(1, 2))) == "Seeds: 1, 2 on a; 1, 2, 3 on b."
    assert seeds_remark(rows(records, a=(1, 2), b=(1,), c=(1, 2))) == (
        "Seeds: 1, 2 on a, c; 1 on b. The spread over seeds is unknown on b, and of a mean that "
        "includes one."
    )


def test_entries_of_other_seeds_on_a_task_are_told_together(records: list[Record]) -> None:
    both = [*rows(records, a=(1,)), *rows(records, a=(1, 2))]
    assert seeds_remark(both) == "Seeds: 1, 2."


def test_tasks_left_out_are_named(records: list[Record]) -> None:
    told, shown = "Not built, as their data were absent: rte, wnli.", make_rows(records)
    left_out = ["rte", "wnli"]
    assert told in leaderboard(shown, "tiny", left_out).notes
    assert told in summary(shown, "tiny", left_out=left_out).notes
    assert not [note for note in summary(shown, "tiny").notes if "absent" in note]
