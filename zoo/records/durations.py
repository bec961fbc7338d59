"""Durations of stages: on this machine, and in a suite's published build."""

import json
import math
from pathlib import Path

from zoo.disk import spared
from zoo.errors import ZooError
from zoo.json_files import read_json
from zoo.paths import Project, write_file

Seconds = dict[str, float]
"""`<entry>/<stage>` -> seconds."""

PUBLISHED = "durations.json"


def note_duration(project: Project, suite: str, stage: str, seconds: float) -> None:
    """Record a stage's duration, in its own file since stages may run in parallel."""
    entry, _, name = stage.partition("/")
    with spared("how long stages took"):
        write_file(_own(project, suite) / entry / name, f"{seconds:.1f}\n")


def own_durations(project: Project, suite: str) -> Seconds:
    """The known durations of stages on this machine."""
    found: Seconds = {}
    for path in sorted(_own(project, suite).glob("*/*")):
        try:
            took = float(path.read_text(encoding="utf-8"))
            if math.isfinite(took) and took >= 0:
                found[f"{path.parent.name}/{path.name}"] = took
        except (OSError, ValueError):
            continue  # estimates are optional
    return found


def published_durations(project: Project, suite: str) -> Seconds:
    """The durations of stages in the suite's published build, as far as they can be read."""
    try:
        stated = read_json(project.results / suite / PUBLISHED)
    except ZooError:
        return {}  # estimates are optional
    return {stage: float(took) for stage, took in stated.items() if _is_time(took)}


def known_durations(project: Project, suite: str) -> Seconds:
    """The durations of stages as they are to be expected on this machine.

    Its own go first; published ones are scaled by what both have timed.
    """
    own, published = own_durations(project, suite), published_durations(project, suite)
    both = own.keys() & published.keys()
    theirs = sum(published[stage] for stage in both)
    scale = sum(own[stage] for stage in both) / theirs if theirs else 1.0
    return {stage: seconds * scale for stage, seconds in published.items()} | own


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def durations_text(seconds: Seconds) -> str:
    """Durations as text."""
    return json.dumps(seconds, indent=1, sort_keys=True) + "\n"


def _own(project: Project, suite: str) -> Path:
    return project.scratch / "durations" / suite
