"""Which entries learn projections on the corpus, and which continue from them."""

from collections.abc import Iterable

from zoo.distil.stage import Stage
from zoo.resolve.entry import ResolvedEntry


def learnt_on_corpus(entry: ResolvedEntry) -> set[str]:
    """The projections learnt by an entry's corpus stages."""
    return _projected(stage for stage in _stages(entry) if stage.data == "corpus")


def brought_to(entry: ResolvedEntry) -> set[str]:
    """The projections that come with a student's given weights: another entry's."""
    return learnt_on_corpus(entry.origin) if entry.teacher and entry.origin else set()


def taken_up_on_corpus(entry: ResolvedEntry) -> bool:
    """Whether an entry's corpus stages start from projections that came with its weights."""
    return bool(_fitting(entry) & learnt_on_corpus(entry))


def taken_up_on_tasks(entry: ResolvedEntry) -> bool:
    """Whether an entry's task stages start from projections learnt on the corpus."""
    wanted = _projected(stage for stage in _stages(entry) if stage.data != "corpus")
    there = learnt_on_corpus(entry) if entry.recipe.corpus else _fitting(entry)
    return bool(wanted & there)


def _fitting(entry: ResolvedEntry) -> set[str]:
    """The given projections, if they match this entry's own teacher."""
    origin = entry.origin
    if origin is None or origin.recipe.teacher.source != entry.recipe.teacher.source:
        return set()
    return brought_to(entry)


def _stages(entry: ResolvedEntry) -> Iterable[Stage]:
    return (stage for stages in entry.stages.values() for stage in stages)


def _projected(stages: Iterable[Stage]) -> set[str]:
    return {term.project for stage in stages for term in stage.terms if term.project is not None}
