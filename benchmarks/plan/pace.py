"""How fast this machine trains and answers: steps of the engine on random sequences, timed.

CPU seconds of all threads of this process, so that work beside it distorts little.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import torch
from transformers import PreTrainedModel

from benchmarks.plan.flops import Amount, PhaseCost
from zoo.data.batches import LAYOUTS
from zoo.distil.stage import Data
from zoo.models.build import Head, build
from zoo.models.capture import Capture, Captured
from zoo.models.tap import LOGITS
from zoo.resolve.plan import Phase
from zoo.spec.shape import Shape
from zoo.tensors.batch import Batch, Layout
from zoo.training.device import NARROW
from zoo.training.journal import Journal
from zoo.training.loop import Work, train
from zoo.training.targets import LoadTeacher, live

ROWS = 16
LONG, FRACTION = 64, 4
"""Of tasks; texts have a length of their own. The shorter sequences have this part of it."""
WARM, FEWEST, SECONDS = 1, 3, 0.5
"""Steps before the clock, and how many, and for how long, on it."""
MASKED = 7
"""Every so-many-th token is asked for, 15 % as masked language modelling has it."""
WHOLE_STEPS, WHOLE_EPOCH = 1_000_000, 100_000
"""Of the schedule that is begun: the engine looks at losses as seldom as in a long training."""


class Pace(NamedTuple):
    """CPU seconds: of every batch, and of its operations."""

    batch_s: float
    flops_per_s: float

    def cpu_s(self, batches: float, flops: float) -> float:
        """The CPU seconds of so many batches with so many operations in all."""
        return batches * self.batch_s + flops / self.flops_per_s


@dataclass(frozen=True)
class Calibration:
    """A phase that is timed on a task's or a corpus' batches, its teacher answering once.

    Phases alike in `stage`, shapes and precision have one pace, whatever the task.
    """

    stage: tuple[object, ...]
    student: Shape
    teacher: Shape | None
    threads: int
    phase: Phase = field(compare=False)
    head: Head = field(compare=False)
    cost: PhaseCost = field(compare=False)

    @classmethod
    def of(
        cls,
        phase: Phase,
        shapes: tuple[Shape, Shape | None],
        head: Head,
        cost: PhaseCost,
        threads: int,
    ) -> "Calibration":
        """The calibration of a phase of a training."""
        stage, optimise = phase.stage, phase.optimise
        terms = tuple((term.name, term.student, term.teacher, term.project) for term in stage.terms)
        drops = optimise.dropout != 0.0
        key = (stage.name, stage.data, stage.surgery, stage.frozen, terms)
        return cls(
            (*key, optimise.precision, optimise.teacher_precision, drops),
            *shapes,
            threads,
            phase,
            head,
            cost,
        )

    def trained(self) -> Pace:
        """The pace of steps, without what the teacher's encoder takes."""
        return self._fitted(self._trains, self._trained_flops)

    def answered(self) -> Pace:
        """The pace of the teacher's answers."""
        return self._fitted(self._answers, lambda batch: self.cost.answered.over(_amount(batch)))

    def _fitted(
        self, seconds: Callable[[Batch], Sequence[float]], flops: Callable[[Batch], float]
    ) -> Pace:
        # Losses that relate all positions grow faster than products: texts need their own length.
        on_text = self.phase.stage.data == "corpus"
        longest = self.phase.optimise.max_length if on_text else LONG
        longest = min(longest, self.student.positions)
        batches = [self._batch(length) for length in (longest // FRACTION, longest)]
        with _on_threads(self.threads):
            took = [fmean(seconds(batch)) for batch in batches]
        return fitted([flops(batch) for batch in batches], took)

    def _trains(self, batch: Batch) -> Sequence[float]:
        clock, stage = _Clock(batch), replace(self.phase.stage, share=1.0)
        whole = {"epochs": None, "steps": WHOLE_STEPS}
        optimise = self.phase.optimise.model_copy(update=whole | {"accumulate": 1})
        work = Work(
            phases=(Phase(stage, optimise),),
            student=build(self.student, self.head, seed=0),
            teacher=self._teacher,
            feed=lambda _phase: clock,
            seed=0,
            journal=Journal(Path(os.devnull), quiet=True),
            targets=_answered_once,
        )
        with suppress(_EnoughError):
            train(work)
        return clock.seconds

    def _answers(self, batch: Batch) -> Sequence[float]:
        clock = _Clock(batch)
        model = self._teacher("task")
        with live(self.phase, lambda: model) as capture, torch.no_grad(), suppress(_EnoughError):
            while True:
                capture(clock.batch(0))
        return clock.seconds

    def _teacher(self, _data: Data) -> PreTrainedModel:
        assert self.teacher is not None  # nothing without a teacher asks for it
        return build(self.teacher, self.head, seed=1).eval().requires_grad_(requires_grad=False)

    def _trained_flops(self, batch: Batch) -> float:
        cost, (decoded, answered) = self.cost, decoded_words(self.phase, batch)
        own = cost.trained.over(_amount(batch)) + cost.trained_words.over(decoded > 0, decoded)
        return own + cost.answered_words.over(answered > 0, answered)

    def _batch(self, length: int) -> Batch:
        generator = torch.Generator().manual_seed(length)
        pieces = torch.randint(0, self.student.vocabulary, (ROWS, length), generator=generator)
        real, segments = torch.ones_like(pieces), torch.zeros_like(pieces)
        task = self.head.task
        layout = LAYOUTS[task.kind] if task else Layout.TOKENS
        labels = {
            Layout.CLASSES: torch.zeros(ROWS, dtype=torch.long),
            Layout.VALUE: torch.zeros(ROWS),
            Layout.SPAN: torch.zeros(ROWS, 2, dtype=torch.long),
            Layout.TOKENS: pieces.masked_fill(_unasked(pieces), -100),
        }
        answerable = real.bool() if layout is Layout.SPAN else None
        rows = tuple(range(ROWS))
        return Batch(layout, pieces, real, segments, labels[layout], answerable, rows)


class Paces:
    """The paces of this machine, each measured once."""

    def __init__(self) -> None:
        self._trained: dict[Calibration, Pace] = {}
        self._answered: dict[tuple[object, ...], Pace] = {}

    def trained(self, calibration: Calibration) -> Pace:
        """The pace of a phase's steps."""
        if calibration not in self._trained:
            self._trained[calibration] = calibration.trained()
        return self._trained[calibration]

    def answered(self, calibration: Calibration) -> Pace:
        """The pace of a teacher's answers, whichever of its states are read."""
        precision = calibration.phase.optimise.teacher_precision
        key = calibration.teacher, precision, calibration.threads
        if key not in self._answered:
            self._answered[key] = calibration.answered()
        return self._answered[key]

    def __iter__(self) -> Iterator[tuple[Calibration, Pace]]:
        return iter(self._trained.items())


def decoded_words(phase: Phase, batch: Batch) -> tuple[int, int]:
    """How many words of a batch the student decodes, and the teacher, over all terms."""
    terms = phase.stage.terms if batch.layout is Layout.TOKENS else ()
    ours = sum(len(term.places(batch)) for term in terms if term.student == LOGITS)
    theirs = sum(len(term.places(batch)) for term in terms if term.teacher == LOGITS)
    return ours, theirs


def fitted(flops: Sequence[float], seconds: Sequence[float]) -> Pace:
    """The pace through two measurements; no batch takes less than nothing."""
    less, more = flops
    took_less, took_more = seconds
    whole = Pace(0.0, sum(flops) / sum(seconds))
    if took_more <= took_less:
        return whole
    rate = (more - less) / (took_more - took_less)
    batch_s = took_less - less / rate
    return Pace(batch_s, rate) if batch_s >= 0.0 else whole


def threads_of(hidden: int, threads: int) -> int:
    """The threads that a stage trains one run on, of those that there are."""
    return 1 if hidden <= NARROW else threads


def _amount(batch: Batch) -> Amount:
    rows, length = batch.input_ids.shape
    return Amount(1, rows, rows * length, rows * length**2)


def _unasked(pieces: torch.Tensor) -> torch.Tensor:
    return torch.arange(pieces.numel()).reshape(pieces.shape) % MASKED > 0


@contextmanager
def _on_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Once:
    """A teacher whose answers to the one batch are kept."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._kept: Captured = {}

    @property
    def model(self) -> PreTrainedModel:
        return self._capture.model

    def __call__(self, batch: Batch) -> Captured:
        if not self._kept:
            self._kept = self._capture(batch)
        return self._kept


@contextmanager
def _answered_once(phase: Phase, teacher: LoadTeacher) -> Iterator[_Once]:
    with live(phase, teacher) as capture:
        yield _Once(capture)


class _EnoughError(Exception):
    """All steps are timed."""


class _Clock:
    """The same batch at every step; the seconds between two of them, the first ones left out."""

    batches_per_epoch = WHOLE_EPOCH

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._asked: list[float] = []

    def batch(self, _step: int) -> Batch:
        self._asked.append(time.process_time())
        if len(self._asked) > WARM + FEWEST and self._asked[-1] - self._asked[WARM] > SECONDS:
            raise _EnoughError
        return self._batch

    @property
    def seconds(self) -> Sequence[float]:
        pairs = zip(self._asked[WARM:], self._asked[WARM + 1 :], strict=False)
        return [later - earlier for earlier, later in pairs]
