"""Variants of an entry: the points of a study, their names and their entries."""

import itertools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.spec.base import Spec, digest
from zoo.spec.entry import Entry
from zoo.spec.study import BASE, TRAIN_AXIS, Study
from zoo.spec.suite import Suite
from zoo.spec.task import TASKS
from zoo.spec.teacher import Teacher

Point = Mapping[str, int]
"""Axis -> place of its value; an axis that is absent stays as in the base."""

FROM_SUITE = ("optimise", "corpus_optimise", "augment")
"""What an entry takes from its suite by default."""


@dataclass(frozen=True)
class Base:
    """The entry to vary and its context; `model` is the class of its file."""

    entry: Entry
    suite: Suite
    teachers: Mapping[str, Teacher]
    model: type[Entry]

    def tasks(self, study: Study) -> tuple[str, ...]:
        """The study's tasks, in the suite's order."""
        wanted = study.tasks or self.entry.only or tuple(self.suite.tasks)
        return tuple(task for task in self.suite.tasks if task in wanted)


def count(study: Study) -> int:
    """How many points a study has."""
    sizes = [len(values) for values in study.axes.values()]
    total = {"each": sum(sizes), "product": math.prod(sizes), "paired": sizes[0]}
    return 1 + total[study.combine]


def points(study: Study) -> list[Point]:
    """All points of a study, the base first."""
    places = {axis: range(len(values)) for axis, values in study.axes.items()}
    if study.combine == "each":
        return [{}, *({axis: place} for axis, range_ in places.items() for place in range_)]
    combinations = itertools.product if study.combine == "product" else zip
    combined = combinations(*places.values())
    return [{}, *(dict(zip(places, combination, strict=True)) for combination in combined)]


def point_name(study: Study, point: Point) -> str:
    """The name of a variant within its study, made of axes and values."""
    short = _short(tuple(study.axes))
    pieces = [f"{short[axis]}-{_text(study.axes[axis][place])}" for axis, place in point.items()]
    return ".".join(pieces) or BASE


def axis_path(axis: str) -> tuple[str, ...]:
    """The keys of a dotted path; a task's name may itself have dots."""
    head, _, rest = axis.partition(".")
    if head == "tasks":
        for task in sorted(TASKS, key=len, reverse=True):
            if rest == task or rest.startswith(f"{task}."):
                below = rest[len(task) + 1 :]
                return (head, task, *(below.split(".") if below else ()))
    return tuple(axis.split("."))


def varied(study: Study, point: Point, base: Base) -> Entry:
    """The entry at a point: the base's file with the values there set.

    A mapping that the entry takes from its suite is filled from there first, so that one key of it
    can be varied.

    Raises:
        pydantic.ValidationError: it is no entry.
    """
    tasks = base.tasks(study)
    plain = base.entry.model_dump(exclude_unset=True)
    plain |= {"only": tasks, "tasks": _among(plain.get("tasks", {}), tasks)}
    for axis, place in point.items():
        if axis != TRAIN_AXIS:
            path = axis_path(axis)
            _fill(plain, path, base.suite)
            _put(plain, path, study.axes[axis][place])
    return base.model.model_validate(plain, strict=True)


def train_sizes(study: Study, point: Point, base: Base) -> dict[str, int | None]:
    """Most training examples of each of the study's tasks at a point."""
    sizes = {task: base.suite.tasks[task].train for task in base.tasks(study)}
    if TRAIN_AXIS in point:
        sizes = dict.fromkeys(sizes, study.axes[TRAIN_AXIS][point[TRAIN_AXIS]])
    return sizes


def identity(study: Study, point: Point, base: Base) -> str:
    """A digest of all that decides what is trained at a point, also what it takes from others."""
    entry = varied(study, point, base)
    return digest([_resolved(entry, base), train_sizes(study, point, base)])


def values_of(study: Study, point: Point, base: Base) -> dict[str, Any]:
    """The value of every axis at a point, as JSON has it; `point` may be the base's."""
    found = {}
    for axis, values in study.axes.items():
        if axis in point:
            found[axis] = _plain(values[point[axis]])
            continue
        own = _plain(_base_value(study, axis, base))
        listed = [_plain(value) for value in values]
        # 4.0 is written as 4 where the study does so.
        found[axis] = listed[listed.index(own)] if own in listed else own
    return found


def _base_value(study: Study, axis: str, base: Base) -> Any:
    if axis == TRAIN_AXIS:
        sizes = set(train_sizes(study, {}, base).values())
        return sizes.pop() if len(sizes) == 1 else None
    value: Any = _resolved(varied(study, {}, base), base)
    for key in axis_path(axis):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _resolved(entry: Entry, base: Base) -> dict[str, Any]:
    """An entry as plain data, with what it takes from its teacher and its suite."""
    plain = entry.model_dump(mode="json", exclude={"note", "twin"})
    shape = entry.student.shape(base.teachers[entry.teacher].shape)
    plain["student"] |= shape.model_dump(mode="json", include=set(plain["student"]))
    # A method leaves unsaid what it got later and does not use.
    for name in type(entry.method).model_fields:
        plain["method"].setdefault(name, _plain(getattr(entry.method, name)))
    for key in FROM_SUITE:
        from_suite: Spec | None = getattr(base.suite, key)
        if plain.get(key) is None and from_suite is not None:
            plain[key] = from_suite.model_dump(mode="json")
    return plain


def _among(changes: dict[str, Any], tasks: tuple[str, ...]) -> dict[str, Any]:
    return {task: change for task, change in changes.items() if task in tasks}


def _fill(plain: dict[str, Any], path: tuple[str, ...], suite: Suite) -> None:
    head = path[0]
    if len(path) > 1 and head in FROM_SUITE and plain.get(head) is None:
        from_suite: Spec | None = getattr(suite, head)
        if from_suite is not None:
            plain[head] = from_suite.model_dump(exclude_unset=True)


def _put(plain: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        if not isinstance(plain.get(key), dict):
            plain[key] = {}
        plain = plain[key]
    plain[path[-1]] = value


def _short(axes: tuple[str, ...]) -> dict[str, str]:
    """Each axis by its last key, or by as many as distinguish it from the others."""
    longest = max(len(axis_path(axis)) for axis in axes)
    for keys in range(1, longest + 1):
        short = {axis: _word("-".join(axis_path(axis)[-keys:])) for axis in axes}
        if len(set(short.values())) == len(short):
            break
    return short


def _text(value: Any) -> str:
    """A value as part of a name; empty where none can be made of it."""
    if value is None or value == ():
        return "none"
    if isinstance(value, Mapping):
        return "-".join(f"{_word(str(key))}-{_text(inner)}" for key, inner in value.items())
    if isinstance(value, tuple):
        return "-".join(map(_text, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return _word(str(value))


def _word(text: str) -> str:
    return re.sub(r"[^a-z0-9.\-]+", "-", text.lower().replace("+", "")).strip("-.")


def _plain(value: Any) -> Any:
    """A value after a trip through JSON."""
    return json.loads(json.dumps(value, default=_json))


def _json(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Spec) else str(value)
