"""Which examples a task has, how many are used, and how they are tokenised."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.spec.base import BelowData, HubId, Revision, Seed, Spec, misfit
from zoo.spec.bounds import Examples, MaxLength, Tokens
from zoo.spec.own_task import OwnData
from zoo.spec.task import GLUE, SQUAD, SQUAD_V2, TASKS, Task


class TaskSettings(Spec):
    """How much of a task is used, and how it is tokenised."""

    train: Examples | None = None
    """Maximum number of training examples, from the start of the file; null: all."""
    dev: Examples | None = None
    """Maximum number of scored examples; null: all."""
    max_length: MaxLength = 128
    """Maximum sequence length in tokens."""
    stride: Tokens = 128
    """Stride of the windows over a long context, in tokens (span tasks)."""
    max_query: Tokens = 64
    """Maximum length of a question in tokens (span tasks)."""
    max_answer: Tokens = 30
    """Maximum length of an answer in tokens (span tasks)."""

    @property
    def cutting(self) -> dict[str, int]:
        """How examples are tokenised, whichever and however many they are."""
        return self.model_dump(exclude={"train", "dev"})


class PocketData(Spec):
    """Examples that the generator makes."""

    kind: Literal["pocket"] = "pocket"
    seed: Seed = 0


class PinnedData(Spec):
    """The base of tasks that are published: their files below `$ZOO_DATA`, or a commit."""

    revision: Revision
    """Commit of the task's data set on the hub."""


class GlueData(PinnedData):
    """A task of GLUE."""

    kind: Literal["glue"] = "glue"


class SquadData(PinnedData):
    """A version of SQuAD."""

    kind: Literal["squad"] = "squad"


class FolderData(Spec):
    """A task's files in their own folder below `$ZOO_DATA`, in their official layout."""

    kind: Literal["folder"] = "folder"
    path: BelowData
    """Relative to `$ZOO_DATA`; it holds `<split>.tsv`, or `<split>-v1.1.json` and the like."""


class ReleaseData(PinnedData):
    """A task of another release."""

    kind: Literal["release"] = "release"


DataSource = Annotated[
    PocketData | GlueData | SquadData | ReleaseData | FolderData | OwnData,
    Field(discriminator="kind"),
]
"""Where one task's examples come from: what its kind needs, and nothing of other kinds."""


def task_of(name: str, data: DataSource | None) -> Task:
    """A task of the zoo, or the suite's own that its data declares."""
    return data.task(name) if isinstance(data, OwnData) else TASKS[name]


_PINNED: dict[str, type[GlueData | SquadData | ReleaseData]] = {
    "glue": GlueData,
    "squad": SquadData,
    "release": ReleaseData,
}
_PUBLISHED = sorted(name for name, task in TASKS.items() if task.hub)
_OTHERS = sorted({task.hub.id for task in TASKS.values() if task.hub and task.hub.revision})


class SuiteData(Spec):
    """Where the examples of a suite's tasks come from; `$ZOO_DATA` replaces the hub where set."""

    pocket_seed: Seed = 0
    """Seed of the generated tasks."""
    glue: Revision = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
    """Commit of nyu-mll/glue on the hub."""
    squad: Revision = "7b6d24c440a36b6815f21b70d25016731768db1f"
    """Commit of rajpurkar/squad on the hub."""
    squad_v2: Revision = "3ffb306f725f7d2ce8394bc1873b24868140c412"
    """Commit of rajpurkar/squad_v2 on the hub."""
    revisions: dict[HubId, Revision] = Field(default_factory=dict)
    """Commits of other hub data sets, by name; each has a default."""
    folders: dict[str, BelowData] = Field(default_factory=dict)
    """Tasks whose files are in their own folder below `$ZOO_DATA`, never on the hub."""

    def of(self, task: Task) -> DataSource:
        """The source of one task."""
        if task.name in self.folders:
            return FolderData(path=self.folders[task.name])
        if task.hub is None:
            return PocketData(seed=self.pocket_seed)
        pins = {GLUE: self.glue, SQUAD: self.squad, SQUAD_V2: self.squad_v2} | self.revisions
        revision = pins.get(task.hub.id, task.hub.revision)
        return _PINNED[task.hub.source](revision=revision)

    @model_validator(mode="after")
    def _are_of_published_tasks(self) -> Self:
        for name in self.revisions:
            if name not in _OTHERS:
                raise misfit("revisions", f"no task uses {name!r}", ", ".join(_OTHERS))
        for name in self.folders:
            if name not in _PUBLISHED:
                given = f"{name!r} is not a task published as files"
                raise misfit("folders", given, ", ".join(_PUBLISHED))
        return self
