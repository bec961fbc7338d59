"""How long stages took: on this machine, and where a suite was published."""

import json
from pathlib import Path

from zoo.disk import spared
from zoo.paths import Project, write_file

Seconds = dict[str, float]
"""`<entry>/<stage>` -> seconds."""

PUBLISHED = "durations.json"


def note_duration(project: Project, suite: str, stage: str, seconds: float) -> None:
    """Keep how long one stage took: a file of its own, since stages may run beside each other."""
    entry, _, name = stage.partition("/")
    with spared("how long stages took"):
        write_file(_own(project, suite) / entry / name, f"{seconds:.1f}\n")


def own_durations(project: Project, suite: str) -> Seconds:
    """What stages took on this machine, as far as they have run."""
    found: Seconds = {}
    for path in sorted(_own(project, suite).glob("*/*")):
        try:
            found[f"{path.parent.name}/{path.name}"] = float(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # an estimate is no reason to stop
    return found


def published_durations(project: Project, suite: str) -> Seconds:
    """What stages took where the suite was published."""
    try:
        path = project.results / suite / PUBLISHED
        stated: Seconds = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stated


def durations_text(seconds: Seconds) -> str:
    """The one text of durations."""
    return json.dumps(seconds, indent=1, sort_keys=True) + "\n"


def _own(project: Project, suite: str) -> Path:
    return project.scratch / "durations" / suite
