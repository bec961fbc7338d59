"""Tiny models, generated data and short trainings, made in a moment."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from zoo.data import pocket
from zoo.data.batches import CorpusFeed, Encoded, Feed, TaskFeed, encode
from zoo.data.corpus import Blocks
from zoo.distil.stage import Data, Stage
from zoo.models.build import MASKED_LM, Head, build
from zoo.resolve.plan import Phase
from zoo.spec.corpus import PocketCorpus
from zoo.spec.data import DataSource, PocketData, TaskSettings
from zoo.spec.optimise import Optimise
from zoo.spec.recipe import Recipe, RunRecipe, TeacherRecipe
from zoo.spec.shape import Shape
from zoo.spec.task import TASKS
from zoo.spec.teacher import HubSource, Vocabulary
from zoo.tensors.batch import Batch, Layout
from zoo.training.corpus import corpus_blocks
from zoo.training.journal import Journal
from zoo.training.loop import Work
from zoo.training.resume import Scratch
from zoo.training.vocabulary import make_tokenizer

STUDENT = Shape(layers=2, hidden=32, heads=4, intermediate=64, vocabulary=600, positions=64)
TEACHER = STUDENT.model_copy(update={"layers": 4})
SETTINGS = TaskSettings(max_length=48, stride=16, max_query=16)
FAMILIES = ("bert", "roberta", "distilbert", "electra")


RECIPE = Recipe(
    teacher=TeacherRecipe(
        source=HubSource(id="someone/small", revision="a" * 40, shape=STUDENT),
        optimise=Optimise(epochs=1),
    )
)
"""A teacher's own entry."""


def run(
    task: str,
    seed: int = 1,
    settings: TaskSettings = SETTINGS,
    data: DataSource = PocketData(),  # noqa: B008  (it is frozen)
) -> RunRecipe:
    """A run that only has to be one: measured, exported or timed, never trained."""
    return RunRecipe(
        recipe=RECIPE, task=task, settings=settings, data=data, seed=seed, teacher_seed=1
    )


@cache
def tokenizer() -> PreTrainedTokenizerBase:
    """A whole-word tokenizer of the generated language."""
    documents = pocket.corpus(200, 0)
    return make_tokenizer(Vocabulary(kind="words"), STUDENT.vocabulary, documents, 64)


@cache
def encoded(task: str, examples: int = 32) -> Encoded:
    """The first training examples of a generated task, in pieces."""
    split = pocket.split(task, "train", examples, 0)
    return encode(TASKS[task], split, SETTINGS, tokenizer())


def blocks(folder: Path, length: int = 32) -> Blocks:
    """The generated corpus in blocks."""
    declared = PocketCorpus(documents=40, packing="blocks")
    made = corpus_blocks(declared, tokenizer(), folder, length=length, pair=True)
    assert isinstance(made, Blocks)
    return made


def model(shape: Shape = STUDENT, task: str | None = None, seed: int = 0) -> PreTrainedModel:
    """A random model, with weights and biases large enough to tell differences."""
    made = build(shape, Head(TASKS[task]) if task else MASKED_LM, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4.0)
            else:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return made


def frozen(made: PreTrainedModel) -> PreTrainedModel:
    """The model as a teacher."""
    return made.eval().requires_grad_(False)


def batch(layout: Layout = Layout.CLASSES, rows: int = 3, length: int = 7) -> Batch:
    """Random pieces; every row but the first is padded, each to another length."""
    generator = torch.Generator().manual_seed(rows * length)
    pieces = torch.randint(5, 300, (rows, length), generator=generator)
    real = torch.tensor([max(2, length - 2 * row) for row in range(rows)])
    mask = (torch.arange(length) < real[:, None]).long()
    segments = (torch.arange(length) >= real[:, None] // 2).long() * mask
    labels = torch.zeros(rows, dtype=torch.long)
    # 1 is RoBERTa's padding piece, which its positions depend on.
    return Batch(layout, torch.where(mask.bool(), pieces, 1), mask, segments, labels)


def generator(seed: int) -> torch.Generator:
    """Random numbers of one's own."""
    return torch.Generator().manual_seed(seed)


def weights(made: PreTrainedModel) -> dict[str, torch.Tensor]:
    """A copy of all its tensors."""
    return {name: tensor.clone() for name, tensor in made.state_dict().items()}


def same_weights(ours: PreTrainedModel, theirs: PreTrainedModel) -> bool:
    """Whether two models are equal bit for bit."""
    first, second = ours.state_dict(), theirs.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(tensor, second[name]) for name, tensor in first.items()
    )


class Stopped(Exception):  # noqa: N818  (it is no error: the test asked for it)
    """A training was killed on purpose."""


class StoppingJournal(Journal):
    """A journal that kills the training at its so-many-th step."""

    def __init__(self, path: Path, steps: int) -> None:
        super().__init__(path, quiet=True)
        self._left = steps

    def progress(self, label: str, step: int, steps: int, losses: dict[str, float]) -> None:
        """Count a step, and stop at the last."""
        super().progress(label, step, steps, losses)
        self._left -= 1
        if self._left == 0:
            raise Stopped


@dataclass
class Setup:
    """A short training that can be had again and again, each time from the same start."""

    folder: Path
    stages: tuple[Stage, ...]
    task: str = "sentiment"
    student_shape: Shape = STUDENT
    teacher_shape: Shape = TEACHER
    optimise: Optimise = field(
        default_factory=lambda: Optimise(steps=6, batch_size=8, learning_rate=1e-3, max_length=32)
    )
    examples: int = 32
    feeds: Callable[[Phase], Feed] | None = None
    teacher: PreTrainedModel = field(init=False)

    def __post_init__(self) -> None:
        self.teacher = frozen(model(self.teacher_shape, self.head, seed=7))

    @property
    def head(self) -> str | None:
        """The task, or None where the stages read a corpus."""
        return None if self.stages[0].data == "corpus" else self.task

    def feed(self, phase: Phase) -> Feed:
        """The batches of a phase."""
        if self.feeds is not None:
            return self.feeds(phase)
        size = phase.optimise.batch_size
        if phase.stage.data != "corpus":
            return TaskFeed(encoded(self.task, self.examples), size, 3)
        masking = (phase.stage.masking.fraction, phase.stage.masking.smoothing)
        return CorpusFeed(blocks(self.folder), tokenizer(), size, 3, masking)

    def work(self, *, stop_after: int | None = None, scratch: Scratch | None = None) -> Work:
        """The training, from its start; killed after so many looks if wanted."""
        path = self.folder / "journal.jsonl"
        journal = (
            Journal(path, quiet=True) if stop_after is None else StoppingJournal(path, stop_after)
        )
        return Work(
            phases=tuple(Phase(stage, self.optimise) for stage in self.stages),
            student=build_student(self),
            teacher=self._teacher,
            feed=self.feed,
            seed=5,
            journal=journal,
            scratch=scratch,
        )

    def _teacher(self, _data: Data) -> PreTrainedModel:
        return self.teacher


def build_student(setup: Setup) -> PreTrainedModel:
    """The student before training: its own random weights."""
    return model(setup.student_shape, setup.head, seed=1)
