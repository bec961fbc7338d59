"""The teacher's gates: no distillation from a teacher that did not learn what it teaches."""

import json
from pathlib import Path
from typing import Any

from zoo.errors import Problem, TrainingError, at
from zoo.json_files import read_json, shortened
from zoo.paths import write_file


def write_gate(path: Path, passed: dict[str, bool]) -> None:
    """Note per task whether the teacher reached its declared score.

    Scores themselves stay out, so that a new measurement retrains no student.
    """
    write_file(path, json.dumps(passed, indent=1, sort_keys=True) + "\n")


WORDS_KEY = "words"
"""What a teacher's masked-language-model head teaches, in its gate file."""


def refuse_ungated(path: Path, teacher: str, task: str) -> None:
    """Stop before distilling from a teacher that failed its gate.

    Raises:
        TrainingError: the gate of this task is closed, or its file is missing or damaged.
    """
    if not _passed(path, task):
        raise TrainingError(
            Problem(
                f"teacher {teacher} on {task}",
                "its score is below the one declared under `gates` in its spec",
                "a teacher that passes its gate",
                "train it longer, or lower the gate if a weak teacher is intended",
            )
        )


def refuse_ungated_words(path: Path, teacher: str) -> None:
    """Stop before reading what a teacher predicts for masked tokens if its head failed its gate.

    Raises:
        TrainingError: the gate is closed, or its file is missing or damaged.
    """
    if not _passed(path, WORDS_KEY):
        raise TrainingError(
            Problem(
                f"teacher {teacher} on masked tokens",
                "its loss on held-out text is above `words.gate` in its spec",
                "a teacher that passes its gate",
                "train its head longer (`words.optimise`), or raise the gate if a weak head is"
                " intended",
            )
        )


def _passed(path: Path, key: str) -> bool:
    remedy = "build the teacher's gate again: `zoo run` builds what is missing"
    passed: dict[str, Any] = read_json(path, dict, remedy=remedy, error=TrainingError)
    stated = passed.get(key, True)
    if not isinstance(stated, bool):
        given = f"not true or false: {shortened(stated)}"
        raise TrainingError(Problem(at(path, key=key), given, "true or false", remedy))
    return stated
