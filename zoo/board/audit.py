"""Consistency checks of records before a board shows them.

A score must match its stored predictions, by hash and by value; a record must be where it says it
is; entries that are compared must be trained and scored on the same examples.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import zoo.board
import zoo.evaluation
import zoo.records
from zoo.board.memory import Seen, package_sha256
from zoo.board.standings import Stored
from zoo.errors import DataError, MeasurementError, Problem, ZooError
from zoo.paths import file_sha256
from zoo.records.measured import RECORD_SCHEMA
from zoo.records.predicted import PredictedRun, seal
from zoo.records.records import Record
from zoo.records.robustness import RobustnessRecord
from zoo.records.score import ScoreRecord
from zoo.records.training import TrainingRecord
from zoo.spec.base import digest

_CLOSE = 1e-5
"""Largest relative difference between a stored metric (six digits) and the recomputed one."""
_LISTED = 20
_RESTORE = "restore both from git, or build and publish them again"


def refuse_unsound(
    records: Sequence[Record],
    entries: Collection[str],
    stored: Stored,
    memory: Path,
    remedy: str = _RESTORE,
) -> None:
    """Check that scores match their predictions, and that records refer to known `entries`.

    Records listed in the local file `memory` have passed before.

    Raises:
        ZooError: the problems of all records.
    """
    problems, seen, sound = [*_strangers(records, entries, remedy)], Seen(memory), set()
    for record in records:
        if not isinstance(record, PredictedRun):
            continue
        key = _key(record, stored(record))
        found = [] if key in seen else list(_unsound(record, stored(record)))
        where = f"{record.suite}/{record.entry} {record.name}"
        problems += [Problem(where, given, allowed, remedy) for given, allowed in found]
        sound |= set() if found else {key}
    seen.keep(sound)
    if problems:
        rest = len(problems) - _LISTED
        more = (
            [Problem(records[0].suite, f"and {rest} more problems like these")] if rest > 0 else []
        )
        raise ZooError(*problems[:_LISTED], *more)


def refuse_mixed_data(records: Iterable[Record], suite: str) -> None:
    """Check, task by task, that all entries were trained and scored on the same examples.

    Raises:
        ZooError: some were not, so they cannot be compared.
    """
    found: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for record in records:
        if isinstance(record, TrainingRecord):
            found[record.task, "trained"][record.data_sha256].add(record.entry)
        elif isinstance(record, ScoreRecord):
            where = record.task if record.split == "dev" else f"{record.task} {record.split}"
            found[where, "scored"][record.data_sha256].add(record.entry)
        elif isinstance(record, RobustnessRecord):
            where = f"{record.task} {record.split} ({record.perturbation})"
            found[where, "scored"][record.data_sha256].add(record.entry)
    problems = [
        Problem(
            f"{suite} on {task}",
            f"its entries were {how} on different examples: {_sides(by_data)}",
            "the same examples for all entries",
            f"rebuild what has changed with `zoo run {suite}`",
        )
        for (task, how), by_data in sorted(found.items())
        if len(by_data) > 1
    ]
    if problems:
        raise ZooError(*problems)


def _sides(by_data: dict[str, set[str]]) -> str:
    sides = (f"{', '.join(sorted(entries))} on {data[:8]}" for data, entries in by_data.items())
    return "; ".join(sorted(sides))


def _strangers(records: Sequence[Record], known: Collection[str], remedy: str) -> Iterator[Problem]:
    """Records whose teacher or twin is not on the board."""
    for record in records:
        if isinstance(record, ScoreRecord):
            named = {"teacher": record.teacher, "twin": record.twin}
            for role, entry in named.items():
                if entry is not None and entry not in known:
                    where = f"{record.suite}/{record.entry} {record.name}"
                    allowed = ", ".join(sorted(known))
                    yield Problem(where, f"there is no {entry!r}, its {role}", allowed, remedy)


def _key(record: PredictedRun, path: Path) -> str:
    """The key of a record, its predictions and the code that checks one against the other."""
    predictions = file_sha256(path) if path.is_file() else ""
    code = [package_sha256(package) for package in (zoo.board, zoo.evaluation, zoo.records)]
    return digest([record.model_dump(mode="json"), predictions, code])


def _unsound(record: PredictedRun, path: Path) -> Iterator[tuple[str, str]]:
    """The fields of a score that contradict its predictions."""
    from zoo.evaluation.predictions import (  # noqa: PLC0415  (most have passed before)
        read_origin,
        read_predictions,
    )
    from zoo.evaluation.scoring import rescored  # noqa: PLC0415

    try:
        origin, predictions = read_origin(path), read_predictions(path, record.digest)
        scored = rescored(record.definition, predictions)
    except (DataError, MeasurementError) as error:
        yield from ((problem.given, problem.allowed) for problem in error.problems)
        return
    if record.schema_version == RECORD_SCHEMA and file_sha256(path) != record.predictions_sha256:
        yield "its predictions file has changed", str(record.predictions_sha256)
    elif record.schema_version == RECORD_SCHEMA and origin.record != seal(record):
        yield "modified after it was written", f"the record {origin.record[:12]}"
    if record.examples != len(predictions.ids):
        yield f"{record.examples} examples", f"the {len(predictions.ids)} stored"
    for name, value in scored.metrics.items():
        stated = record.metrics.get(name)
        if name in record.metrics and not _same(stated, value):
            yield f"{name} {_told(stated)}", f"{_told(value)}, the score of its predictions"


def _same(stated: float | None, value: float | None) -> bool:
    if stated is None or value is None:
        return stated is value
    return math.isclose(stated, value, rel_tol=_CLOSE, abs_tol=1e-9)


def _told(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.6g}"
