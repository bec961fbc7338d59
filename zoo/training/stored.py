"""Targets from a store: a task's teacher reads every sequence once, and its answers are kept.

What is kept are the numbers that the live teacher gives, bit for bit. Where that is not so, or they
do not fit, the teacher runs on every batch (docs/decisions/0025-teacher-outputs-once.md).
"""

import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from torch import Tensor

from zoo.data.batches import Encoded, TaskFeed, collate
from zoo.disk import spared
from zoo.errors import Problem, UsageError, ZooError
from zoo.models.capture import Captured
from zoo.models.tap import LOGITS
from zoo.records.environment import processor
from zoo.resolve.plan import Phase
from zoo.spec.base import digest
from zoo.spec.shape import Shape
from zoo.tensors.batch import Batch
from zoo.training.device import device_name
from zoo.training.journal import Journal
from zoo.training.kept import FILL_ROWS, Kept, Sequences, parts_of
from zoo.training.targets import LoadTeacher, Targets, live, live_steady, steady_sources, taps_of
from zoo.training.teacher_store import KeptPart, TeacherStore, Writer

KEEPING = 1
"""Incremented when the same key stands for other numbers, so that old ones are not reused."""
GIB = 1 << 30
SPARE_BYTES = GIB
"""What a store leaves free on the disk."""
STORES = 8
"""How many stores of the largest size scratch may hold."""
TRIED_ALONE = 4
"""How many sequences are also read alone, to see whether their numbers stay the same."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def most_bytes() -> int:
    """How large the states of one store may be: `$ZOO_TARGETS_GIB`, 1 GiB if unset.

    Raises:
        UsageError: it is not a size.
    """
    named = os.environ.get("ZOO_TARGETS_GIB", "").strip() or "1"
    try:
        size = float(named)
    except ValueError:
        size = math.nan
    if not 0 <= size < math.inf:
        raise UsageError(
            Problem(
                "ZOO_TARGETS_GIB",
                f"{named!r} is not a size",
                "a number of GiB; 0 keeps nothing",
                "unset it for 1",
            )
        )
    return int(size * GIB)


@dataclass
class StoredTargets:
    """A source of targets on a task, which keeps the answers of one teacher in `folder`.

    `teacher` is the hash of the bytes of its checkpoint, `shape` its shape.
    """

    folder: Path
    teacher: str
    shape: Shape
    feed: Callable[[Phase], TaskFeed]
    journal: Journal
    device: torch.device
    _stores: dict[str, TeacherStore] = field(default_factory=dict)

    @contextmanager
    def __call__(self, phase: Phase, teacher: LoadTeacher) -> Iterator[Targets]:
        """The targets of a phase: read from the store if there can be one, else live."""
        kept = self._kept(phase, teacher)
        if kept is not None:
            yield kept
            return
        with live_steady(phase, teacher) as targets:
            yield targets

    def _kept(self, phase: Phase, teacher: LoadTeacher) -> Kept | None:
        most, encoded = most_bytes(), self.feed(phase).encoded
        sequences = Sequences.of(encoded)
        parts = parts_of(phase, sequences.layout)
        if parts is None or most == 0:
            return None
        with spared("stored teacher outputs"):
            filling = _Filling(self, phase, encoded, sequences, parts)
            _refuse_large(filling.states_bytes, most)
            return filling.kept(teacher, most)
        return None

    def store(self, phase: Phase, sequences: Sequences) -> TeacherStore:
        """The store of a phase; its files are verified once by this source."""
        key = {
            "teacher": self.teacher,
            "sequences": sequences.sha256,
            "precision": phase.optimise.teacher_precision,
            "machine": _machine(self.device),
            "keeping": str(KEEPING),
        }
        return self._stores.setdefault(digest(key), TeacherStore(self.folder, key))


@dataclass(frozen=True)
class _Filling:
    """A store that is to have some parts of a phase's sequences."""

    source: StoredTargets
    phase: Phase
    encoded: Encoded
    sequences: Sequences
    parts: Collection[KeptPart]

    @property
    def states_bytes(self) -> int:
        """Of what is kept of every token; logits and first tokens are kept whatever they take."""
        states = (part for part in self.parts if part.positions == "real" and part.tap != LOGITS)
        return sum(self._bytes(part) for part in states)

    def kept(self, teacher: LoadTeacher, most: int) -> Kept:
        """The targets, once all parts are there.

        Raises:
            ZooError: they do not fit the disk, or depend on the batch.
        """
        store = self.source.store(self.phase, self.sequences)
        found = store.opened(self.parts, self._dtype)
        if len(found) == len(self.parts):
            return self._read_from(found)
        with store.building():
            # Whoever held the lock before may have built what is wanted here.
            found = store.opened(self.parts, self._dtype)
            lacking = [part for part in self.parts if part not in found]
            if lacking:
                self._build(store, lacking, teacher)
                store.bound(STORES * most)
        return self._read_from(store.opened(self.parts, self._dtype))

    def _read_from(self, parts: Mapping[KeptPart, Tensor]) -> Kept:
        source = self.source
        taps = taps_of(self.phase)
        return Kept(self.sequences, parts, taps, source.shape.heads, source.device)

    def _build(
        self, store: TeacherStore, lacking: Collection[KeptPart], teacher: LoadTeacher
    ) -> None:
        if not store.steady:
            raise _unsteady()
        needed, room = sum(map(self._bytes, lacking)), store.room()
        if room < needed + SPARE_BYTES:
            given = f"they take {_mib(needed)} and would leave less than {_mib(SPARE_BYTES)} free"
            raise ZooError(Problem(str(self.source.folder), given))
        with store.adding(lacking) as writers:
            self._fill(writers, teacher)
            steady = self._same_alone(writers, teacher)
        if not steady:
            store.refuse()
            raise _unsteady()
        self.source.journal.tell(f"  {_LABEL}: {_mib(needed)} stored")

    def _fill(self, writers: Mapping[KeptPart, Writer], teacher: LoadTeacher) -> None:
        batches = self.sequences.batches
        with live(self.phase, teacher) as capture:
            for done, rows in enumerate(batches, 1):
                batch = collate(self.encoded, rows).to(self.source.device)
                sources = steady_sources(capture, batch)
                for part, writer in writers.items():
                    writer.append(_at(part, sources, batch))
                if done % 20 == 0:
                    self.source.journal.progress(_LABEL, done, len(batches), {})

    def _same_alone(self, writers: Mapping[KeptPart, Writer], teacher: LoadTeacher) -> bool:
        """Whether sequences in other batches get the numbers that were written."""
        parts = {part: writer.mapped(self._dtype) for part, writer in writers.items()}
        read_from, total = self._read_from(parts), len(self.encoded.features)
        some = [*range(0, total, -(-total // FILL_ROWS))]
        with live(self.phase, teacher) as capture:
            for rows in (some, *([row] for row in some[:TRIED_ALONE])):
                batch = collate(self.encoded, rows).to(self.source.device)
                sources, kept = steady_sources(capture, batch), read_from.sources(batch)
                if not all(
                    torch.equal(_at(part, sources, batch), _at(part, kept, batch)) for part in parts
                ):
                    return False
        return True

    def _bytes(self, part: KeptPart) -> int:
        width = self.source.shape.hidden
        if part.tap == LOGITS:
            width = 2 if part.positions == "real" else max(1, len(self.encoded.task.labels))
        count = self.sequences.tokens if part.positions == "real" else len(self.sequences.lengths)
        return count * width * self._dtype.itemsize

    @property
    def _dtype(self) -> torch.dtype:
        return _DTYPES[self.phase.optimise.teacher_precision]


_LABEL = "teacher outputs"


def _at(part: KeptPart, sources: Captured, batch: Batch) -> Tensor:
    """The numbers of a batch that a part keeps, row after row."""
    values = sources[part.tap]
    if part.positions == "real":
        return values[batch.real]
    return values if part.tap == LOGITS else values[:, 0]


def _refuse_large(needed: int, most: int) -> None:
    if needed > most:
        given = f"they take {_mib(needed)}, and ZOO_TARGETS_GIB allows {_mib(most)}"
        raise ZooError(Problem("the teacher's states", given))


def _unsteady() -> ZooError:
    given = "they depend on the batch that a sequence is in"
    return ZooError(Problem("the numbers of this device", given))


def _machine(device: torch.device) -> str:
    """What may round a sum in its own way."""
    return digest(
        [
            processor(),
            torch.backends.cpu.get_cpu_capability(),
            torch.get_num_threads(),
            torch.__version__,
            transformers.__version__,
            device_name(device),
        ]
    )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"
