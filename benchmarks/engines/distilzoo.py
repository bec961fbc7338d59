"""This engine, called as `zoo stage` calls it, with the state it saves for a resume."""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from benchmarks.engines import Training
from benchmarks.work import SOFT_WEIGHT, TEMPERATURE, Workload
from zoo.data.batches import Encoded, Feed, TaskFeed, collate
from zoo.distil.budget import apportioned
from zoo.distil.method import Setting
from zoo.methods.kd import Kd
from zoo.models.build import shape_of
from zoo.resolve.plan import Phase
from zoo.tensors.batch import Batch
from zoo.training.journal import Journal
from zoo.training.loop import Work, train_to_end
from zoo.training.resume import Scratch
from zoo.training.stored import StoredTargets
from zoo.training.targets import live


@dataclass(frozen=True)
class InOrder:
    """Batches of rows in their own order."""

    encoded: Encoded
    batch_size: int

    @property
    def batches_per_epoch(self) -> int:
        """Steps of one pass."""
        return -(-len(self.encoded.features) // self.batch_size)

    def pieces(self) -> frozenset[int]:
        """The ids that its batches contain."""
        return self.encoded.pieces

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        rows = range(len(self.encoded.features))
        start = step % self.batches_per_epoch * self.batch_size
        return collate(self.encoded, rows[start : start + self.batch_size])


def prepare(work: Workload, folder: Path, *, stored: bool = False) -> Training:
    """A training of one phase of `kd`; `stored`: after another one with the same teacher."""
    shapes = shape_of(work.student.config), shape_of(work.teacher.config)
    stages = Kd(temperature=TEMPERATURE, soft_weight=SOFT_WEIGHT).stages(
        Setting(*shapes, work.encoded.task.kind.value)
    )
    (phase,) = (Phase(*pair) for pair in apportioned(stages, work.optimise, {}))
    models, answers = (work.teacher, work.student), folder / "answers"
    if stored:
        training_of(phase, *models, _feed(work), folder / "first", answers)()
    return training_of(phase, *models, _feed(work), folder, answers)


def training_of(
    phase: Phase,
    teacher: PreTrainedModel,
    student: PreTrainedModel,
    feed: Feed,
    folder: Path,
    answers: Path,
) -> Training:
    """A training of one phase, with the state and the store that it has as a stage.

    Where `answers` is empty, the teacher's pass over the rows counts.
    """
    journal, device = Journal(folder / "journal.jsonl", quiet=True), torch.device("cpu")
    shape = shape_of(teacher.config)
    stored = StoredTargets(
        answers / "suite/teacher/task/0", "", shape, lambda _phase: feed, journal, device
    )
    ready = Work(
        phases=(phase,),
        student=copy.deepcopy(student),
        teacher=lambda _data: teacher,
        feed=lambda _phase: feed,
        seed=0,
        journal=journal,
        scratch=Scratch(folder / "scratch"),
        device=device,
        targets=live if phase.stage.data == "corpus" else stored,
    )
    return lambda: train_to_end(ready).model


def _feed(work: Workload) -> Feed:
    if work.shuffled:
        return TaskFeed(work.encoded, work.optimise.batch_size, seed=0)
    return InOrder(work.encoded, work.optimise.batch_size)
