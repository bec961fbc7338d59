"""What must fit between an entry's stages: changes, batches, budgets and starts."""

from collections.abc import Iterator, Mapping

from zoo.errors import suggestion
from zoo.spec.entry import Entry
from zoo.spec.finding import Finding, KeyPath
from zoo.spec.levels import Use
from zoo.spec.optimise import Optimise
from zoo.spec.suite import Suite

_COPIED = {"positions", "embeddings", "encoder"}
"""Parts that a start copies; a head is new on every task."""


def stage_findings(entry: Entry, suite: Suite, stages: Mapping[str, str]) -> Iterator[Finding]:
    """What in an entry's changes does not fit its method's stages, their names and data."""
    for name, change in entry.stages.items():
        yield from _stage_change(("stages", name), name, stages)
        on_corpus = stages.get(name) == "corpus"
        ours = entry.corpus_optimise if on_corpus else entry.optimise
        theirs = suite.corpus_optimise if on_corpus else suite.optimise
        yield from _uneven_parts(("stages", name), ours or theirs, change.batch_size)
    for task, on_task in entry.tasks.items():
        yield from _uneven_parts(
            ("tasks", task), entry.optimise or suite.optimise, on_task.batch_size
        )
        for name, change in on_task.stages.items():
            path = ("tasks", task, "stages", name)
            yield from _stage_change(path, name, stages)
            yield from _uneven_parts(path, entry.optimise or suite.optimise, change.batch_size)
            if stages.get(name) == "corpus":
                yield Finding(
                    path,
                    "this stage reads the corpus, once for all tasks",
                    remedy="set it under `stages` of the entry",
                )
    if "augmented" in stages.values() and entry.augment is None and suite.augment is None:
        yield Finding(
            ("method",),
            "this method reads augmented task data",
            remedy="declare `augment` here or in suite.yaml",
        )


def use_findings(entry: Entry, uses: Mapping[str, list[Use]]) -> Iterator[Finding]:
    """What does not fit between a stage and how it is trained; once for each key."""
    found: dict[KeyPath, Finding] = {}
    for table in uses.values():
        for use in table:
            for finding in (*_whole_batches(use), *_unasked(use, table)):
                found.setdefault(finding.path, finding)
        if table and entry.student.start == "fresh":
            for finding in _frozen_at_random(table[0]):
                found.setdefault(finding.path, finding)
    yield from found.values()


def _stage_change(path: KeyPath, name: str, stages: Mapping[str, str]) -> Iterator[Finding]:
    if stages and name not in stages:
        yield Finding(
            path, "the method has no such stage", ", ".join(stages), suggestion(name, stages)
        )


def _uneven_parts(
    path: KeyPath, optimise: Optimise | None, batch_size: int | None
) -> Iterator[Finding]:
    if batch_size is not None and optimise is not None and batch_size % optimise.accumulate:
        yield Finding(
            (*path, "batch_size"),
            f"accumulate: {optimise.accumulate} does not divide a batch size of {batch_size}",
            f"a multiple of {optimise.accumulate}",
        )


def _whole_batches(use: Use) -> Iterator[Finding]:
    """Terms that compare samples, where a batch is split into parts or holds a single sample."""
    terms = " and ".join(use.stage.over_samples)
    if not terms:
        return
    path, parts = use.settled("accumulate")
    if parts and parts > 1:
        yield _at(
            path,
            f"{terms} of stage {use.stage.name!r} would only compare samples within a part: "
            f"a batch has {parts} parts",
            "accumulate: 1",
            f"set accumulate: 1 in optimise, or leave {terms} out (method.leave_out)",
        )
    path, size = use.settled("batch_size")
    if size == 1:
        yield _at(
            path,
            f"{terms} of stage {use.stage.name!r} would have no second sample to compare with",
            "a batch_size of 2 or more",
            f"set a larger batch_size, or leave {terms} out (method.leave_out)",
        )


def _unasked(use: Use, table: list[Use]) -> Iterator[Finding]:
    """A rule to leave a stage early that is never checked, since no epoch ends before the stage."""
    if use.stage.watches is None:
        return
    own = use.own_budget
    if own is not None:
        path: KeyPath | None = (*own.path, "epochs")
        epochs = getattr(own.stated, "epochs")  # noqa: B009  (levels know their specs as Spec)
    else:
        path, epochs = use.settled("epochs")
        beside = [other for other in table if other.stage.on_corpus == use.stage.on_corpus]
        sharing = sum(other.stage.share for other in beside if other.own_budget is None)
        epochs = epochs and epochs * use.stage.share / sharing
    if epochs is not None and epochs <= 1.0:
        lasts = "1 epoch" if epochs == 1.0 else f"{epochs:g} epochs"
        yield _at(
            path,
            f"stage {use.stage.name!r} lasts {lasts}: it ends before its early-exit rule on"
            f" {use.stage.watches}, checked at the end of each epoch, can apply",
            "more than 1 epoch for this stage",
            "set a longer budget, or no threshold",
        )


def _frozen_at_random(first: Use) -> Iterator[Finding]:
    parts = [part for part in first.stage.frozen if part in _COPIED]
    if parts and first.stage.reads_student:
        yield Finding(
            ("student", "start"),
            f"stage {first.stage.name!r} keeps {', '.join(parts)} frozen, and start: fresh makes "
            "them random",
            "a start that copies layers, or given weights",
            "choose another start, or let the method train them",
        )


def _at(path: KeyPath | None, given: str, allowed: str, remedy: str) -> Finding:
    """A finding at the entry's own key, or at its method where the suite states the key."""
    return Finding(path or ("method",), given, allowed, remedy)
