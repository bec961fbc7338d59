"""The teacher's gate: nobody distils from a teacher that did not learn its task."""

import json
from pathlib import Path

from zoo.errors import Problem, TrainingError
from zoo.paths import write_file


def write_gate(path: Path, passed: dict[str, bool]) -> None:
    """Note per task whether the teacher reached its declared score.

    Scores themselves stay out, so that a new measurement retrains no student.
    """
    write_file(path, json.dumps(passed, indent=1, sort_keys=True) + "\n")


def refuse_ungated(path: Path, teacher: str, task: str) -> None:
    """Stop before distilling from a teacher that failed its gate.

    Raises:
        TrainingError: the gate of this task is closed.
    """
    passed: dict[str, bool] = json.loads(path.read_text(encoding="utf-8"))
    if not passed.get(task, True):
        raise TrainingError(
            Problem(
                f"teacher {teacher} on {task}",
                "it did not reach the score its spec declares under `gates`",
                "a teacher that learnt its task",
                "train it longer, or lower the gate if so weak a teacher is meant",
            )
        )
