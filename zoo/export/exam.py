"""What a model and its file are both asked: real examples, in batches of many shapes."""

from dataclasses import dataclass, replace
from itertools import cycle, zip_longest

from transformers import PreTrainedTokenizerBase

from zoo.data.batches import Encoded, collate, encode
from zoo.data.examples import Split
from zoo.data.sources import load_evaluation
from zoo.errors import ExportError, Problem
from zoo.losses.batch import Batch
from zoo.spec.data import TaskSettings
from zoo.spec.measuring import Measured
from zoo.spec.task import TASKS

BATCH_SIZES = (1, 2, 3, 5, 8, 16)
"""Sizes that take turns, so that no two of the first batches can be of one shape."""
SHAPES = 5
"""Fewest shapes that show that neither batch nor length was frozen into a graph."""
SMALL_SPLIT = sum(BATCH_SIZES[:SHAPES])
"""Fewer sequences than this may not fill so many batches."""


@dataclass(frozen=True)
class Exam:
    """Encoded examples, how they are decoded, and the batches that they are asked in."""

    encoded: Encoded
    settings: TaskSettings
    batches: tuple[Batch, ...]
    whole: bool = True
    """Whether the split holds no further examples."""

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The (batch, length) of the batches, each once, in order."""
        sizes = [tuple(batch.input_ids.shape) for batch in self.batches]
        return tuple(dict.fromkeys((rows, length) for rows, length in sizes))

    @property
    def padded(self) -> bool:
        """Whether any sequence is padded."""
        return any(not bool(batch.real.all()) for batch in self.batches)


def load_exam(run: Measured, tokenizer: PreTrainedTokenizerBase, examples: int) -> Exam:
    """The first `examples` of the first scored split of a run's task.

    One more is loaded, to tell a split that ends there from one that is cut.
    """
    task = TASKS[run.task]
    most = min(examples + 1, run.settings.dev or examples + 1)
    settings = run.settings.model_copy(update={"dev": most})
    split: Split = next(iter(load_evaluation(task, settings, run.data).values()))
    whole = len(split.examples) <= examples
    split = replace(split, examples=split.examples[:examples])
    return exam_of(encode(task, split, settings, tokenizer), settings, whole=whole)


def exam_of(encoded: Encoded, settings: TaskSettings, *, whole: bool = True) -> Exam:
    """All sequences of `encoded`, short and long ones in one batch, sizes taking turns."""
    lengths = [len(feature.input_ids) for feature in encoded.features]
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    middle = len(order) // 2
    mixed = [
        row
        for pair in zip_longest(order[:middle], reversed(order[middle:]))
        for row in pair
        if row is not None
    ]
    batches, sizes = [], cycle(BATCH_SIZES)
    while mixed:
        size = next(sizes)
        batches.append(collate(encoded, mixed[:size]))
        mixed = mixed[size:]
    return Exam(encoded, settings, tuple(batches), whole)


def require_varied(exam: Exam, where: str) -> None:
    """Let an exam pass that can find a frozen shape or a mask that is not read.

    A split that is wholly compared and holds fewer than `SMALL_SPLIT` sequences passes as it is.

    Raises:
        ExportError: fewer than `SHAPES` shapes, or no padding.
    """
    sequences = len(exam.encoded.features)
    if not sequences:
        raise ExportError(
            Problem(where, "compared on no example", "at least one", "compare on more examples")
        )
    if exam.whole and sequences < SMALL_SPLIT:
        return
    of = f"{sequences} sequences of {exam.encoded.task.name} {exam.encoded.split.name}"
    small = f"(a split of fewer than {SMALL_SPLIT} sequences is excused, if compared as a whole)"
    problems = []
    if len(exam.shapes) < SHAPES:
        given = f"compared in {len(exam.shapes)} shapes only, with {of}"
        allowed = f"at least {SHAPES} of batch x length {small}"
        problems.append(Problem(where, given, allowed, _REMEDY))
    if not exam.padded:
        given = f"compared without padding, with {of}, all of one length"
        problems.append(Problem(where, given, f"sequences of several lengths {small}", _REMEDY))
    if problems:
        raise ExportError(*problems)


_REMEDY = "state more examples under bench: export: examples"
