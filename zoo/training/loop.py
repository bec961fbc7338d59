"""The training of one student: its phases one after the other, resumed where they stood."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.optim import AdamW
from transformers import PreTrainedModel

from zoo.records.records import PhaseRecord
from zoo.training.phase import History, PhaseRun, Work, opened
from zoo.training.resume import Place

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
    student = work.student.to(work.device)
    optimiser: AdamW | None = None
    for phase in work.phases[:behind]:
        # Its weights are inside the saved state; opening and closing rebuilds the structure.
        student = phase.stage.surgery.close(opened(work, phase, student))
    for phase in work.phases[behind:]:
        run = PhaseRun(work, phase, student, optimiser, history)
        if saved is not None and len(history.finished) == behind:
            run.restore(saved)
        history.finished.append(run.run())
        student, optimiser = run.close(), run.optimiser
    if work.scratch is not None and behind == len(work.phases):
        work.scratch.restore({"trainee": student}, None)
    elif work.scratch is not None:
        work.scratch.save(history.place(), {"trainee": student}, None)
    return Outcome(student.eval(), tuple(history.finished), history.seconds)
