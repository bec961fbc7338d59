"""Which entries learn projections on the corpus, and which take them up again."""

from collections.abc import Iterable

from zoo.distil.stage import Stage
from zoo.pipeline.recipes import entry_recipe, entry_tasks
from zoo.spec.load import LoadedSuite
from zoo.spec.weights import DistilledWeights
from zoo.training.plan import student_stages


def learnt_on_corpus(loaded: LoadedSuite, name: str) -> set[str]:
    """The projections that an entry's corpus stages learn."""
    return _projected(stage for stage in _stages(loaded, name) if stage.data == "corpus")


def brought_to(loaded: LoadedSuite, name: str) -> set[str]:
    """The projections that come with the weights an entry is given: those of another entry."""
    entry = loaded.entries.get(name)
    given = entry.student.given if entry else None
    return learnt_on_corpus(loaded, given.entry) if isinstance(given, DistilledWeights) else set()


def taken_up_on_corpus(loaded: LoadedSuite, name: str) -> bool:
    """Whether an entry's corpus stages begin with projections that came with its weights."""
    return bool(_fitting(loaded, name) & learnt_on_corpus(loaded, name))


def taken_up_on_tasks(loaded: LoadedSuite, name: str) -> bool:
    """Whether an entry's task stages begin with projections learnt on the corpus."""
    if name in loaded.teachers:
        return False
    wanted = _projected(stage for stage in _stages(loaded, name) if stage.data != "corpus")
    own = entry_recipe(loaded, name).corpus is not None
    return bool(wanted & (learnt_on_corpus(loaded, name) if own else _fitting(loaded, name)))


def _fitting(loaded: LoadedSuite, name: str) -> set[str]:
    """What was brought, if it leads to this entry's own teacher."""
    brought = brought_to(loaded, name)
    if not brought:
        return set()
    given = loaded.entries[name].student.given
    assert isinstance(given, DistilledWeights)
    sources = [entry_recipe(loaded, each).teacher.source for each in (name, given.entry)]
    return brought if sources[0] == sources[1] else set()


def _stages(loaded: LoadedSuite, name: str) -> Iterable[Stage]:
    recipe = entry_recipe(loaded, name)
    for task in entry_tasks(loaded, name):
        yield from student_stages(recipe, loaded.definition(task))


def _projected(stages: Iterable[Stage]) -> set[str]:
    return {term.project for stage in stages for term in stage.terms if term.project is not None}
