"""Adversarial examples in the layout of AdvGLUE's dev set: one JSON file for several tasks.

An object of lists by the name of their task; each example has its texts, named as on the hub, and
the id of its class as `label`. Further keys, as `idx`, are not read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.data.examples import Split, TextExample
from zoo.data.reading import refuse
from zoo.data.texts import example
from zoo.errors import DataError, Problem, at
from zoo.json_files import key_of, read_json, shortened, type_of
from zoo.spec.robustness import ADVERSARIAL_SPLITS
from zoo.spec.task import TASKS, Task

_LABEL = "label"
_MEND = "download dev.json of AdvGLUE again, or write the file in its layout"


def read_adversarial(file: Path) -> dict[tuple[str, str], Split]:
    """The examples in the file by task and dev split, whose name theirs have.

    Raises:
        DataError: the file is missing or no JSON, or has unknown tasks, examples without a text or
            with an unknown label, or tasks without examples; all problems of the file at once.
    """
    content = read_json(file, remedy=_MEND, error=DataError)
    problems: list[Problem] = []
    found = {}
    for key, rows in content.items():
        if key not in ADVERSARIAL_SPLITS:
            allowed = ", ".join(ADVERSARIAL_SPLITS)
            problems.append(Problem(at(file, key=key), "unknown task", allowed, _MEND))
        elif not isinstance(rows, list) or not rows:
            given = f"{type_of(rows)} without examples" if rows == [] else type_of(rows)
            allowed = "a non-empty list of examples"
            problems.append(Problem(at(file, key=key), given, allowed, _MEND))
        else:
            task, split = ADVERSARIAL_SPLITS[key]
            made = [_example(TASKS[task], file, (key, n), row) for n, row in enumerate(rows)]
            problems += [one for each in made if isinstance(each, list) for one in each]
            kept = tuple(each for each in made if isinstance(each, TextExample))
            found[task, split] = Split(split, kept)
    if not found and not problems:
        allowed = ", ".join(ADVERSARIAL_SPLITS)
        problems.append(Problem(at(file), "no task", allowed, _MEND))
    refuse(problems, str(file))
    return found


def _example(
    task: Task, file: Path, path: tuple[str, int], row: object
) -> TextExample | list[Problem]:
    """The example of a row, or what is wrong with it."""
    if not isinstance(row, dict):
        place = at(file, key=key_of(path))
        return [Problem(place, type_of(row), f"an object with {_keys(task)}", _MEND)]
    problems = [
        Problem(at(file, key=key_of((*path, name))), *told, _MEND)
        for name in (*task.columns.on_hub, _LABEL)
        if (told := _misfit(task, name, row))
    ]
    if problems:
        return problems
    texts = [row[name] for name in task.columns.on_hub]
    # Their ids differ from those of the dev split, whose examples they are not.
    return example(task, f"adversarial-{path[0]}", path[1], texts, row[_LABEL])


def _misfit(task: Task, name: str, row: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is wrong with a value, and what is allowed."""
    if name not in row:
        return "the key is missing", _keys(task)
    value = row[name]
    if name != _LABEL:
        fits = isinstance(value, str) and value.strip()
        return None if fits else (f"the value {shortened(value)}", "a text")
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(task.labels):
        return None
    told = ", ".join(f"{number} ({label})" for number, label in enumerate(task.labels))
    return f"the label {shortened(value)}", told


def _keys(task: Task) -> str:
    return ", ".join((*task.columns.on_hub, _LABEL))
