"""What a training script holds whichever library it calls: rows, padding, optimiser, loss."""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax
from torch.nn.utils.rnn import pad_sequence
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedModel

from benchmarks.work import SOFT_WEIGHT, TEMPERATURE, Workload
from zoo.spec.optimise import Optimise

Row = Mapping[str, Tensor]
"""`input_ids`, `token_type_ids` and `labels` of one example."""
Columns = dict[str, Tensor]
"""The same of a batch, padded, and the `attention_mask`."""


class Rows(Dataset[Row]):
    """The tokenised rows of a workload, made tensors once."""

    def __init__(self, work: Workload) -> None:
        examples = work.encoded.split.examples
        self._rows = [
            {
                "input_ids": torch.tensor(feature.input_ids),
                "token_type_ids": torch.tensor(feature.token_type_ids),
                "labels": torch.tensor(examples[feature.example].label),
            }
            for feature in work.encoded.features
        ]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Row:
        return self._rows[index]


def collate(rows: Sequence[Row], pad_id: int, length: int | None) -> Columns:
    """A batch of rows, padded to the longest of them or to `length`."""
    ids = [row["input_ids"] for row in rows]
    batch = {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad_id),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
        "token_type_ids": pad_sequence([row["token_type_ids"] for row in rows], batch_first=True),
    }
    if length is not None:
        missing = length - batch["input_ids"].shape[1]
        fill = {"input_ids": pad_id}
        batch = {
            name: nn.functional.pad(value, (0, missing), value=fill.get(name, 0))
            for name, value in batch.items()
        }
    return {**batch, "labels": torch.stack([row["labels"] for row in rows])}


def collator(work: Workload, length: int | None = None) -> Callable[[Sequence[Row]], Columns]:
    """`collate` for the rows of a workload."""
    return partial(collate, pad_id=work.encoded.pad_id, length=length)


def loader(work: Workload, length: int | None = None) -> DataLoader[Row]:
    """The usual loader, in this process."""
    return DataLoader(
        Rows(work),
        batch_size=work.optimise.batch_size,
        shuffle=work.shuffled,
        collate_fn=collator(work, length),
    )


def models(work: Workload) -> tuple[PreTrainedModel, PreTrainedModel]:
    """Copies of the teacher, in its precision, and of the student, in training mode."""
    teacher, student = copy.deepcopy(work.teacher), copy.deepcopy(work.student)
    if work.optimise.teacher_precision == "bf16":
        teacher = teacher.to(torch.bfloat16)
    if work.optimise.dropout is not None:
        for module in student.modules():
            if isinstance(module, nn.Dropout):
                module.p = work.optimise.dropout
    return teacher.eval(), student.train()


def adamw(model: nn.Module, optimise: Optimise) -> AdamW:
    """AdamW in its fused form; biases and layer norms do not decay."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups = [
        {"params": matrices, "weight_decay": optimise.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=optimise.learning_rate, eps=optimise.epsilon, fused=True)


def linear_decay(optimizer: AdamW, steps: int) -> LambdaLR:
    """From the learning rate to 0; the argument is named as libraries name it."""
    return LambdaLR(optimizer, lambda step: (steps - step) / steps)


def kd_loss(logits: Tensor, wanted: Tensor, labels: Tensor) -> Tensor:
    """Hard labels, and the teacher's softened ones."""
    soft = kl_div(
        log_softmax(logits.float() / TEMPERATURE, dim=-1),
        log_softmax(wanted.float() / TEMPERATURE, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
    hard = cross_entropy(logits.float(), labels)
    return (1 - SOFT_WEIGHT) * hard + SOFT_WEIGHT * TEMPERATURE**2 * soft
