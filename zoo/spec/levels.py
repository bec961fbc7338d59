"""How each stage of an entry is trained: what its file states of it, the most specific first."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from zoo.spec.base import Spec
from zoo.spec.entry import Entry
from zoo.spec.finding import KeyPath
from zoo.spec.optimise import Optimise, StageChange, Stages, TaskChange
from zoo.spec.outline import Outline
from zoo.spec.suite import Suite

BUDGET = ("epochs", "steps")
"""Two ways to state one thing."""


class Level(NamedTuple):
    """A mapping of a file that states how stages are trained."""

    path: KeyPath
    stated: Spec

    @property
    def is_whole(self) -> bool:
        """Whether it sets every key, defaults too; else null leaves a key to those below."""
        return not isinstance(self.stated, StageChange | TaskChange)

    @property
    def keys(self) -> set[str]:
        """The keys that are set to a value."""
        keys = self.stated.model_fields_set - {"stages"}
        return {key for key in keys if self.is_whole or getattr(self.stated, key) is not None}


class Use(NamedTuple):
    """One stage where it is trained; `below` is the suite's word, where it has one."""

    stage: Outline
    levels: tuple[Level, ...]
    below: Optimise | None = None

    def settled(self, key: str) -> tuple[KeyPath | None, Any]:
        """The value of a key and the place in the entry's file that decides it, if one does."""
        for level in self.levels:
            if level.is_whole or key in level.keys:
                return (*level.path, key), getattr(level.stated, key)
        return None, getattr(self.below, key, None)

    @property
    def own_budget(self) -> Level | None:
        """The level that gives the stage its own budget, instead of its share."""
        changes = (level for level in self.levels if isinstance(level.stated, StageChange))
        return next((level for level in changes if level.keys & set(BUDGET)), None)


def uses_of(
    entry: Entry, suite: Suite, outlines: Mapping[str, Iterable[Outline]]
) -> dict[str, list[Use]]:
    """The stages of an entry on each of its tasks, those on the corpus with each."""
    return {
        task: [_use(entry, suite, task, stage) for stage in table]
        for task, table in outlines.items()
    }


def level(path: KeyPath, stated: Spec | None) -> tuple[Level, ...]:
    """The level of a mapping, if it is there."""
    return () if stated is None else (Level(path, stated),)


def _use(entry: Entry, suite: Suite, task: str, stage: Outline) -> Use:
    own = _of_stage((), entry.stages, stage)
    if stage.on_corpus:
        levels = (*own, *level(("corpus_optimise",), entry.corpus_optimise))
        return Use(stage, levels, suite.corpus_optimise)
    change = entry.tasks.get(task)
    top = _of_stage(("tasks", task), change.stages, stage) if change else ()
    rest = (*level(("tasks", task), change), *level(("optimise",), entry.optimise))
    return Use(stage, (*top, *own, *rest), suite.optimise)


def _of_stage(path: KeyPath, stages: Stages, stage: Outline) -> tuple[Level, ...]:
    return level((*path, "stages", stage.name), stages.get(stage.name))
