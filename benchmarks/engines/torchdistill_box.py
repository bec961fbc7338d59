"""torchdistill's distillation box with its KDLoss, in the loop that its examples write."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW
from torch.utils.data import RandomSampler, SequentialSampler
from torchdistill.core.distillation import DistillationBox
from torchdistill.datasets.registry import register_collate_func
from torchdistill.losses import mid_level  # noqa: F401  (registers KDLoss)
from torchdistill.optim.registry import register_optimizer, register_scheduler
from transformers import PreTrainedModel

from benchmarks.engines import Training
from benchmarks.script import Columns, Row, Rows, adamw, collator, linear_decay, models
from benchmarks.work import SOFT_WEIGHT, TEMPERATURE, Workload


def prepare(work: Workload, _folder: Path) -> Training:
    """A box with one stage; the learning rate is scheduled by steps."""
    # `models` leaves the teacher in evaluation mode: the box itself never does that.
    teacher, student = models(work)
    _register(work)
    cpu = torch.device("cpu")
    box = DistillationBox(
        teacher, student, {"rows": Rows(work)}, _configuration(work), cpu, None, False, 1
    )
    bf16 = work.optimise.precision == "bf16"

    def training() -> PreTrainedModel:
        for epoch in range(box.num_epochs):
            box.pre_epoch_process(epoch=epoch)
            for batch, labels in box.train_data_loader:
                box.pre_forward_process()
                # Its accelerator hook reads an attribute that accelerate no longer has.
                with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    loss = box.forward_process(batch, labels)
                box.post_forward_process(loss)
            box.post_epoch_process()
        return student

    return training


def _configuration(work: Workload) -> dict[str, Any]:
    place = {
        "forward_proc": "forward_batch_only_as_kwargs",
        "forward_hook": {"output": ["classifier"]},
    }
    logits = {
        f"{side}_module_{what}": value
        for side in ("student", "teacher")
        for what, value in (("path", "classifier"), ("io", "output"))
    }
    loss = {**logits, "temperature": TEMPERATURE, "alpha": 1 - SOFT_WEIGHT, "beta": SOFT_WEIGHT}
    sampler = RandomSampler if work.shuffled else SequentialSampler
    return {
        "num_epochs": work.steps // work.steps_per_epoch,
        "train_data_loader": {
            "dataset_id": "rows",
            "requires_supp": False,
            "sampler": {"class_or_func": sampler},
            "collate_fn": "benchmark_rows",
            "kwargs": {"batch_size": work.optimise.batch_size},
        },
        "teacher": {**place, "requires_grad": False},
        "student": place,
        "criterion": {
            "key": "WeightedSumLoss",
            "kwargs": {
                "sub_terms": {"kd": {"criterion": {"key": "KDLoss", "kwargs": loss}, "weight": 1}}
            },
        },
        "optimizer": {
            "key": "benchmark_adamw",
            "kwargs": {},
            "filters_params": False,
            "max_grad_norm": work.optimise.clip,
        },
        "scheduler": {
            "key": "benchmark_decay",
            "kwargs": {"steps": work.steps},
            "scheduling_step": 1,
        },
    }


def _register(work: Workload) -> None:
    """What its configuration refers to by name."""
    padded = collator(work)

    @register_collate_func(key="benchmark_rows")
    def with_labels_apart(rows: list[Row]) -> tuple[Columns, torch.Tensor]:
        batch = padded(rows)
        return batch, batch.pop("labels")

    @register_optimizer(key="benchmark_adamw")
    def optimiser(trained: nn.ModuleList) -> AdamW:
        return adamw(trained, work.optimise)

    register_scheduler(key="benchmark_decay")(linear_decay)
