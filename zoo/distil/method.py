"""A method: hyper-parameters with the papers' values as defaults, and the stages they define."""

from typing import ClassVar, Literal, NamedTuple, Self

from zoo.distil.stage import Stage
from zoo.spec.entry import MethodSpec
from zoo.spec.shape import Shape


class MisfitError(ValueError):
    """A method cannot be used between two shapes, or within a budget; `key` is what decides."""

    def __init__(self, key: str, given: str, allowed: str = "", remedy: str = "") -> None:
        self.key, self.given, self.allowed, self.remedy = key, given, allowed, remedy
        super().__init__(given)


Kind = Literal["classification", "regression", "span"]


class Setting(NamedTuple):
    """What a method may know when it writes its stages: shapes, never weights."""

    student: Shape
    teacher: Shape
    kind: Kind


class Method(MethodSpec):
    """The base of all methods: one final subclass per file of `zoo/methods/`.

    A subclass has a field `name: Literal["<file>"]` and says in its docstring what it does, with
    the paper's equations. What follows from its fields and two shapes stands in `stages`.
    """

    reads_corpus: ClassVar[bool] = False
    """Whether it has a corpus stage: such a method is task-agnostic."""

    def stages(self, setting: Setting) -> tuple[Stage, ...]:
        """The stages, in order: corpus stages first, then task stages.

        Raises:
            MisfitError: the method cannot be used between these shapes.
        """
        raise NotImplementedError

    @classmethod
    def trial(cls) -> Self:
        """The method as it shows what it does within some dozen steps, to try it."""
        return cls.model_validate({})

    @classmethod
    def example(cls, teacher: Shape) -> Shape:
        """A student of `teacher` that suits this method, to try it on."""
        return teacher.model_copy(update={"layers": max(1, teacher.layers // 2)})
