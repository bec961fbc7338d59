"""Settings of a method without effect given the others: no other value changes the plan."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError

from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.stage import Stage
from zoo.spec.finding import KeyPath

Planner = Callable[[Method, Setting], tuple[Stage, ...]]

_NUMBERS = (1, 2, 3, 4, 5, 6, 8, 12)


def idle_settings(method: Method, settings: Sequence[Setting], plan: Planner) -> Iterator[KeyPath]:
    """The stated fields without effect, and the terms left out that are nowhere.

    A field has an effect if without it the method is refused or does something else, or if
    another value that is accepted makes it do something else, on any of `settings`. Where every
    other value is refused, the field agrees with those that refuse them.
    """
    here = _told(method, settings, plan)
    for name in sorted(method.model_fields_set - {"name", "leave_out"}):
        if not _decides(method, name, settings, plan):
            yield (name,)
    for place, family in enumerate(method.leave_out):
        rest = tuple(kept for kept in method.leave_out if kept != family)
        other = _with(method, "leave_out", rest)
        if other is not None and _told(other, settings, plan) == here:
            yield ("leave_out", place)


def _decides(method: Method, name: str, settings: Sequence[Setting], plan: Planner) -> bool:
    here = _told(method, settings, plan)
    default = type(method).model_fields[name].get_default()
    accepted = False
    for value in dict.fromkeys((default, *alternatives(method, name))):
        other = _with(method, name, value)
        there = None if other is None else _told(other, settings, plan)
        if there != here and (there is not None or value == default):
            return True
        accepted = accepted or (there is not None and value != getattr(method, name))
    return not accepted


def alternatives(method: Method, name: str) -> tuple[Any, ...]:
    """Other values to try for a field; some may not be accepted."""
    value = getattr(method, name)
    found = _values(type(method).model_fields[name].annotation, value)
    return tuple(other for other in dict.fromkeys(found) if other != value)


def _values(annotation: Any, value: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _values(get_args(annotation)[0], value)
    elif origin in (Union, UnionType):
        for inner in get_args(annotation):
            yield from _values(inner, value)
    elif origin is Literal:
        yield from get_args(annotation)
    elif annotation is type(None):
        yield None
    elif annotation is bool:
        yield from (True, False)
    elif annotation is int:
        yield from (*_NUMBERS, (value or 0) + 1)
    elif annotation is float:
        yield from ((value or 1.0) / 2, (value or 1.0) * 2, 0.5, 1.0)


def _with(method: Method, name: str, value: Any) -> Method | None:
    """The method with another value, or None where its own checks refuse that."""
    try:
        stated = method.model_dump(exclude_unset=True)
        return type(method).model_validate({**stated, name: value})
    except ValidationError:
        return None


def _told(method: Method, settings: Sequence[Setting], plan: Planner) -> list[str] | None:
    """All that the plans on some settings do, as text; None where one is refused.

    A term without weight does nothing, and a note is for people.
    """
    try:
        tables = [plan(method, setting) for setting in settings]
    except MisfitError:
        return None
    return [repr([_doing(stage) for stage in table]) for table in tables]


def _doing(stage: Stage) -> Stage:
    return replace(stage, terms=tuple(term for term in stage.terms if term.weight), note="")
