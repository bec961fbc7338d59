"""One phase of a training: the same few lines for every method.

A step is: teacher (no gradient) -> student -> terms -> backward -> clip -> surgery's edit ->
optimiser. Nothing here knows a method; what differs stands in the stage's table of terms.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from signal import Signals

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from transformers import PreTrainedModel

from zoo.data.batches import Feed
from zoo.distil.stage import Data
from zoo.distil.surgery import Seat, StageProgress
from zoo.errors import Problem, TrainingError
from zoo.models.capture import Capture, Captured
from zoo.records.training import ClosingRecord, PhaseRecord
from zoo.resolve.plan import Phase
from zoo.signals import Stopped, StopRequest, postponed
from zoo.tensors.batch import Batch
from zoo.training.ahead import at_hand
from zoo.training.closing import HELD, mean_of_held, told
from zoo.training.finite import Broken, FiniteWatch, not_finite, rows_at_fault
from zoo.training.group import ProcessGroup, TermLoss, whole_loss
from zoo.training.history import History
from zoo.training.journal import Journal
from zoo.training.optimiser import carry_moments, clip_gradients, make_optimiser
from zoo.training.read_rows import carried, follow, narrow, read_pieces, widen
from zoo.training.resume import Saved, Scratch
from zoo.training.targets import Targets, TargetSource, live
from zoo.training.trainee import draw_cheaply, freeze, part_paces, set_dropout
from zoo.training.words import WordModel, reads_words, tap_on, word_value

LOOKS_PER_PHASE = 50
"""How often a phase looks at its losses: each look waits for the device."""


@dataclass
class Work:
    """Everything a training needs; `teacher` is asked for only by stages that look at one.

    `targets` decides where what the terms read of it comes from.
    `projections` are those that an earlier training of the student learnt, as it left them.
    """

    phases: Sequence[Phase]
    student: PreTrainedModel
    teacher: Callable[[Data], PreTrainedModel]
    feed: Callable[[Phase], Feed]
    seed: int
    journal: Journal
    scratch: Scratch | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    projections: Mapping[str, Tensor] = field(default_factory=dict)
    group: ProcessGroup = field(default_factory=ProcessGroup)
    targets: TargetSource = live


def opened(work: Work, phase: Phase, student: PreTrainedModel) -> PreTrainedModel:
    """The model that a phase trains, made of the one before by the stage's surgery."""
    return phase.stage.surgery.open(Seat(student, lambda: _teacher(work, phase)))


def closed(phase: Phase, trainee: PreTrainedModel) -> PreTrainedModel:
    """The plain model that a phase leaves behind, all of it trainable again."""
    return phase.stage.surgery.close(trainee).requires_grad_(requires_grad=True)


@dataclass
class PhaseStart:
    """What a phase begins with: the student, the projections, and the optimiser before it."""

    student: PreTrainedModel
    projections: nn.ModuleDict
    optimiser: AdamW | None = None


class PhaseRun:
    """One phase under way."""

    def __init__(
        self,
        work: Work,
        phase: Phase,
        start: PhaseStart,
        history: History,
    ) -> None:
        stage, optimise = phase.stage, phase.optimise
        self._group = work.group
        with self._group.in_turn():
            self._feed = at_hand(work.feed(phase), work.device, work.group)
            behind = carried(work.phases[: len(history.finished) + 1])
            read = read_pieces(chain([self._feed], map(work.feed, behind)))
        self._budget = phase.budget(self._feed.batches_per_epoch)
        self._steps = self._budget.steps
        with told(stage.name):
            self._surgery = stage.surgery.within(self._budget)
        self._work, self._phase, self._history = work, phase, history
        after = work.phases[len(history.finished) + 1 :]
        self._is_last = not after
        self._is_carried_on = any(each.stage.optimiser == "carry" for each in after[:1])
        self._trainee = opened(work, phase, start.student).train()
        freeze(self._trainee, stage)
        set_dropout(self._trainee, optimise.dropout)
        draw_cheaply(self._trainee)
        moments = start.optimiser if stage.optimiser == "carry" else None
        narrow(self._trainee, read, moments)
        self._projections = start.projections
        self.optimiser = make_optimiser(self._trained(), optimise)
        follow(self._trainee, self.optimiser)
        if moments is not None:
            self.optimiser = carry_moments(self.optimiser, moments)
        # A stage reads on where those before it stopped: two half epochs read the two halves.
        self._first = round(history.passes(work.phases, stage.data) * self._feed.batches_per_epoch)
        self._watch = FiniteWatch(self.optimiser, work.device)
        self._done = 0
        self._left: str | None = None
        self._looked_at: dict[str, float] = {}
        self._epoch_sum = torch.zeros((), dtype=torch.float64, device=work.device)

    def restore(self, saved: Saved) -> None:
        """Go on from a saved place."""
        saved.restore(self._modules, self.optimiser)
        place = saved.place
        self._done, self._left, self._looked_at = place.step, place.left, dict(place.losses)
        self._epoch_sum += place.epoch_sum

    def run(self) -> PhaseRecord:
        """All steps that are left, or fewer when the stage may be left early.

        Raises:
            Stopped: a signal came; the step under way is done, and the state is saved.
        """
        with ExitStack() as hooks:
            hooks.callback(widen, self._trainee, self.optimiser if self._is_carried_on else None)
            if self._left is None:
                student, teacher = self._captures(hooks, self._trainee)
                # Nowhere else is anything lost by leaving at once.
                with postponed() as asked:
                    while self._left is None:
                        values = self._step(student, teacher)
                        self._after_step(values, asked)
        return PhaseRecord(
            name=self._phase.stage.name,
            steps=self._done,
            left=self._left,
            passes=self._done / self._feed.batches_per_epoch,
            losses=self._looked_at,
            report=self._surgery.report(self._trainee),
            closing=self._close(),
        )

    def _after_step(self, values: Mapping[str, Tensor], asked: StopRequest) -> None:
        """Count a step; look at it, save and leave where it is time to."""
        self._done += 1
        self._left = self._reason_to_end(values)
        if self._left or self._done % max(1, self._steps // LOOKS_PER_PHASE) == 0:
            self._refuse(self._watch.settled())
            self._looked_at = {name: float(value) for name, value in values.items()}
            self._tell(self._looked_at)
        # Asked once: a signal that comes from here on waits for the next step. Of several processes
        # all leave at the same step, whichever the signal reached by then.
        number, scratch = self._group.agreed(int(asked.by or 0)), self._work.scratch
        stopped_by = Signals(number) if number else None
        # What the last phase leaves is saved as soon as it is closed.
        ends = self._left and not self._is_last
        if scratch is not None and (ends or stopped_by or scratch.due()):
            self._save(scratch)
        if stopped_by:
            raise Stopped(stopped_by, self._at(self._done))

    def _close(self) -> ClosingRecord | None:
        """Leave the plain model as `student`, and look at what that costs, if it costs anything."""
        with told(self._phase.stage.name):
            seam = self._surgery.seam(self._trainee)
        before = self._held(self._trainee) if seam else {}
        self.student = closed(self._phase, self._trainee)
        after = self._held(self.student) if seam else {}
        return seam and ClosingRecord(**seam._asdict(), before=before, after=after)

    @torch.no_grad()
    def _held(self, model: PreTrainedModel) -> dict[str, float]:
        """Each term's mean over the batches that would come next, without dropout."""
        ahead, parts = self._first + self._done, self._phase.optimise.accumulate
        terms, alone = self._phase.stage.terms, ProcessGroup()
        with ExitStack() as hooks:
            sides = self._captures(hooks, model.eval())
            return mean_of_held(
                share.weighted(terms, self._losses(share.batch.to(self._work.device), *sides))
                for number in range(HELD)
                for share in alone.shares(self._feed.batch(ahead + number), parts)
            )

    def _captures(self, hooks: ExitStack, model: PreTrainedModel) -> tuple[Capture, Targets | None]:
        phase, terms = self._phase, self._phase.stage.terms
        taps = {tap_on(model, term.student, phase.stage) for term in terms}
        student = hooks.enter_context(Capture(model, taps))
        if all(term.teacher is None for term in terms):
            return student, None
        targets = self._work.targets(phase, lambda: _teacher(self._work, phase))
        return student, hooks.enter_context(targets)

    def _step(self, student: Capture, teacher: Targets | None) -> dict[str, Tensor]:
        optimise, step = self._phase.optimise, self._done + 1
        self._group.seed(self._work.seed, len(self._history.finished), step)
        rate = self._budget.rate(step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["pace"]
        self.optimiser.zero_grad(set_to_none=True)
        progress = StageProgress(step, self._steps)
        totals: dict[str, Tensor] = {}
        batch, terms = self._feed.batch(self._first + self._done), self._phase.stage.terms
        for share in self._group.shares(batch, optimise.accumulate):
            losses = self._losses(share.batch.to(self._work.device), student, teacher, share.loss)
            values = share.weighted(terms, losses)
            weighted = [term.weight_at(progress.fraction) * values[term.name] for term in terms]
            # Part by part, as the graphs of all parts would not fit in memory together.
            torch.stack(weighted).sum().backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
            for name, value in values.items():
                totals[name] = totals.get(name, 0.0) + value.detach()
        totals = self._group.summed(totals)
        self._group.sum_gradients(self.optimiser)
        self._refuse(self._watch.look(step, totals))
        # First the clip: a pull on pruned entries would count in the norm and shrink all the rest.
        clip_gradients(self.optimiser, optimise.clip)
        self._surgery.edit(self._trainee, self.optimiser, progress)
        self.optimiser.step()
        return totals

    def _losses(
        self,
        batch: Batch,
        student: Capture,
        teacher: Targets | None,
        loss: TermLoss = whole_loss,
    ) -> dict[str, Tensor]:
        targets: Captured = {}
        if teacher is not None:
            with torch.no_grad():
                targets = teacher(batch)
        bf16 = self._phase.optimise.precision == "bf16"
        with torch.autocast(self._work.device.type, torch.bfloat16, enabled=bf16):
            seen = student(batch)
            projected = {
                term.name: self._projections[term.project](seen[term.student])
                for term in self._phase.stage.terms
                if term.project
            }
        # Outside of autocast: a loss decides on its precision itself.
        values = {}
        for term in self._phase.stage.terms:
            if reads_words(term.student, self._phase.stage):
                spoken = WordModel.of(student.model, seen)
                asked = teacher.model if teacher and term.teacher else None
                taught = WordModel.of(asked, targets) if asked else None
                values[term.name] = word_value(term, batch, spoken, taught, bf16=bf16)
                continue
            place = projected.get(term.name, seen[term.student])
            target = targets[term.teacher] if term.teacher else batch.labels
            values[term.name] = loss(term, place, target, batch)
        return values

    def _reason_to_end(self, values: Mapping[str, Tensor]) -> str | None:
        """Why the phase ends after this step; early-exit rules are checked at an epoch's end."""
        rule, epoch = self._phase.stage.leave, self._feed.batches_per_epoch
        if rule is not None:
            # Summed on the device: reading a number at every step would wait for it.
            self._epoch_sum += values[rule.term]
            if self._done % epoch == 0:
                mean = float(self._epoch_sum) / epoch
                self._epoch_sum.zero_()
                if mean < rule.threshold:
                    return f"{rule.term} fell below {rule.threshold}"
        return "step budget exhausted" if self._done == self._steps else None

    def _refuse(self, broken: Broken | None) -> None:
        """Stop at losses that are not finite.

        Raises:
            TrainingError: names the step, the terms and the rows of its batch.
        """
        if broken is None:
            return
        batch = self._feed.batch(self._first + broken.step - 1)
        terms = [term for term in self._phase.stage.terms if term.name in broken.terms]
        with ExitStack() as hooks:
            sides = self._captures(hooks, self._trainee)
            found = rows_at_fault(
                batch, terms, lambda part: self._losses(part.to(self._work.device), *sides)
            )
        raise not_finite(self._at(broken.step), broken.terms, found)

    def _at(self, step: int) -> str:
        return f"stage {self._phase.stage.name!r}, step {step} of {self._steps}"

    def _tell(self, losses: Mapping[str, float]) -> None:
        self._work.journal.progress(self._phase.stage.name, self._done, self._steps, losses)

    def _save(self, scratch: Scratch) -> None:
        # A state that is broken already would be resumed into the same error for ever.
        self._refuse(self._watch.settled())
        place = self._history.place(
            step=self._done,
            left=self._left,
            losses=self._looked_at,
            epoch_sum=float(self._epoch_sum),
        )
        scratch.save(place, self._modules, self.optimiser)

    @property
    def _modules(self) -> dict[str, nn.Module]:
        return {"trainee": self._trainee, "projections": self._projections}

    def _trained(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Every parameter of this phase, with the pace of its learning rate."""
        paces = part_paces(self._trainee, self._phase.stage)
        for name, parameter in self._trainee.named_parameters():
            yield parameter, self._surgery.pace(name) * paces.get(id(parameter), 1.0)
        for name in sorted({term.project for term in self._phase.stage.terms if term.project}):
            yield from ((parameter, 1.0) for parameter in self._projections[name].parameters())


def _teacher(work: Work, phase: Phase) -> PreTrainedModel:
    model = work.teacher(phase.stage.data).to(work.device)
    if model.training or any(parameter.requires_grad for parameter in model.parameters()):
        raise TrainingError(
            Problem(
                f"the teacher of stage {phase.stage.name!r}",
                "it is in training mode or its parameters require gradients",
                "a frozen teacher in evaluation mode, so that its targets have no dropout",
            )
        )
    return model
