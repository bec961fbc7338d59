"""The seeds of a table's runs in words: of all tasks at once where they have the same."""

from collections.abc import Iterable, Mapping, Sequence

from zoo.board.table import Row

_UNKNOWN = "the spread over seeds is unknown"


def seeds_text(by_task: Mapping[str, Sequence[int]]) -> str:
    """The seeds of each task: `1, 2`, or `1 on sst2; 1, 2 on mrpc, rte`."""
    groups = _groups(by_task)
    if len(groups) == 1:
        return _listed(*groups)
    return "; ".join(f"{_listed(seeds)} on {', '.join(tasks)}" for seeds, tasks in groups.items())


def seeds_remark(rows: Iterable[Row]) -> str:
    """The footnote of a table: its seeds, and where they tell nothing about the spread."""
    found: dict[str, set[int]] = {}
    for row in rows:
        found.setdefault(row.task, set()).update(row.seeds)
    by_task = {task: sorted(seeds) for task, seeds in sorted(found.items())}
    text = f"Seeds: {seeds_text(by_task)}"
    single = [task for task, seeds in by_task.items() if len(seeds) == 1]
    if not single:
        return f"{text}."
    # Of equal seeds, tasks are not named.
    if len(_groups(by_task)) == 1:
        return f"{text}, so {_UNKNOWN}."
    return (
        f"{text}. {_UNKNOWN.capitalize()} on {', '.join(single)}, and of a mean that includes one."
    )


def _groups(by_task: Mapping[str, Sequence[int]]) -> dict[tuple[int, ...], list[str]]:
    """The tasks by their seeds."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for task, seeds in by_task.items():
        groups.setdefault(tuple(seeds), []).append(task)
    return groups


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
