"""The statistics of a suite, computed from stored predictions and saved with the tables."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

import zoo.statistics
from zoo.board.memory import package_sha256
from zoo.paths import write_file
from zoo.records.records import Record
from zoo.records.score import ScoreRecord
from zoo.records.statistics import STATISTICS_SCHEMA, SuiteStatistics
from zoo.spec.base import digest
from zoo.statistics.effort import PERMUTATIONS, RESAMPLES

STATISTICS = "statistics.json"

Stored = Callable[[ScoreRecord], Path]
"""Finds the predictions file of a score."""


def statistics_of(
    suite: str, records: Sequence[Record], stored: Stored, memory: Path
) -> SuiteStatistics | None:
    """The statistics of all scores of a suite; None without scores.

    They are always computed, never read from the published files. The local folder `memory` caches
    them by predictions and code.

    Raises:
        DataError: predictions are missing or damaged.
    """
    scores = [record for record in records if isinstance(record, ScoreRecord)]
    if not scores:
        return None
    inputs = _fingerprint(scores, stored)
    kept = memory / f"{suite}-{digest([inputs, package_sha256(zoo.statistics)])[:16]}.json"
    known = _read(kept)
    if known is not None and known.inputs == inputs and known.suite == suite:
        return known
    made = _computed(suite, scores, stored, inputs)
    write_file(kept, statistics_text(made))
    return made


def statistics_text(statistics: SuiteStatistics) -> str:
    """Statistics as text."""
    return json.dumps(statistics.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def _fingerprint(scores: Sequence[ScoreRecord], stored: Stored) -> str:
    """The sha256 of all inputs and settings of the statistics."""
    whole = hashlib.sha256(f"{STATISTICS_SCHEMA} {RESAMPLES} {PERMUTATIONS}\n".encode())
    for record in sorted(scores, key=lambda record: (record.entry, record.name)):
        path = stored(record)
        # Missing predictions are reported by name when they are read.
        content = hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()
        about = record.entry, record.name, record.digest, record.method, record.teacher, record.twin
        whole.update(f"{about} {content}\n".encode())
    return whole.hexdigest()


def _read(path: Path) -> SuiteStatistics | None:
    try:
        return SuiteStatistics.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _computed(
    suite: str, scores: Sequence[ScoreRecord], stored: Stored, inputs: str
) -> SuiteStatistics:
    from zoo.evaluation.predictions import read_predictions  # noqa: PLC0415  (computes seldom)
    from zoo.statistics.standing import ScoredRuns, suite_statistics  # noqa: PLC0415

    runs: dict[tuple[str, str, str], list[ScoreRecord]] = defaultdict(list)
    for record in scores:
        runs[record.entry, record.task, record.split].append(record)
    scored = [
        ScoredRuns(
            entry=entry,
            task=task,
            split=split,
            method=own[0].method,
            teacher=own[0].teacher,
            twin=own[0].twin,
            own=own[0].own,
            runs={r.seed: read_predictions(stored(r), r.digest) for r in own},
        )
        for (entry, task, split), own in sorted(runs.items())
    ]
    return suite_statistics(suite, scored, inputs)
