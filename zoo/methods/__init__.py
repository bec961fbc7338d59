"""The methods: every module in this folder is one, under its own name."""

import importlib
import pkgutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import get_args

from pydantic import ValidationError

from zoo.distil.budget import apportioned, budget_of
from zoo.distil.effect import idle_settings
from zoo.distil.method import Kind, Method, MisfitError, Setting
from zoo.distil.stage import Stage
from zoo.models.tap import LOGITS
from zoo.spec.entry import MethodSpec
from zoo.spec.finding import Finding
from zoo.spec.optimise import Budgets
from zoo.spec.outline import Outline
from zoo.spec.shape import Shape
from zoo.spec.task import Task


def names() -> list[str]:
    """The names of all methods: the modules of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def method_class(name: str) -> type[Method]:
    """The one method class that the module `name` defines."""
    module = importlib.import_module(f"{__name__}.{name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Method) and value is not Method
    ]
    if len(found) != 1:
        message = f"zoo/methods/{name}.py must define exactly one Method, not {len(found)}"
        raise TypeError(message)
    return found[0]


class Methods:
    """The catalogue that specs are checked against."""

    @cached_property
    def classes(self) -> Mapping[str, type[Method]]:
        """Method classes by name."""
        return MappingProxyType({name: method_class(name) for name in names()})

    def misfits(
        self,
        method: MethodSpec,
        student: Shape,
        teacher: Shape,
        tasks: list[Task],
        budgets: Budgets,
    ) -> list[Finding]:
        """Why this method cannot be used between these shapes, or within these budgets.

        Paths are below `method`. A budget of epochs is held when its training starts.
        """
        found: dict[str, Finding] = {}
        for kind in sorted({task.kind for task in tasks}):
            try:
                stages = stages_of(method, Setting(student, teacher, kind.value))
                _refuse_budgets(stages, budgets)
            except MisfitError as error:
                path = (error.key,)
                found[error.key] = Finding(path, error.given, error.allowed, error.remedy)
        return list(found.values())

    def stages(
        self, method: MethodSpec, student: Shape, teacher: Shape, tasks: list[Task]
    ) -> Mapping[str, str]:
        """The names of its stages on any of the tasks, left out or not, and the data they read."""
        found: dict[str, str] = {}
        for kind in sorted({task.kind for task in tasks}):
            with suppress(MisfitError):  # `misfits` tells of it
                table = _whole(method, Setting(student, teacher, kind.value))
                found |= {stage.name: stage.data for stage in table}
        return found

    def idle(
        self, method: MethodSpec, student: Shape, teacher: Shape, tasks: list[Task]
    ) -> list[Finding]:
        """Settings of the method without effect on these tasks; paths are below `method`."""
        assert isinstance(method, Method)
        settings = [
            Setting(student, teacher, kind.value) for kind in sorted({t.kind for t in tasks})
        ]
        given = {
            1: "no effect here: any other value trains the same model",
            2: "the method has no such term on the tasks of this entry",
        }
        return [
            Finding(path, given[len(path)], remedy="remove it")
            for path in idle_settings(method, settings, stages_of)
        ]

    def outlines(
        self, method: MethodSpec, student: Shape, teacher: Shape, task: Task
    ) -> tuple[Outline, ...]:
        """Its stages on a task, for budgets and starts to fit; none where it does not fit."""
        try:
            table = stages_of(method, Setting(student, teacher, task.kind.value))
        except MisfitError:
            return ()
        return tuple(map(_outline, table))

    def reads_corpus(self, method: MethodSpec) -> bool:
        """Whether the method declares a corpus stage."""
        return isinstance(method, Method) and method.reads_corpus


def stages_of(method: MethodSpec, setting: Setting) -> tuple[Stage, ...]:
    """The stages of a validated method, without the terms it leaves out.

    Raises:
        MisfitError: the method cannot be used between these shapes, or nothing of it is left.
    """
    whole = _whole(method, setting)
    leave_out = method.leave_out
    if not leave_out:
        return _refuse_weightless(whole, "name")
    families = _families(method, setting)
    unknown = [name for name in leave_out if name not in families]
    if unknown:
        raise MisfitError(
            "leave_out", f"the method has no term {', '.join(unknown)}", ", ".join(families)
        )
    left = [stage.without(leave_out) for stage in whole]
    kept = tuple(stage for stage in left if stage.terms)
    _refuse_gaps(whole, kept)
    return _refuse_weightless(_sharing_all(kept), "leave_out")


def _refuse_weightless(stages: tuple[Stage, ...], key: str) -> tuple[Stage, ...]:
    """The stages, if each has something to learn.

    Raises:
        MisfitError: all terms of a stage have weight 0.
    """
    for stage in stages:
        if not any(term.weight for term in stage.terms):
            names = ", ".join(term.name for term in stage.terms)
            given = f"nothing is trained in stage {stage.name!r}: {names} has weight 0"
            raise MisfitError(key, given, "a weight above 0 for one of its terms")
    return stages


def _outline(stage: Stage) -> Outline:
    over = dict.fromkeys(term.family for term in stage.terms if term.over_samples)
    return Outline(
        stage.name,
        stage.data,
        stage.share,
        any(term.teacher is not None for term in stage.terms),
        tuple(over),
        stage.leave.term if stage.leave else None,
        stage.frozen,
        stage.surgery.reads_student,
    )


def _refuse_budgets(stages: tuple[Stage, ...], budgets: Budgets) -> None:
    """Refuse budgets in steps that a stage's surgery cannot do with.

    Raises:
        MisfitError: what the surgery says.
    """
    for optimise, corpus in ((budgets.corpus, True), (budgets.task, False)):
        ours = [stage for stage in stages if (stage.data == "corpus") is corpus]
        with suppress(ValidationError):  # a stage's change that cannot be; `entry_findings` tells
            for stage, own in apportioned(ours, optimise, budgets.stages) if optimise else ():
                budget = budget_of(own, stage.share)
                if budget is not None:
                    stage.surgery.within(budget)


def _whole(method: MethodSpec, setting: Setting) -> tuple[Stage, ...]:
    if not isinstance(method, Method):
        message = f"{type(method).__name__} is not a method"
        raise TypeError(message)
    stages = method.stages(setting)
    _refuse_absent(stages, setting)
    return stages


def _refuse_absent(stages: tuple[Stage, ...], setting: Setting) -> None:
    """Refuse terms on layers that a model does not have.

    Raises:
        MisfitError: the first of them.
    """
    for term in (term for stage in stages for term in stage.terms):
        sides = (
            ("student", term.student, setting.student.layers),
            ("teacher", term.teacher, setting.teacher.layers),
        )
        for who, tap, depth in sides:
            if tap is not None and not set(tap.layers) <= set(range(depth)):
                given = f"term {term.name} reads {tap} of a {who} of {depth} layers"
                raise MisfitError("name", given, f"layers from 0 to {depth - 1}")


def _families(method: MethodSpec, setting: Setting) -> list[str]:
    """The names of the terms it has on any kind of task, in the order of its tables."""
    tables = [_whole(method, setting._replace(kind=kind)) for kind in get_args(Kind)]
    return list(
        dict.fromkeys(term.family for table in tables for stage in table for term in stage.terms)
    )


def _refuse_gaps(whole: tuple[Stage, ...], kept: tuple[Stage, ...]) -> None:
    """Refuse what leaves a part of the method without any term.

    Raises:
        MisfitError: nothing is left on the corpus, or on the task, or for the task's head, or of
            what a rule to leave a stage watches.
    """
    for stage in kept:
        rule = stage.leave
        if rule is not None and all(term.name != rule.term for term in stage.terms):
            given = f"stage {stage.name!r} ends early when {rule.term} is low, which is left out"
            raise MisfitError("leave_out", given, "other terms, or a method without that rule")
    if any(stage.data == "corpus" for stage in whole) and kept[:1] and kept[0].data != "corpus":
        raise MisfitError("leave_out", "no term remains on the corpus", "all but one of them")
    on_task = [term for stage in kept if stage.data != "corpus" for term in stage.terms]
    if not on_task:
        raise MisfitError("leave_out", "no term remains on the task", "all but one of them")
    if all(term.student != LOGITS for term in on_task):
        raise MisfitError(
            "leave_out", "no remaining term trains the task's head", "soft or labels must stay"
        )


def _sharing_all(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages with the budgets of those that fell away."""

    def whole(*, corpus: bool) -> float:
        return sum(stage.share for stage in stages if (stage.data == "corpus") is corpus)

    return tuple(
        replace(stage, share=stage.share / whole(corpus=stage.data == "corpus")) for stage in stages
    )


METHODS = Methods()
