"""Hugging Face Trainer with the loss overridden, as its users distil with it."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainingArguments

from benchmarks.engines import Training
from benchmarks.script import Rows, collator, kd_loss, models
from benchmarks.work import Workload


class Distiller(Trainer):
    """A Trainer whose loss also looks at a teacher."""

    def __init__(self, teacher: PreTrainedModel, **everything: Any) -> None:
        super().__init__(**everything)
        self._teacher = teacher

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,  # noqa: FBT001  (as Trainer has it)
        num_items_in_batch: Tensor | None = None,  # noqa: ARG002
    ) -> Any:
        """The loss of one batch."""
        labels = inputs.pop("labels")
        # Outside of autocast: faster, as the teacher's weights are in its precision already.
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            wanted = self._teacher(**inputs).logits
        outputs = model(**inputs)
        loss = kd_loss(outputs.logits, wanted, labels)
        return (loss, outputs) if return_outputs else loss


def prepare(work: Workload, folder: Path, *, by_length: bool = False) -> Training:
    """Dynamic padding, rows drawn at random or grouped by length; nothing logged or saved."""
    teacher, student = models(work)
    order = "group_by_length" if by_length else "random"
    optimise = work.optimise
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        bf16=optimise.precision == "bf16",
        num_train_epochs=optimise.epochs,
        per_device_train_batch_size=optimise.batch_size,
        learning_rate=optimise.learning_rate,
        weight_decay=optimise.weight_decay,
        max_grad_norm=optimise.clip,
        train_sampling_strategy=order if work.shuffled else "sequential",
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Distiller(
        teacher,
        model=student,
        args=arguments,
        train_dataset=Rows(work),
        data_collator=collator(work),
    )
    trainer.remove_callback(PrinterCallback)

    def training() -> PreTrainedModel:
        trainer.train()
        return student

    return training
