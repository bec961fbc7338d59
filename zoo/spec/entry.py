"""An entry: one YAML in a suite, teacher x student x method."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Union

from pydantic import Field, SerializeAsAny, ValidationInfo, WrapValidator, create_model

from zoo.spec.augment import Augment
from zoo.spec.base import Name, Spec, misfit
from zoo.spec.optimise import Optimise, Stages, TaskChange
from zoo.spec.student import Student
from zoo.spec.teacher import TaskName


class MethodSpec(Spec):
    """A method as specs name it; `zoo.distil.method` says what a method can do."""

    name: str
    """Its file in `zoo/methods/`."""
    leave_out: tuple[str, ...] = ()
    """Loss terms to leave out, by name (on all layers), as in an ablation."""


def _by_name(value: Any, _handler: Any, info: ValidationInfo) -> MethodSpec:
    """The method's class is picked by its `name` from the classes in the validation's context."""
    if isinstance(value, MethodSpec):
        return value
    classes: Mapping[str, type[MethodSpec]] = (info.context or {})["methods"]
    name = value.get("name") if isinstance(value, Mapping) else None
    if not isinstance(name, str) or name not in classes:
        raise misfit("method", f"there is no method {name!r}", ", ".join(sorted(classes)))
    return classes[name].model_validate(value)


MethodField = Annotated[SerializeAsAny[MethodSpec], WrapValidator(_by_name)]


class Entry(Spec):
    """One file `specs/<suite>/<entry>.yaml`."""

    note: str = ""
    """Free text; has no effect."""
    teacher: Name
    """A file under the suite's `teachers/`, without its extension."""
    student: Student
    """The model to train."""
    method: MethodField
    """How it is trained; `name` selects a file of `zoo/methods/`."""
    optimise: Optimise | None = None
    """How the student is trained on a task; defaults to the suite's."""
    corpus_optimise: Optimise | None = None
    """How it is trained on the corpus, for methods with a corpus stage; defaults to the suite's."""
    stages: Stages = Field(default_factory=dict)
    """Overrides of `optimise` or `corpus_optimise` for single stages of the method."""
    tasks: dict[TaskName, TaskChange] = Field(default_factory=dict)
    """Overrides of `optimise` for single tasks."""
    only: tuple[TaskName, ...] | None = Field(None, min_length=1)
    """Tasks that this entry is trained on; defaults to all of the suite's."""
    augment: Augment | None = None
    """How task data is augmented, for methods that use it; defaults to the suite's."""
    twin: Name | None = None
    """The entry this one is compared with; defaults to the suite's."""


def entry_model(methods: Mapping[str, type[MethodSpec]]) -> type[Entry]:
    """`Entry` with `method` as the discriminated union of these classes: for files and schema."""
    return _entry_model(tuple(methods[name] for name in sorted(methods)))


@lru_cache(maxsize=8)
def _entry_model(classes: tuple[type[MethodSpec], ...]) -> type[Entry]:
    union: Any = Union[classes]  # noqa: UP007
    field: Any = (Annotated[union, Field(discriminator="name")], ...)
    return create_model("Entry", __base__=Entry, __doc__=Entry.__doc__, method=field)
