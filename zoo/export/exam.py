"""What a model and its file are both asked: real examples, in batches of many shapes."""

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
"""Sizes that take turns, so that no two of the first batches can be of one shape."""
SHAPES = 5
"""Fewest shapes that show that neither batch nor length was frozen into a graph."""


@dataclass(frozen=True)
class Exam:
    """Encoded examples, how they are decoded, and the batches that they are asked in.

    `probes` are batches of cut copies, which only logits are compared on: they bring the shapes and
    the padding that the examples themselves lack.
    """

    encoded: Encoded
    settings: TaskSettings
    batches: tuple[Batch, ...]
    probes: tuple[Batch, ...] = ()

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The (batch, length) of batches and probes, each once, in order."""
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


def exam_of(encoded: Encoded, settings: TaskSettings) -> Exam:
    """All sequences of `encoded`, short and long ones in one batch, sizes taking turns.

    Few sequences, and those that are all of one length, as texts that are all cut to `max_length`,
    get probes beside them.
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
    """Batches of `SHAPES` sizes and, where sequences are long enough, as many lengths.

    The first row of a batch is the longest; whatever comes behind it is padded to it.
    """
    rows = cycle(sorted(range(len(encoded.features)), key=lambda row: -_length(encoded, row)))
    for place, size in enumerate(BATCH_SIZES[:SHAPES]):
        width = max(min(2, longest), longest - place * max(1, longest // (2 * SHAPES)))
        cuts = [max(1, width - number * max(1, width // size)) for number in range(size)]
        yield collate(_cut(encoded, cuts, rows), range(size))


def _cut(encoded: Encoded, lengths: Sequence[int], rows: Iterator[int]) -> Encoded:
    """Copies of the sequences at the next `rows`, each cut to the length asked for."""
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
    """Let an exam pass that can find a frozen shape or a mask that is not read.

    Raises:
        ExportError: no sequence, fewer than `SHAPES` shapes, or no padding.
    """
    sequences = len(exam.encoded.features)
    if not sequences:
        raise ExportError(
            Problem(where, "compared on no example", "at least one", "compare on more examples")
        )
    of = f"{sequences} sequences of {exam.encoded.task.name} {exam.encoded.split.name}"
    problems = []
    if len(exam.shapes) < SHAPES:
        given = f"compared in {len(exam.shapes)} shapes only, with {of}"
        problems.append(Problem(where, given, f"at least {SHAPES} of batch x length", _REMEDY))
    if not exam.padded:
        given = f"compared without padding, with {of}"
        problems.append(Problem(where, given, "sequences of several lengths", _REMEDY))
    if problems:
        raise ExportError(*problems)


_REMEDY = "compare on what `exam_of` makes of them"
