"""Whatever a spec states of a method does something, or is refused; no method is named here.

Settings are drawn at random. Where they are accepted, each stated one must show: with some other
accepted value, two steps of every stage leave other weights, or the plan has other budgets. A new
method or field is drawn from the day it is written; one that no draw shows fails.
"""

import copy
import hashlib
import json
import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from pydantic import ValidationError
from transformers import PreTrainedModel

from tests import tiny
from zoo import methods
from zoo.data.batches import CorpusFeed, Feed, TaskFeed
from zoo.distil.effect import alternatives
from zoo.distil.method import Kind, Method, MisfitError, Setting
from zoo.distil.stage import Stage
from zoo.errors import TrainingError
from zoo.methods import METHODS, method_class, stages_of
from zoo.records.training import PhaseRecord
from zoo.resolve.plan import Phase
from zoo.spec.corpus import PocketCorpus
from zoo.spec.optimise import Budgets, Optimise
from zoo.spec.shape import Shape
from zoo.spec.task import TASKS
from zoo.training.corpus import corpus_blocks
from zoo.training.journal import Journal
from zoo.training.loop import Work, train
from zoo.training.phase import PhaseRun

TEACHER = tiny.TEACHER.model_copy(update={"layers": 2, "hidden": 16, "intermediate": 32})
KINDS: dict[Kind, str] = {
    "classification": "inference",
    "regression": "similarity",
    "span": "span",
}
DRAWS = 60
"""Most draws until a field has shown what it does."""
SHOWN = 2
"""Draws in which it does."""
OPTIMISE = Optimise(steps=2, batch_size=4, learning_rate=1e-2, dropout=0.0, max_length=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where shards and journals lie."""
    return tmp_path_factory.mktemp("settings")


def drawn(kind: type[Method], field: str, dice: random.Random) -> Method | None:
    """The method with one field stated and some others; None where its own checks refuse it.

    What a method states to show itself within few steps stays, but for the field itself.
    """
    base = kind.trial()
    stated = base.model_dump(include=base.model_fields_set)
    for name in sorted(set(kind.model_fields) - {"name"}):
        if name == field or (name not in base.model_fields_set and dice.random() < 0.25):
            stated[name] = dice.choice(candidates(base, name))
    try:
        return kind.model_validate(stated)
    except ValidationError:
        return None


def candidates(method: Method, name: str) -> list[object]:
    """What a field may be stated as: its value here, others of its type, terms to leave out."""
    if name == "leave_out":
        families = {
            term.family
            for kind in get_args(Kind)
            for shape in shapes(type(method))
            for stage in planned(method, Setting(shape, TEACHER, kind))
            for term in stage.terms
        }
        return [(family,) for family in sorted(families)]
    return [getattr(method, name), *alternatives(method, name)]


def shapes(kind: type[Method]) -> tuple[Shape, ...]:
    """Students to try a method on: its example, and others that some settings need."""
    example = kind.example(TEACHER)
    return (example, example.model_copy(update={"heads": example.heads // 2}))


def planned(method: Method, setting: Setting) -> tuple[Stage, ...]:
    try:
        return stages_of(method, setting)
    except MisfitError:
        return ()


def refused(method: Method, shape: Shape) -> list[str]:
    """The keys that a spec's check would name, on tasks of every kind."""
    tasks = [TASKS[task] for task in KINDS.values()]
    found = METHODS.misfits(method, shape, TEACHER, tasks, Budgets(None, None, {}))
    found = found or METHODS.idle(method, shape, TEACHER, tasks)
    return [str(finding.path[0]) for finding in found]


@pytest.mark.parametrize("name", methods.names())
def test_what_is_stated_does_something_or_is_refused(name: str, folder: Path) -> None:
    """Each field of each method shows, or no draw of it is accepted; none is there in vain."""
    kind = method_class(name)
    fields = sorted(set(kind.model_fields) - {"name"})
    for field in fields:
        dice = random.Random(f"{name}.{field}")
        shown = told = 0
        for _ in range(DRAWS):
            method, shape = drawn(kind, field, dice), dice.choice(shapes(kind))
            if method is None:
                continue
            keys = refused(method, shape)
            if field not in keys:  # what the trial states may decide nothing beside this field
                kept = method.model_dump(exclude_unset=True, exclude=set(keys) - {"name"})
                method = kind.model_validate(kept)
                keys = refused(method, shape)
            assert set(keys) <= {*fields, "name"}
            told += field in keys
            to_show = {field} if field in kind.trial().model_fields_set else set(fields)
            for stated in sorted(method.model_fields_set & to_show) if not keys else ():
                shown += shows(method, shape, stated, folder) and stated == field
            if shown >= SHOWN:
                break
        assert shown or told, f"no draw of {field} shows what it does"


def shows(method: Method, shape: Shape, field: str, folder: Path) -> bool:
    """Whether a field does something; not so where any other value would be refused."""
    here, accepted = done(method, shape, folder), False
    for value in alternatives(method, field) if field != "leave_out" else [()]:
        try:
            stated = method.model_dump(exclude_unset=True) | {field: value}
            other = type(method).model_validate(stated)
        except ValidationError:
            continue
        tables = [planned(other, Setting(shape, TEACHER, kind)) for kind in KINDS]
        if not all(tables):
            continue
        accepted = True
        if done(other, shape, folder) != here:
            return True
    assert not accepted, f"{field} does nothing in {method!r} for {shape!r}"
    return False


def done(method: Method, shape: Shape, folder: Path) -> tuple[str, ...]:
    """What comes of a method: its budgets, and a digest of the weights of every training."""
    found = []
    for kind, task in KINDS.items():
        table = stages_of(method, Setting(shape, TEACHER, kind))
        found.append(repr([(s.name, s.data, s.share, s.leave) for s in table]))
        for corpus in (True, False):
            stages = tuple(stage for stage in table if (stage.data == "corpus") is corpus)
            if stages:
                found.append(trained(Plan(stages), shape, None if corpus else task, folder))
    return tuple(found)


class Plan(tuple[Stage, ...]):
    """Stages that are equal where all that they say is."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash(repr(tuple(self)))

    def __eq__(self, other: object) -> bool:
        return repr(self) == repr(other)


@cache
def trained(plan: Plan, shape: Shape, task: str | None, folder: Path) -> str:
    """A digest of every stage's trainee after each of two steps, of its report and the student."""
    left: list[str] = []
    step = PhaseRun._step

    def watched(run: PhaseRun, *captures: Any) -> dict[str, torch.Tensor]:
        values = step(run, *captures)
        left.append(digest(run._trainee.state_dict()))
        return values

    work = Work(
        phases=tuple(Phase(replace(stage, share=1.0, leave=None), OPTIMISE) for stage in plan),
        student=copy.deepcopy(model(shape, task, 1)),
        teacher=lambda _data: tiny.frozen(model(TEACHER, task, 7)),
        feed=lambda phase: feed(phase.stage, task, folder),
        seed=5,
        journal=Journal(folder / "journal.jsonl", quiet=True),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhaseRun, "_step", watched)
        try:
            outcome = train(work)
        except TrainingError as refusal:  # a budget that the settings do not fit
            return str(refusal)
    left.append(digest(outcome.model.state_dict()))
    return json.dumps([*left, *map(report, outcome.phases)])


def digest(tensors: dict[str, torch.Tensor]) -> str:
    whole = hashlib.sha256()
    for key, tensor in tensors.items():
        whole.update(key.encode() + tensor.detach().contiguous().numpy().tobytes())
    return whole.hexdigest()


def report(record: PhaseRecord) -> str:
    return repr(record.report)


@cache
def model(shape: Shape, task: str | None, seed: int) -> PreTrainedModel:
    return tiny.model(shape, task, seed)


def feed(stage: Stage, task: str | None, folder: Path) -> Feed:
    if task is not None:
        return TaskFeed(tiny.encoded(task, 8), OPTIMISE.batch_size, 3)
    return text((stage.masking.fraction, stage.masking.smoothing), folder)


@cache
def text(masking: tuple[float, float | None], folder: Path) -> Feed:
    declared = PocketCorpus(documents=40)  # of all lengths, which means over samples need
    documents = corpus_blocks(declared, tiny.tokenizer(), folder, length=32, pair=True)
    return CorpusFeed(documents, tiny.tokenizer(), OPTIMISE.batch_size, 3, masking)


def test_a_setting_in_vain_is_seen(folder: Path) -> None:
    """The check itself: two values that a method does not tell apart do the same here."""
    kind = method_class("distilbert")
    shape = kind.example(TEACHER)
    with pytest.raises(AssertionError, match="second_weight does nothing"):
        shows(kind(second_weight=0.25), shape, "second_weight", folder)
