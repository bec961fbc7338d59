"""Targets from a store: the live teacher's, bit for bit, whatever happens to the files."""

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from tests import tiny
from tests.tiny import Setup
from zoo import disk
from zoo.data.batches import TaskFeed
from zoo.distil.method import Setting
from zoo.errors import UsageError
from zoo.methods import method_class, names
from zoo.models.tap import Tap
from zoo.resolve.plan import Phase
from zoo.spec.task import TASKS
from zoo.training import stored
from zoo.training.journal import Journal
from zoo.training.loop import train
from zoo.training.resume import Scratch
from zoo.training.stored import Stored, most_bytes
from zoo.training.targets import Targets, Teacher, live, live_steady
from zoo.training.teacher_store import TeacherStore

KINDS = ("sentiment", "similarity", "span")


@pytest.fixture(autouse=True)
def _told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test is told anew what is continued without."""
    monkeypatch.setattr(disk, "_SPARED", set())


def setup(folder: Path, method: str = "kd", task: str = "sentiment") -> Setup:
    """A short training with a method's stages on a task; 33 examples leave one for a last batch."""
    made = method_class(method).trial()
    student = type(made).example(tiny.TEACHER)
    kind = TASKS[task].kind.value
    stages = made.stages(Setting(student, tiny.TEACHER, kind))
    on_task = tuple(stage for stage in stages if stage.data != "corpus")
    return Setup(folder, on_task, task, student, examples=33)


def source(setting: Setup, folder: Path, teacher: str = "a" * 64) -> Stored:
    """A store of a training's teacher."""

    def feed(phase: Phase) -> TaskFeed:
        made = setting.feed(phase)
        assert isinstance(made, TaskFeed)
        return made

    journal = Journal(folder / "journal.jsonl", quiet=True)
    place = folder / "answers" / "suite" / "teacher" / setting.task / "1"
    return Stored(place, teacher, setting.teacher_shape, feed, journal, torch.device("cpu"))


class Counted:
    """A source of targets that counts how often its teacher was asked for."""

    def __init__(self, inner: Callable) -> None:  # type: ignore[type-arg]  # a source
        self.inner, self.asked = inner, 0

    @contextmanager
    def __call__(self, phase: Phase, teacher: Teacher) -> Iterator[Targets]:
        def counted():  # type: ignore[no-untyped-def]  # noqa: ANN202
            self.asked += 1
            return teacher()

        with self.inner(phase, counted) as targets:
            yield targets


def trained(setting: Setup, targets: Callable) -> dict[str, torch.Tensor]:  # type: ignore[type-arg]  # a source
    """The weights after training with these targets."""
    return tiny.weights(train(replace(setting.work(), targets=targets)).model)


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    """Whether weights are equal bit for bit."""
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())


def files(folder: Path) -> list[Path]:
    """The numbers that are kept."""
    return sorted(folder.rglob("*.bin"))


@pytest.mark.parametrize("task", KINDS)
@pytest.mark.parametrize("method", names())
def test_trains_as_with_the_live_teacher(tmp_path: Path, method: str, task: str) -> None:
    """Every method on every kind of task ends with the same bits, and asks the teacher once."""
    setting = setup(tmp_path, method, task)
    taught = [s for s in setting.stages if any(term.teacher for term in s.terms)]
    with_live = trained(setting, live_steady)
    first, second = (Counted(source(setting, tmp_path)) for _ in range(2))

    assert same(trained(setting, first), with_live)
    assert same(trained(setting, second), with_live)
    assert second.asked == 0
    assert bool(files(tmp_path)) == bool(taught)
