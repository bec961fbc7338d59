"""The training of one student: its phases one after the other, resumed where they stood."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from zoo.distil.stage import Data
from zoo.records.training import PhaseRecord
from zoo.training.phase import History, PhaseRun, Start, Work, closed, opened
from zoo.training.resume import Place
from zoo.training.trainee import make_projections

__all__ = ["Outcome", "Work", "train"]


@dataclass(frozen=True)
class Outcome:
    """What a training left: the model, how its phases went, and the seconds of all attempts."""

    model: PreTrainedModel
    phases: Sequence[PhaseRecord]
    seconds: float


def train(work: Work) -> Outcome:
    """Run all phases, from the start or from where an interrupted attempt stood.

    The scratch keeps the final state until its owner clears it, so that nothing is lost between
    the last step and a saved checkpoint.

    Raises:
        TrainingError: a loss is not finite, a capture is empty, or a teacher would be trained.
    """
    torch.manual_seed(work.seed)
    saved = work.scratch.place() if work.scratch else None
    behind = len(saved.finished) if saved else 0
    history = History.after(saved or Place())
    start = Start(work.student.to(work.device), _projections(work))
    for phase in work.phases[:behind]:
        # Its weights are inside the saved state; opening and closing rebuilds the structure.
        start.student = closed(phase, opened(work, phase, start.student))
    for phase in work.phases[behind:]:
        run = PhaseRun(work, phase, start, history)
        if saved is not None and len(history.finished) == behind:
            run.restore(saved)
        history.finished.append(run.run())
        start = Start(run.student, start.projections, run.optimiser)
    if work.scratch is not None and behind == len(work.phases):
        work.scratch.restore({"trainee": start.student}, None)
    elif work.scratch is not None:
        work.scratch.save(history.place(), {"trainee": start.student}, None)
    return Outcome(start.student.eval(), tuple(history.finished), history.seconds)


def _projections(work: Work) -> nn.ModuleDict:
    def teacher_width(data: Data) -> int:
        return int(work.teacher(data).config.hidden_size)

    stages = [phase.stage for phase in work.phases]
    width = int(work.student.config.hidden_size)
    return make_projections(stages, width, teacher_width).to(work.device)
