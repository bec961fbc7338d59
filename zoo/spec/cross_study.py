"""What must fit between a study and its entry: axes, values, and every variant as an entry."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from zoo.errors import suggestion
from zoo.spec.base import NAME_PATTERN, WORDS
from zoo.spec.cross import Catalogue, entry_findings
from zoo.spec.cross_tasks import Tasks
from zoo.spec.entry import Entry
from zoo.spec.explain import findings_of
from zoo.spec.finding import Finding
from zoo.spec.idle import idle_of_entry
from zoo.spec.study import TRAIN_AXIS, Study
from zoo.spec.suite import Suite
from zoo.spec.teacher import Teacher
from zoo.spec.vary import Base, Point, axis_path, count, identity, point_name, points, varied

MOST = 50
"""Maximum variants of a study: a pipeline does not scale beyond."""

_NOT_VARIED = {
    "note": "a note has no effect",
    "twin": "a variant is compared with the entry itself",
    "only": "a study sets its own tasks, as `tasks`",
}


@dataclass(frozen=True)
class Neighbours:
    """The context of a study: its suite, and the names and entries there.

    `sound` are the entries of whose files nothing is wrong; `entries` are the names of all,
    and `taken` all names that a study and its variants may not have. `tasks` are those that the
    suite may name.
    """

    suite: Suite
    teachers: Mapping[str, Teacher]
    sound: Mapping[str, Entry]
    entries: set[str]
    taken: set[str]
    catalogue: Catalogue
    model: type[Entry]
    tasks: Tasks


def study_findings(name: str, study: Study, beside: Neighbours) -> list[Finding]:
    """What in a study's file does not fit; nothing where its entry has errors itself."""
    if name in beside.taken:
        given = f"{name!r} is already the name of an entry, a teacher or a variant"
        return [Finding((), given, remedy="rename one")]
    if study.entry not in beside.entries:
        known = ", ".join(sorted(beside.entries))
        near = suggestion(study.entry, beside.entries)
        return [Finding(("entry",), f"there is no entry {study.entry!r}", known, near)]
    if study.entry not in beside.sound:
        return []
    base = Base(beside.sound[study.entry], beside.suite, beside.teachers, beside.model)
    found = [*_task_findings(study, base), *_axis_findings(study, base)]
    found = found or _told_once(study, _entry_findings(study, base, beside))
    found = found or list(_name_findings(name, study, beside.taken))
    found = found or list(_attention_findings(study, base))
    return found or list(_repeated(study, base))


def variant_names(name: str, study: Study) -> set[str]:
    """The names of a study's variants as entries."""
    return {f"{name}.{point_name(study, point)}" for point in points(study)}


def _task_findings(study: Study, base: Base) -> Iterator[Finding]:
    trained = [task for task in base.suite.tasks if task in (base.entry.only or base.suite.tasks)]
    for place, task in enumerate(study.tasks or ()):
        if task not in trained:
            yield Finding(
                ("tasks", place),
                "the entry is not trained on this task",
                ", ".join(sorted(trained)),
                suggestion(task, trained),
            )
    optional = [task for task in base.tasks(study) if base.suite.tasks[task].optional]
    if optional:
        rest = [task for task in trained if task not in base.suite.optional_tasks]
        yield Finding(
            ("tasks",),
            f"a study compares what is always there, and {', '.join(optional)} may be skipped",
            ", ".join(rest),
            "list tasks that are not optional",
        )
    timed = base.suite.bench.tasks or tuple(base.suite.tasks)
    tasks = base.tasks(study)
    if study.latency and tasks and not set(timed) & set(tasks):
        yield Finding(
            ("latency",),
            "the suite times none of the study's tasks",
            ", ".join(sorted(timed)),
            "add one of them to `tasks`, or remove this key",
        )


def _axis_findings(study: Study, base: Base) -> Iterator[Finding]:
    if count(study) > MOST:
        yield Finding(
            ("axes",),
            f"the study would have {count(study)} variants",
            f"at most {MOST}",
            "list fewer values, or split it into two studies",
        )
    for axis, values in study.axes.items():
        path = axis_path(axis)
        if axis in _NOT_VARIED:
            yield Finding(("axes", axis), _NOT_VARIED[axis], remedy="remove it")
        if path[0] == "tasks" and path[1:2] and path[1] not in base.tasks(study):
            allowed = ", ".join(base.tasks(study))
            yield Finding(("axes", axis), "the study has no such task", allowed)
        if axis == TRAIN_AXIS:
            yield from _train_findings(values)


def _train_findings(values: tuple[object, ...]) -> Iterator[Finding]:
    for place, value in enumerate(values):
        whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
        if value is not None and not whole:
            allowed = "a whole number from 1, or null for all"
            yield Finding(("axes", TRAIN_AXIS, place), f"given {value!r}", allowed)


def _entry_findings(study: Study, base: Base, beside: Neighbours) -> Iterator[Finding]:
    """What makes a variant an invalid entry, each at the value that does it."""
    for point in points(study)[1:]:
        found: Iterable[Finding]
        try:
            entry = varied(study, point, base)
        except ValidationError as error:
            found = findings_of(error, base.model)
        else:
            found = entry_findings(
                entry, base.suite, base.teachers, beside.catalogue, beside.entries, beside.tasks
            )
            found = (*found, *_idle_values(point, entry, base, beside))
        yield from (_placed(point, finding) for finding in found)


def _idle_values(point: Point, entry: Entry, base: Base, beside: Neighbours) -> Iterator[Finding]:
    """What the point itself states without effect: an ablation may idle keys of its entry."""
    for finding in idle_of_entry(entry, base.suite, base.teachers, beside.catalogue, beside.tasks):
        for axis in point:
            path = axis_path(axis)
            if finding.path[: len(path)] == path:
                yield finding


def _placed(point: Point, finding: Finding) -> Finding:
    """A finding of an entry where the study states the value; else with the entry's key."""
    for axis, place in point.items():
        path = axis_path(axis)
        if finding.path[: len(path)] == path:
            return finding._replace(path=("axes", axis, place, *finding.path[len(path) :]))
    axis = next(reversed([*point]))
    key = ".".join(map(str, finding.path))
    return finding._replace(path=("axes", axis, point[axis]), given=f"{key}: {finding.given}")


def _attention_findings(study: Study, base: Base) -> Iterator[Finding]:
    """Which variants cannot be compared with their teacher head by head, layer by layer."""
    for point in points(study) if study.attention else ():
        entry = varied(study, point, base)
        theirs = base.teachers[entry.teacher].shape
        ours = entry.student.shape(theirs)
        if ours.heads != theirs.heads or theirs.layers % ours.layers:
            yield Finding(
                ("attention",),
                f"{point_name(study, point)} has {ours.layers} layers of {ours.heads} heads,"
                f" its teacher {theirs.layers} of {theirs.heads}",
                "as many heads as the teacher, and a depth that divides the teacher's",
                "leave the variant out, or remove this key",
            )


def _told_once(study: Study, found: Iterable[Finding]) -> list[Finding]:
    """What holds of every value of an axis is said of the axis."""
    distinct = list(dict.fromkeys(found))
    alike: dict[tuple[object, ...], set[object]] = defaultdict(set)
    for finding in distinct:
        _, axis, place, *rest = finding.path
        alike[axis, *rest, finding[1:]].add(place)
    told: dict[Finding, None] = {}
    for finding in distinct:
        _, axis, _, *rest = finding.path
        everywhere = len(alike[axis, *rest, finding[1:]]) == len(study.axes[str(axis)])
        told[finding._replace(path=("axes", axis)) if everywhere else finding] = None
    return list(told)


def _name_findings(name: str, study: Study, taken: set[str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for point in points(study):
        path = _last(point)
        variant = f"{name}.{point_name(study, point)}"
        given = f"this variant would be named {variant!r}"
        if not re.fullmatch(NAME_PATTERN, variant):
            yield Finding(path, given, WORDS[NAME_PATTERN], "give the study a shorter name")
        elif variant.endswith("-"):
            yield Finding(path, given, "a value that can be part of a name")
        elif variant in taken:
            yield Finding(path, f"{given}, which is already taken", remedy="rename one")
        elif variant in seen:
            yield Finding(path, f"{given}, like an earlier one", remedy="remove one of the values")
        seen.add(variant)


def _repeated(study: Study, base: Base) -> Iterator[Finding]:
    """Points that are the same entry, but for the base, which may stand among the values."""
    seen: dict[str, Point] = {}
    unchanged = identity(study, {}, base)
    for point in points(study)[1:]:
        what = identity(study, point, base)
        if what in seen:
            earlier = point_name(study, seen[what])
            given = f"this variant is the same as {earlier!r}"
            yield Finding(_last(point), given, remedy="remove one of the values")
        elif what != unchanged:
            seen[what] = point


def _last(point: Point) -> tuple[str | int, ...]:
    axis = next(reversed([*point]), None)
    return ("axes",) if axis is None else ("axes", axis, point[axis])
