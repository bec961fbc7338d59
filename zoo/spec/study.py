"""A study: one entry varied along declared axes, and what is made of its variants."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zoo.spec.base import Grown, Name, Seed, Spec, misfit
from zoo.spec.bounds import MOST_SEEDS
from zoo.spec.jobs import Job
from zoo.spec.recipe import RunRecipe
from zoo.spec.suite import require_distinct
from zoo.spec.teacher import TaskName

TRAIN_AXIS = "train"
"""The axis that is not a key of an entry: training examples of every task."""
BASE = "base"
"""The name of the entry itself among its variants."""

AxisValues = Annotated[tuple[Any, ...], Field(min_length=1)]
Combine = Literal["each", "product", "paired"]


class Study(Spec):
    """One file `specs/<suite>/studies/<study>.yaml`."""

    note: str = ""
    """Free text; has no effect."""
    entry: Name
    """The entry to vary."""
    tasks: tuple[TaskName, ...] | None = Field(None, min_length=1)
    """Tasks of the study; defaults to the entry's."""
    seeds: tuple[Seed, ...] | None = Field(None, min_length=1, max_length=MOST_SEEDS)
    """One run per variant, task and seed; defaults to those of the suite and its tasks. The teacher
    stays the one of the suite's first seed."""
    latency: bool = False
    """Whether variants are exported and timed too."""
    report: bool = False
    """Whether the reports of the method's stages are made into tables too."""
    attention: bool = False
    """Whether attention is compared with the teacher's, head by head, on dev splits."""
    combine: Combine = "each"
    """`each`: the entry itself, and then one change at a time; `product`: the entry itself, and
    all combinations; `paired`: the entry itself, then the first values of all axes together, then
    the second ones, and so on."""
    axes: Annotated[dict[str, AxisValues], Field(min_length=1)]
    """Dotted keys of the entry's file, each with its values; `train` is the number of training
    examples of every task."""

    @model_validator(mode="after")
    def _seeds_are_distinct(self) -> Self:
        require_distinct(self.seeds or ())
        return self

    @model_validator(mode="after")
    def _pairs_are_complete(self) -> Self:
        sizes = {axis: len(values) for axis, values in self.axes.items()}
        if self.combine == "paired" and len(set(sizes.values())) > 1:
            given = ", ".join(f"{axis} has {size}" for axis, size in sizes.items())
            raise misfit("axes", given, "equally many values on every axis of a paired study")
        return self


class StudyVariant(Spec):
    """One variant as the study's tables see it."""

    name: str
    """Its name within the study; the first variant is the base."""
    values: dict[str, Any]
    """Of every axis; null where the base states none."""
    records: dict[str, tuple[str, ...]]
    """Which records are its own: the entries they are of, and what these declare."""


class AttentionJob(Job):
    """Compare the attention of a variant's runs with their teacher's; `study` asks for it."""

    run_fields: ClassVar[tuple[str, ...]] = ("runs", "beside")

    study: str
    teacher: str
    runs: tuple[RunRecipe, ...]
    beside: tuple[RunRecipe, ...]
    """The teacher's run on the task of each of `runs`, in the order of its tasks."""


class StudyJob(Job, Grown):
    """Make a study's tables from its variants' records; `entry` is the study."""

    later: ClassVar[tuple[str, ...]] = ("attention",)

    varied: str
    """The entry to vary."""
    combine: Combine
    axes: tuple[str, ...]
    """In the order of the file."""
    tasks: tuple[str, ...]
    latency: bool
    report: bool
    attention: bool = False
    variants: tuple[StudyVariant, ...]
    """The base first."""
