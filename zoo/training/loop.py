"""The loop: the same few lines for every method.

A step is: teacher (no gradient) -> student -> terms -> backward -> surgery's edit -> clip ->
optimiser. Nothing here knows a method; what differs stands in the stage's table of terms.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from transformers import PreTrainedModel

from zoo.data.batches import Feed
from zoo.distil.stage import Data, Stage
from zoo.distil.surgery import Progress, Seat
from zoo.distil.term import Term
from zoo.errors import Problem, TrainingError
from zoo.losses.batch import Batch
from zoo.models.anatomy import part_parameters
from zoo.models.capture import Capture, Captured
from zoo.training.journal import Journal
from zoo.training.optimiser import clip_gradients, learning_rate, make_optimiser
from zoo.training.plan import Phase
from zoo.training.resume import Place, Scratch

LOOKS = 50
"""How often a phase looks at its losses: each look waits for the device."""


@dataclass
class Work:
    """Everything a training needs; `teacher` is asked for only by stages that look at one."""

    phases: Sequence[Phase]
    student: PreTrainedModel
    teacher: Callable[[Data], PreTrainedModel]
    feed: Callable[[Phase], Feed]
    seed: int
    journal: Journal
    scratch: Scratch | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


@dataclass(frozen=True)
class Outcome:
    """What a training left: the model, and per phase the steps done and the last mean losses."""

    model: PreTrainedModel
    phases: tuple["PhaseOutcome", ...]


@dataclass(frozen=True)
class PhaseOutcome:
    """One phase as it went."""

    name: str
    steps: int
    left: str
    losses: Mapping[str, float]


def train(work: Work) -> Outcome:
    """Run all phases, from the start or from where an interrupted attempt stood.

    Raises:
        TrainingError: a loss is not finite, a capture is empty, or a teacher would be trained.
    """
    torch.manual_seed(work.seed)
    saved = work.scratch.place() if work.scratch else None
    student = work.student.to(work.device)
    outcomes: list[PhaseOutcome] = []
    optimiser: AdamW | None = None
    for number, phase in enumerate(work.phases):
        run = _PhaseRun(work, phase, number, student, optimiser)
        if saved is not None and number < saved.phase:
            # Its result is inside the saved state; opening and closing rebuilds the structure.
            student = run.close()
            continue
        if saved is not None and number == saved.phase:
            run.restore(saved)
        outcomes.append(run.run())
        student, optimiser = run.close(), run.optimiser
    if work.scratch:
        work.scratch.clear()
    return Outcome(student.eval(), tuple(outcomes))


class _PhaseRun:
    """One phase under way."""

    def __init__(
        self,
        work: Work,
        phase: Phase,
        number: int,
        student: PreTrainedModel,
        before: AdamW | None,
    ) -> None:
        self.work, self.phase, self.number = work, phase, number
        stage = phase.stage
        self.trainee = stage.surgery.open(Seat(student, self._teacher_model))
        self.trainee.train()
        _freeze(self.trainee, stage)
        _set_dropout(self.trainee, phase.optimise.dropout)
        self.projections = _projections(stage.terms, self.trainee, self._teacher_config)
        self.projections.to(work.device)
        fresh = make_optimiser([self.trainee, self.projections], phase.optimise)
        self.optimiser = fresh if before is None or stage.optimiser == "fresh" else before
        self.feed = work.feed(phase)
        self.steps = phase.steps(self.feed.batches_per_epoch)
        self.done = 0
        self.sums: dict[str, Tensor] = {}

    def restore(self, saved: Place) -> None:
        """Go on from a saved place."""
        assert self.work.scratch is not None
        self.work.scratch.restore(self._modules(), self.optimiser)
        self.done = saved.step
        self.sums = {
            name: torch.tensor(value, dtype=torch.float64) for name, value in saved.sums.items()
        }

    def run(self) -> PhaseOutcome:
        """All steps that are left, or fewer when the stage may be left early."""
        stage, look_every = self.phase.stage, max(1, self.steps // LOOKS)
        student, teacher = self._captures()
        losses: dict[str, float] = {}
        left = "its budget is used"
        while self.done < self.steps:
            values = self._step(student, teacher)
            self.done += 1
            for name, value in values.items():
                self.sums[name] = (
                    self.sums.get(name, value.new_zeros((), dtype=torch.float64)) + value
                )
            if self.done % look_every == 0 or self.done == self.steps:
                losses = self._look(values)
            epoch_ends = self.done % self.feed.batches_per_epoch == 0
            if epoch_ends and self._may_leave():
                left = f"{stage.leave.term} fell below {stage.leave.threshold}"  # type: ignore[union-attr]  # it is what allowed it
                break
            if epoch_ends:
                self.sums.clear()
            self._save_if_due()
        student.close()
        if teacher is not None:
            teacher.close()
        return PhaseOutcome(stage.name, self.done, left, losses)

    def close(self) -> PreTrainedModel:
        """The plain model this phase leaves behind."""
        model = self.phase.stage.surgery.close(self.trainee)
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        return model

    def _step(self, student: Capture, teacher: Capture | None) -> dict[str, Tensor]:
        optimise, step = self.phase.optimise, self.done + 1
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(optimise, step, self.steps)
        self.optimiser.zero_grad(set_to_none=True)
        parts = _cut(self.feed.batch(self.done), optimise.accumulate)
        totals: dict[str, Tensor] = {}
        for part in parts:
            values = self._losses(part.to(self.work.device), student, teacher)
            weighted = [
                term.weight_at((step - 1) / self.steps) * values[term.name]
                for term in self.phase.stage.terms
            ]
            (sum(weighted, start=weighted[0].new_zeros(())) / len(parts)).backward()  # type: ignore[no-untyped-call]
            for name, value in values.items():
                totals[name] = totals.get(name, value.new_zeros(())) + value.detach() / len(parts)
        self.phase.stage.surgery.edit(self.trainee, self.optimiser, Progress(step, self.steps))
        clip_gradients(self.optimiser, optimise.clip)
        self.optimiser.step()
        return totals

    def _losses(self, batch: Batch, student: Capture, teacher: Capture | None) -> dict[str, Tensor]:
        targets: Captured = {}
        if teacher is not None:
            with torch.no_grad():
                targets = teacher(batch)
        bf16 = self.phase.optimise.precision == "bf16"
        with torch.autocast(self.work.device.type, torch.bfloat16, enabled=bf16):
            captured = student(batch)
            return {term.name: self._value(term, captured, targets, batch) for term in self._terms}

    def _value(self, term: Term, captured: Captured, targets: Captured, batch: Batch) -> Tensor:
        ours = captured[term.student]
        if term.project is not None:
            ours = self.projections[term.project](ours)
        theirs = batch.labels if term.teacher is None else targets[term.teacher]
        return term.loss(ours, theirs, batch)

    @property
    def _terms(self) -> tuple[Term, ...]:
        return self.phase.stage.terms

    def _captures(self) -> tuple[Capture, Capture | None]:
        student = Capture(self.trainee, {term.student for term in self._terms})
        taps = {term.teacher for term in self._terms if term.teacher is not None}
        if not taps:
            return student, None
        return student, Capture(self._teacher_model(), taps)

    def _teacher_model(self) -> PreTrainedModel:
        model = self.work.teacher(self.phase.stage.data).to(self.work.device)
        half = self.phase.optimise.teacher_precision == "bf16"
        model = model.to(torch.bfloat16 if half else torch.float32)
        if model.training or any(parameter.requires_grad for parameter in model.parameters()):
            raise TrainingError(
                Problem(
                    f"the teacher of stage {self.phase.stage.name!r}",
                    "it is in training mode or its parameters ask for gradients",
                    "a frozen teacher in evaluation mode, so that its targets carry no dropout",
                )
            )
        return model

    def _teacher_config(self) -> int:
        return int(self.work.teacher(self.phase.stage.data).config.hidden_size)

    def _look(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        losses = {name: float(value) for name, value in values.items()}
        broken = [name for name, value in losses.items() if not math.isfinite(value)]
        if broken:
            raise TrainingError(
                Problem(
                    f"stage {self.phase.stage.name!r}, step {self.done} of {self.steps}",
                    f"the loss of {', '.join(broken)} is not finite",
                    "finite losses",
                    "lower learning_rate, state a clip, or use precision: fp32",
                )
            )
        self.work.journal.progress(self.phase.stage.name, self.done, self.steps, losses)
        return losses

    def _add_up(self, values: Mapping[str, Tensor]) -> None:
        rule = self.phase.stage.leave
        if rule is not None:
            self.sums[rule.term] = self.sums.get(rule.term, 0.0) + values[rule.term].double()

    def _may_leave(self) -> bool:
        rule = self.phase.stage.leave
        if rule is None:
            return False
        steps = min(self.done, self.feed.batches_per_epoch)
        return float(self.sums[rule.term]) / steps < rule.threshold

    def _save_if_due(self) -> None:
        if self.work.scratch is None or not self.work.scratch.due() or self.done >= self.steps:
            return
        sums = {name: float(value) for name, value in self.sums.items()}
        place = Place(self.number, self.done, sums)
        self.work.scratch.save(place, self._modules(), self.optimiser)

    def _modules(self) -> dict[str, nn.Module]:
        return {"trainee": self.trainee, "projections": self.projections}


def _cut(batch: Batch, parts: int) -> list[Batch]:
    if parts == 1:
        return [batch]
    size = -(-len(batch.input_ids) // parts)
    return [
        replace(
            batch,
            input_ids=batch.input_ids[start : start + size],
            attention_mask=batch.attention_mask[start : start + size],
            token_type_ids=batch.token_type_ids[start : start + size],
            labels=batch.labels[start : start + size],
            answerable=None if batch.answerable is None else batch.answerable[start : start + size],
            rows=batch.rows[start : start + size],
        )
        for start in range(0, len(batch.input_ids), size)
    ]


def _freeze(trainee: PreTrainedModel, stage: Stage) -> None:
    for part in stage.frozen:
        for parameter in part_parameters(trainee, part):
            parameter.requires_grad_(False)


def _set_dropout(model: nn.Module, rate: float | None) -> None:
    if rate is None:
        return
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate


def _projections(
    terms: Sequence[Term], trainee: PreTrainedModel, teacher_width: Callable[[], int]
) -> nn.ModuleDict:
    names = {term.project for term in terms if term.project is not None}
    width = int(trainee.config.hidden_size) if names else 0
    return nn.ModuleDict({name: nn.Linear(width, teacher_width()) for name in sorted(names)})
