"""TextBrewer's BasicDistiller, whose teacher's logits can be kept in memory after the first pass.

The batches are then kept too: every epoch has the same ones, in another order.
"""

import random
from itertools import count
from pathlib import Path
from typing import Any

from textbrewer import BasicDistiller, DistillationConfig, TrainingConfig
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from benchmarks.engines import Training
from benchmarks.script import adamw, linear_decay, loader, models
from benchmarks.work import SOFT_WEIGHT, TEMPERATURE, Workload


def _of_student(batch: dict[str, Tensor], outputs: Any) -> dict[str, Tensor]:
    return {"logits": outputs.logits, "losses": cross_entropy(outputs.logits, batch["labels"])}


def _of_teacher(_batch: dict[str, Tensor], outputs: Any) -> dict[str, Tensor]:
    return {"logits": outputs.logits}


def prepare(work: Workload, folder: Path, *, cached: bool = False) -> Training:
    """A distiller that writes no log; it saves the student once, at the end."""
    teacher, student = models(work)
    epochs = work.steps // work.steps_per_epoch
    distiller = BasicDistiller(
        TrainingConfig(output_dir=str(folder), device="cpu", ckpt_epoch_frequency=epochs),
        DistillationConfig(
            temperature=TEMPERATURE,
            hard_label_weight=1 - SOFT_WEIGHT,
            # Its soft loss is not scaled by the square of the temperature.
            kd_loss_weight=SOFT_WEIGHT * TEMPERATURE**2,
            is_caching_logits=cached,
        ),
        teacher,
        student,
        _of_teacher,
        _of_student,
    )
    batches, optimiser = loader(work), adamw(student, work.optimise)

    def training() -> PreTrainedModel:
        if not work.shuffled:
            random.seed(_seed_that_keeps(work.steps_per_epoch))
        with distiller:
            distiller.train(
                optimiser,
                batches,
                num_epochs=epochs,
                scheduler_class=linear_decay,
                scheduler_args={"steps": work.steps},
                max_grad_norm=work.optimise.clip,
            )
        return student

    return training


def _seed_that_keeps(batches: int) -> int:
    """A seed whose first shuffle of this few batches leaves them as they are."""
    order = list(range(batches))
    for seed in count():
        shuffled = order.copy()
        random.Random(seed).shuffle(shuffled)  # noqa: S311
        if shuffled == order:
            return seed
    raise AssertionError
