"""Hugging Face Trainer with the loss overridden, as its users distil with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainingArguments
from transformers.trainer_pt_utils import get_length_grouped_indices

from benchmarks.engines import Training
from benchmarks.script import Rows, collator, kd_loss, models
from benchmarks.work import Workload

_POOL_BATCHES = 50
"""Batches that Trainer sorts together from 6,400 rows on. Of fewer rows it sorts smaller pools, and
a part of a task would stand for the whole less well than it can."""


class ByLength(Sampler[int]):
    """Trainer's order by length, as it is on a whole task."""

    def __init__(self, lengths: list[int], batch_size: int) -> None:
        self._lengths, self._batch_size = lengths, batch_size

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        order: list[int] = get_length_grouped_indices(
            self._lengths, self._batch_size, mega_batch_mult=_POOL_BATCHES
        )
        return iter(order)


class Distiller(Trainer):
    """A Trainer whose loss also looks at a teacher; `sampler` replaces the order it would draw."""

    def __init__(
        self, teacher: PreTrainedModel, sampler: Sampler[int] | None, **everything: Any
    ) -> None:
        super().__init__(**everything)
        self._teacher, self._sampler = teacher, sampler

    def _get_train_sampler(self, train_dataset: Dataset[Any] | None = None) -> Sampler[int] | None:
        drawn: Sampler[int] | None = super()._get_train_sampler(train_dataset)
        return drawn if self._sampler is None else self._sampler

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
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
    optimise, features = work.optimise, work.encoded.features
    lengths = [len(feature.input_ids) for feature in features]
    grouped = by_length and work.shuffled
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        bf16=optimise.precision == "bf16",
        num_train_epochs=optimise.epochs,
        per_device_train_batch_size=optimise.batch_size,
        learning_rate=optimise.learning_rate,
        weight_decay=optimise.weight_decay,
        max_grad_norm=optimise.clip,
        train_sampling_strategy="random" if work.shuffled else "sequential",
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Distiller(
        teacher,
        ByLength(lengths, optimise.batch_size) if grouped else None,
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
