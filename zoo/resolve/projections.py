"""Which entries learn projections on the corpus, and which take them up again."""

from collections.abc import Iterable

from zoo.distil.stage import Stage
from zoo.resolve.entry import ResolvedEntry


def learnt_on_corpus(entry: ResolvedEntry) -> set[str]:
    """The projections that an entry's corpus stages learn."""
    return _projected(stage for stage in _stages(entry) if stage.data == "corpus")


def brought_to(entry: ResolvedEntry) -> set[str]:
    """The projections that come with the weights a student is given: those of another entry."""
    return learnt_on_corpus(entry.origin) if entry.teacher and entry.origin else set()


def taken_up_on_corpus(entry: ResolvedEntry) -> bool:
    """Whether an entry's corpus stages begin with projections that came with its weights."""
    return bool(_fitting(entry) & learnt_on_corpus(entry))


def taken_up_on_tasks(entry: ResolvedEntry) -> bool:
    """Whether an entry's task stages begin with projections learnt on the corpus."""
    wanted = _projected(stage for stage in _stages(entry) if stage.data != "corpus")
    there = learnt_on_corpus(entry) if entry.recipe.corpus else _fitting(entry)
    return bool(wanted & there)


def _fitting(entry: ResolvedEntry) -> set[str]:
    """What was brought, if it leads to this entry's own teacher."""
    origin = entry.origin
    if origin is None or origin.recipe.teacher.source != entry.recipe.teacher.source:
        return set()
    return brought_to(entry)


def _stages(entry: ResolvedEntry) -> Iterable[Stage]:
    return (stage for stages in entry.stages.values() for stage in stages)


def _projected(stages: Iterable[Stage]) -> set[str]:
    return {term.project for stage in stages for term in stage.terms if term.project is not None}
