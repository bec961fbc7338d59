"""Data sets of the Hugging Face hub, whole or streamed, always at a pinned revision.

`datasets` takes a second to import and is needed only here, so each function brings it itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.disk import cannot_write, no_room
from zoo.errors import DataError, Problem
from zoo.spec.task import Task

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class HubData:
    """One split of one configuration of a data set at one revision."""

    name: str
    config: str | None
    split: str
    revision: str

    def __str__(self) -> str:
        config = f"configuration {self.config!r}, " if self.config else ""
        return f"{self.name} ({config}split {self.split!r}, revision {self.revision!r})"


def split_of(task: Task, split: str, revision: str) -> HubData:
    """Where a split of a task is on the hub."""
    assert task.hub is not None
    return HubData(task.hub.id, task.hub.config, task.hub.split(split), revision)


def load_columns(source: HubData, columns: Sequence[str]) -> Dataset:
    """The split, cut down to `columns`.

    Raises:
        DataError: it cannot be reached, or lacks a column.
    """
    import datasets  # noqa: PLC0415

    with _reached(source):
        data = datasets.load_dataset(
            source.name, source.config, split=source.split, revision=source.revision
        )
    _require_columns(source, data.column_names, columns)
    return data.select_columns(list(columns))


def stream(source: HubData, column: str) -> Iterator[str]:
    """The texts of one column, one after the other, without fetching the whole split.

    Raises:
        DataError: it cannot be reached, or lacks the column.
    """
    import datasets  # noqa: PLC0415

    with _reached(source):
        rows = datasets.load_dataset(
            source.name, source.config, split=source.split, revision=source.revision, streaming=True
        )
        for row in rows:
            _require_columns(source, row, [column])
            yield str(row[column])


def iterate_rows(data: Dataset) -> Iterator[dict[str, Any]]:
    """The rows of a split, read a thousand at a time."""
    for batch in data.iter(batch_size=1000):
        names, columns = batch.keys(), batch.values()
        for values in zip(*columns, strict=True):
            yield dict(zip(names, values, strict=True))


def _require_columns(source: HubData, given: Iterable[str], wanted: Sequence[str]) -> None:
    lacking = [name for name in wanted if name not in given]
    if lacking:
        raise DataError(
            Problem(
                str(source),
                f"no column {', '.join(map(repr, lacking))}; there are {', '.join(given)}",
                f"the columns {', '.join(wanted)}",
                "check the data set, configuration and revision",
            )
        )


@contextmanager
def _reached(source: HubData) -> Iterator[None]:
    import datasets  # noqa: PLC0415

    try:
        yield
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        full = no_room(error)
        if full:
            raise DataError(cannot_write(f"{source} in the hub's cache", full)) from error
        offline = datasets.config.HF_HUB_OFFLINE
        online = "unset HF_HUB_OFFLINE to go online" if offline else "go online"
        raise DataError(
            Problem(
                str(source),
                f"cannot be read from the hub: {error}",
                remedy=f"set ZOO_DATA to a folder that holds the data, or {online}",
            )
        ) from error
