"""The methods: every module in this folder is one, under its own name."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType

from zoo.distil.method import Method, MisfitError, Setting
from zoo.distil.stage import Stage
from zoo.spec.base import Spec
from zoo.spec.finding import Finding
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
        self, method: Spec, student: Shape, teacher: Shape, tasks: list[Task]
    ) -> list[Finding]:
        """Why this method cannot be used between these shapes; paths are below `method`."""
        found: dict[str, Finding] = {}
        for kind in sorted({task.kind for task in tasks}):
            try:
                stages_of(method, Setting(student, teacher, kind.value))
            except MisfitError as error:
                found[error.key] = Finding((error.key,), error.given, error.allowed)
        return list(found.values())

    def reads_corpus(self, method: Spec) -> bool:
        """Whether the method declares a corpus stage."""
        return isinstance(method, Method) and method.reads_corpus


def stages_of(method: Spec, setting: Setting) -> tuple[Stage, ...]:
    """The stages of a validated method."""
    if not isinstance(method, Method):
        message = f"{type(method).__name__} is not a method"
        raise TypeError(message)
    return method.stages(setting)


def method_name(method: Spec) -> str:
    """The name of a validated method: its file's."""
    return str(getattr(method, "name"))  # noqa: B009  (every method declares it, Spec does not)


METHODS = Methods()
