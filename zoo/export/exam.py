"""Inputs for comparing a model with its file: real examples, in batches of many shapes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, zip_longest

from transformers import PreTrainedTokenizerBase

from zoo.data.batches import Encoded, collate, encode
from zoo.data.examples import Split
from zoo.data.sources import load_evaluation
from zoo.errors import ExportError, Problem
from zoo.spec.data import TaskSettings
from zoo.spec.recipe import RunRecipe
from zoo.tensors.batch import Batch

BATCH_SIZES = (1, 2, 3, 5, 8, 16)
"""Alternating batch sizes, so that no two of the first batches share a shape."""
SHAPES = 5
"""Minimum number of shapes to show that batch and length are dynamic in a graph."""


@dataclass(frozen=True)
class Exam:
    """Encoded examples, their decoding, and their batches.

    `probes` are batches of truncated copies, used to compare logits only: they provide the shapes
    and the padding that the examples lack.
    """

    encoded: Encoded
    settings: TaskSettings
    batches: tuple[Batch, ...]
    probes: tuple[Batch, ...] = ()

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The distinct (batch, length) of batches and probes, in order."""
        sizes = [tuple(batch.input_ids.shape) for batch in (*self.batches, *self.probes)]
        return tuple(dict.fromkeys((rows, length) for rows, length in sizes))

    @property
    def padded(self) -> bool:
        """Whether any sequence is padded."""
        return any(not bool(batch.real.all()) for batch in (*self.batches, *self.probes))


def load_exam(run: RunRecipe, tokenizer: PreTrainedTokenizerBase, examples: int) -> Exam:
    """The first `examples` of the first scored split of a run's task."""
    task = run.definition
    settings = run.settings.model_copy(update={"dev": min(examples, run.settings.dev or examples)})
    split: Split = next(iter(load_evaluation(task, settings, run.data).values()))
    return exam_of(encode(task, split, settings, tokenizer), settings)


def singly(encoded: Encoded, settings: TaskSettings) -> Exam:
    """All sequences of `encoded` one by one and unpadded, as a service meets them.

    What a dynamically scaled file answers to a sequence depends on the batch around it.
    """
    rows = range(len(encoded.features))
    return Exam(encoded, settings, tuple(collate(encoded, [row]) for row in rows))


def exam_of(encoded: Encoded, settings: TaskSettings) -> Exam:
    """All sequences of `encoded`, mixing short and long ones, in alternating batch sizes.

    Probes are added if there are few sequences or all have one length, e.g. if all are truncated to
    `max_length`.
    """
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
    exam = Exam(encoded, settings, tuple(batches))
    if lengths and not (exam.padded and len(exam.shapes) >= SHAPES):
        return replace(exam, probes=tuple(_probes(encoded, max(lengths))))
    return exam


def _probes(encoded: Encoded, longest: int) -> Iterator[Batch]:
    """Batches of `SHAPES` sizes and, if sequences are long enough, as many lengths.

    The first row of a batch is the longest; the others are padded to it.
    """
    rows = cycle(sorted(range(len(encoded.features)), key=lambda row: -_length(encoded, row)))
    for place, size in enumerate(BATCH_SIZES[:SHAPES]):
        width = max(min(2, longest), longest - place * max(1, longest // (2 * SHAPES)))
        cuts = [max(1, width - number * max(1, width // size)) for number in range(size)]
        yield collate(_cut(encoded, cuts, rows), range(size))


def _cut(encoded: Encoded, lengths: Sequence[int], rows: Iterator[int]) -> Encoded:
    """Copies of the sequences at the next `rows`, each truncated to the given length."""
    features = []
    for length, row in zip(lengths, rows, strict=False):
        whole = encoded.features[row]
        features.append(
            replace(
                whole,
                input_ids=whole.input_ids[:length],
                token_type_ids=whole.token_type_ids[:length],
                offsets=whole.offsets[:length],
                answerable=whole.answerable[:length],
            )
        )
    return replace(encoded, features=tuple(features))


def _length(encoded: Encoded, row: int) -> int:
    return len(encoded.features[row].input_ids)


def require_varied(exam: Exam, where: str) -> None:
    """Check that an exam can detect a frozen shape or an ignored mask.

    Raises:
        ExportError: no sequence, fewer than `SHAPES` shapes, or no padding.
    """
    sequences = len(exam.encoded.features)
    if not sequences:
        raise ExportError(
            Problem(where, "compared on no examples", "at least one", "compare on more examples")
        )
    of = f"{sequences} sequences of {exam.encoded.task.name} {exam.encoded.split.name}"
    problems = []
    if len(exam.shapes) < SHAPES:
        given = f"compared in only {len(exam.shapes)} shapes, with {of}"
        problems.append(Problem(where, given, f"at least {SHAPES} of batch x length", _REMEDY))
    if not exam.padded:
        given = f"compared without padding, with {of}"
        problems.append(Problem(where, given, "sequences of several lengths", _REMEDY))
    if problems:
        raise ExportError(*problems)


_REMEDY = "compare on what `exam_of` makes of them"
