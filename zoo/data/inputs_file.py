"""What the files of looked-at inputs say of absent data; `zoo.data.inputs` writes them."""

from collections.abc import Iterable
from pathlib import Path

from zoo.paths import Project

ABSENT = "absent\n"
"""What is written of every split of an optional task whose data are nowhere."""


def skipped_tasks(project: Project, suite: str, tasks: Iterable[str]) -> set[str]:
    """Those of `tasks` that were absent when the suite's inputs were last looked at."""
    return {task for task in tasks if _is_skipped(project.inputs(suite) / task / "train.txt")}


def _is_skipped(path: Path) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8", errors="replace") == ABSENT
