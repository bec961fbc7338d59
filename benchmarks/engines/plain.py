"""A plain PyTorch loop, as papers release it."""

from pathlib import Path

import torch
from transformers import PreTrainedModel

from benchmarks.engines import Training
from benchmarks.script import adamw, kd_loss, linear_decay, loader, models
from benchmarks.work import MAX_LENGTH, Workload


def prepare(work: Workload, _folder: Path, *, padded: bool = False) -> Training:
    """A loop over batches padded to their longest row, or all to the maximum length."""
    teacher, student = models(work)
    batches = loader(work, MAX_LENGTH if padded else None)
    optimiser = adamw(student, work.optimise)
    schedule = linear_decay(optimiser, work.steps)
    bf16 = work.optimise.precision == "bf16"

    def training() -> PreTrainedModel:
        for _ in range(work.steps // work.steps_per_epoch):
            for batch in batches:
                labels = batch.pop("labels")
                with torch.no_grad():
                    wanted = teacher(**batch).logits
                with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    logits = student(**batch).logits
                kd_loss(logits, wanted, labels).backward()
                torch.nn.utils.clip_grad_norm_(student.parameters(), work.optimise.clip)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad()
        return student

    return training
