"""A suite's own task: texts and labels in the user's tables, declared in a file."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zoo.spec.base import LINE_PATTERN, Addressed, BelowData, Spec, misfit
from zoo.spec.bounds import Label
from zoo.spec.task import Columns, Reader, Task, TaskKind

OneLine = Annotated[str, Field(pattern=LINE_PATTERN)]
"""A cell as it is read: without blanks around it."""
Metric = Literal["accuracy", "f1", "matthews", "pearson", "spearman"]

METRICS_OF_KIND: dict[TaskKind, tuple[Metric, ...]] = {
    TaskKind.CLASSIFICATION: ("accuracy", "f1", "matthews"),
    TaskKind.REGRESSION: ("pearson", "spearman"),
}
"""What scores classes, and what scores numbers."""


class OwnFiles(Spec):
    """The tables of a task, below `$ZOO_DATA`."""

    train: BelowData
    """Training examples."""
    dev: BelowData
    """Examples to score on."""
    test: BelowData | None = None
    """Labelled test examples, scored separately."""


class OwnDefinition(Addressed):
    """All that decides what a suite's own task is, and where its examples are found."""

    addresses: ClassVar[tuple[str, ...]] = ("files", "texts", "label", "columns")

    files: OwnFiles
    """Tab-separated UTF-8 tables, cells never quoted."""
    texts: Annotated[tuple[OneLine, ...], Field(min_length=1, max_length=2)]
    """Name of the text column, or of both text columns."""
    label: OneLine = "label"
    """Name of the label column."""
    columns: tuple[OneLine, ...] | None = None
    """Column names of files without a header line; absent where files have one."""
    labels: Annotated[tuple[OneLine, ...], Field(min_length=2)] | None = None
    """The classes as files write them, in the order of their ids."""
    range: tuple[Label, Label] | None = None
    """The lowest and the highest label of a regression."""
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)]
    """Metrics; the first is the primary one, which boards show and gates check."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.labels is None) == (self.range is None):
            given = "both are set" if self.labels else "neither is set"
            raise misfit("labels", f"labels or range: {given}", "labels of classes, or a range")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise misfit("range", f"given {list(self.range)}", "the lower number first")
        for key in ("texts", "columns", "labels", "metrics"):
            self._refuse_repeated(key)
        self._refuse_columns()
        self._refuse_metrics()
        return self

    def _refuse_repeated(self, key: str) -> None:
        values: tuple[str, ...] = self.model_dump(include={key})[key] or ()
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise misfit(key, f"{twice!r} appears twice", "each once")

    def _refuse_columns(self) -> None:
        if self.label in self.texts:
            raise misfit("label", f"{self.label!r} is a text column", "another column")
        if self.columns is None:
            return
        for key, names in (("texts", self.texts), ("label", (self.label,))):
            lacking = next((name for name in names if name not in self.columns), None)
            if lacking is not None:
                raise misfit(key, f"there is no column {lacking!r}", ", ".join(self.columns))

    def _refuse_metrics(self) -> None:
        what = "numbers" if self.range else "classes"
        fitting = [
            name for name in METRICS_OF_KIND[self.kind_of_task] if name != "f1" or self._is_binary
        ]
        for name in self.metrics:
            if name not in fitting:
                given = f"{name} does not score {what}"
                if name == "f1" and not self.range:
                    given = "f1 is computed for the second of two classes"
                raise misfit("metrics", given, ", ".join(fitting))

    @property
    def _is_binary(self) -> bool:
        return self.labels is not None and len(self.labels) == 2

    @property
    def kind_of_task(self) -> TaskKind:
        """Whether classes are learnt, or a number."""
        return TaskKind.REGRESSION if self.range else TaskKind.CLASSIFICATION


class OwnTask(OwnDefinition):
    """One file under `specs/<suite>/tasks/`."""

    note: str = ""
    """Free text; has no effect."""

    @property
    def data(self) -> "OwnData":
        """The task as recipes and records hold it."""
        return OwnData(**self.model_dump(exclude={"note"}))


class OwnData(OwnDefinition):
    """A task of the suite's own: its files below `$ZOO_DATA`, and what it is."""

    kind: Literal["own"] = "own"

    def task(self, name: str) -> Task:
        """The task, under its name in the suite."""
        paths = {split: path for split, path in self.files.model_dump().items() if path is not None}
        return Task(
            name,
            Reader.TSV,
            self.kind_of_task,
            self.metrics,
            self.metrics[0],
            self.labels or (),
            columns=Columns(self.texts, self.label, named=self.columns or ()),
            limits=self.range,
            evaluation=tuple(split for split in paths if split != "train"),
            paths=paths,
            pair=len(self.texts) > 1,
        )
