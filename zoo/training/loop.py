"""The training of one student: its phases in order, resumed where they stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from zoo.distil.stage import Data
from zoo.errors import Problem, TrainingError
from zoo.records.training import PhaseRecord
from zoo.training.history import History
from zoo.training.phase import PhaseRun, PhaseStart, Work, closed, opened
from zoo.training.projections import take_up
from zoo.training.resume import Place
from zoo.training.trainee import make_projections

__all__ = ["Outcome", "Work", "train"]


@dataclass(frozen=True)
class Outcome:
    """The result of a training: the model, how its phases went, and the seconds of all attempts.

    `projections` are what its terms learnt beside the model, as tensors on the CPU.
    """

    model: PreTrainedModel
    phases: Sequence[PhaseRecord]
    seconds: float
    projections: Mapping[str, Tensor] = field(default_factory=dict)


def no_teacher(_data: Data) -> PreTrainedModel:
    """The teacher of a work whose stages look at none."""
    message = "this training has no teacher"
    raise AssertionError(message)


def train_to_end(work: Work) -> Outcome:
    """Train, and close the journal in any case."""
    try:
        return train(work)
    finally:
        work.journal.close()


def train(work: Work) -> Outcome:
    """Run all phases, from the start or from where an interrupted attempt stood.

    The scratch keeps the final state until its owner clears it, so that nothing is lost between
    the last step and a saved checkpoint.

    Raises:
        TrainingError: a loss is not finite, a capture is empty, a teacher would be trained, or a
            stage does not fit its batches or its budget.
        Stopped: a signal came; the next call goes on where this one stood.
    """
    _refuse_misfits(work)
    # Dropout draws from the global generator: what ran before in this process must not count.
    torch.manual_seed(work.seed)
    # Read once the first process has come here: it alone may have waited for the folder.
    with work.group.in_turn():
        saved = work.scratch.saved() if work.scratch else None
    behind = len(saved.place.finished) if saved else 0
    history = History.after(saved.place if saved else Place())
    start = PhaseStart(work.student.to(work.device), _projections(work))
    for phase in work.phases[:behind]:
        # Its weights are inside the saved state; opening and closing rebuilds the structure.
        start.student = closed(phase, opened(work, phase, start.student))
    for phase in work.phases[behind:]:
        run = PhaseRun(work, phase, start, history)
        if saved is not None and len(history.finished) == behind:
            run.restore(saved)
        history.finished.append(run.run())
        start = PhaseStart(run.student, start.projections, run.optimiser)
    # All phases were behind already: killed after the last step, before its checkpoint was saved.
    if saved is not None and behind == len(work.phases):
        saved.restore(_left(start), None)
    elif work.scratch is not None:
        work.scratch.save(history.place(), _left(start), None)
    learnt = {name: value.cpu() for name, value in start.projections.state_dict().items()}
    return Outcome(start.student.eval(), tuple(history.finished), history.seconds, learnt)


def _refuse_misfits(work: Work) -> None:
    """Refuse before the first step what a spec's check could not know or did not see."""
    problems = []
    for phase in work.phases:
        stage, place = phase.stage, f"stage {phase.stage.name!r}"
        over = [term.name for term in stage.terms if term.over_samples]
        if over and phase.optimise.accumulate > 1:
            given = f"{' and '.join(over)} would only compare samples within a part of a batch"
            problems.append(Problem(place, given, "accumulate: 1"))
        if stage.leave is not None:
            epoch = work.feed(phase).batches_per_epoch
            steps = phase.budget(epoch).steps
            if steps <= epoch:
                given = (
                    f"{steps} steps end before the check whether {stage.leave.term} is below"
                    f" {stage.leave.threshold:g}, at the end of an epoch of {epoch}"
                )
                allowed = f"more than {epoch} steps"
                problems.append(
                    Problem(place, given, allowed, "set a longer budget, or no threshold")
                )
    if problems:
        raise TrainingError(*problems)


def _left(start: PhaseStart) -> dict[str, nn.Module]:
    return {"trainee": start.student, "projections": start.projections}


def _projections(work: Work) -> nn.ModuleDict:
    def teacher_width(data: Data) -> int:
        return int(work.teacher(data).config.hidden_size)

    stages = [phase.stage for phase in work.phases]
    width = int(work.student.config.hidden_size)
    made = make_projections(stages, width, teacher_width)
    take_up(made, work.projections)
    return made.to(work.device)
