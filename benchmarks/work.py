"""The work that every engine is given: two models, tokenised rows, and how to train on them."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import BertTokenizerFast, PreTrainedModel

from zoo.data.batches import Encoded, encode
from zoo.data.examples import Split, TextExample
from zoo.data.sources import load_train
from zoo.data.windows import Feature
from zoo.models.build import Head, build
from zoo.spec.data import SuiteData, TaskSettings
from zoo.spec.optimise import Optimise
from zoo.spec.shape import Shape
from zoo.spec.task import TASKS

TEMPERATURE, SOFT_WEIGHT = 4.0, 0.7
"""Of the loss (1 - a) CE + a T^2 KL: T and a."""
BATCH_SIZE, MAX_LENGTH = 32, 128
VOCABULARY = 30_522
PAD_ID = 0


@dataclass(frozen=True)
class Workload:
    """One distillation; engines train copies, so that it serves all of them.

    The rows are read in their own order where it is not `shuffled`.
    """

    encoded: Encoded
    teacher: PreTrainedModel
    student: PreTrainedModel
    optimise: Optimise
    shuffled: bool = True

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one pass; the last may be smaller."""
        return -(-len(self.encoded.features) // self.optimise.batch_size)

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole training."""
        assert self.optimise.epochs is not None
        return round(self.optimise.epochs) * self.steps_per_epoch


def shape(layers: int, hidden: int, vocabulary: int = VOCABULARY) -> Shape:
    """A BERT of heads of 64 and an intermediate size of four times its width."""
    return Shape(
        layers=layers,
        hidden=hidden,
        heads=max(1, hidden // 64),
        intermediate=4 * hidden,
        vocabulary=vocabulary,
    )


def workload(
    encoded: Encoded, teacher: Shape, student: Shape, optimise: Optimise, *, shuffled: bool = True
) -> Workload:
    """A distillation between random weights: what is learnt does not change what it costs."""
    head = Head(encoded.task)
    frozen = build(teacher, head, seed=1).eval().requires_grad_(requires_grad=False)
    return Workload(encoded, frozen, build(student, head, seed=2), optimise, shuffled)


def optimisation(epochs: int, precision: str) -> Optimise:
    """BERT's usual fine-tuning; without warm-up, whose first step libraries count differently."""
    return Optimise.model_validate(
        {
            "epochs": epochs,
            "batch_size": BATCH_SIZE,
            "warmup": 0.0,
            "precision": precision,
            "teacher_precision": precision,
        }
    )


def random_rows(rows: int, shortest: int, longest: int, vocabulary: int = VOCABULARY) -> Encoded:
    """Rows of random tokens, of lengths between two bounds, and random labels."""
    task = TASKS["sst2"]
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(shortest, longest + 1, (rows,), generator=generator).tolist()
    labels = torch.randint(len(task.labels), (rows,), generator=generator).tolist()
    features = []
    for row, length in enumerate(lengths):
        ids = torch.randint(PAD_ID + 1, vocabulary, (length,), generator=generator).tolist()
        features.append(Feature(row, tuple(ids), (0,) * length))
    examples = [TextExample(str(row), "", None, label) for row, label in enumerate(labels)]
    return Encoded(task, Split("train", tuple(examples)), tuple(features), PAD_ID)


def text_rows(task: str, rows: int, vocabulary: Path) -> Encoded:
    """The first training rows of a task below `$ZOO_DATA`, in WordPieces of a vocabulary file.

    Raises:
        DataError: the task's file is missing or malformed.
    """
    settings = TaskSettings(train=rows, max_length=MAX_LENGTH)
    wanted = TASKS[task]
    split = load_train(wanted, settings, SuiteData().of(wanted))
    return encode(wanted, split, settings, BertTokenizerFast(vocab=str(vocabulary)))
