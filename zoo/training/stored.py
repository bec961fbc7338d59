"""Targets from a store: a task's teacher reads every sequence once, when a training first needs it.

What is kept are the numbers that the live teacher gives, bit for bit. Where that is not so, or they
do not fit, the teacher runs on every batch (docs/decisions/0025-teacher-outputs-once.md).
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import torch
import transformers

from zoo.data.batches import Encoded, TaskFeed, collate
from zoo.disk import spared
from zoo.errors import Problem, UsageError, ZooError
from zoo.models.capture import Capture, Captured, read, reads_first
from zoo.models.tap import LOGITS
from zoo.records.environment import processor
from zoo.resolve.plan import Phase
from zoo.spec.base import digest
from zoo.spec.shape import Shape
from zoo.tensors.batch import Batch
from zoo.training.device import device_name
from zoo.training.journal import Journal
from zoo.training.kept import Kept, Sequences, kept_of, parts_of
from zoo.training.targets import (
    LoadTeacher,
    Targets,
    live_steady,
    steady_capture,
    steady_sources,
    taps_of,
)
from zoo.training.teacher_store import KeptPart, TeacherStore

KEEPING = 3
"""Incremented when the same key stands for other numbers, so that old ones are not reused."""
GIB = 1 << 30
SPARE_BYTES = GIB
"""What a store leaves free on the disk."""
STORES = 8
"""How many stores of the largest size scratch may hold."""
TRIED, TRIED_ALONE = 8, 2
"""How many sequences are read again together, and each alone, to see whether their numbers stay."""

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
    _read: list[tuple[Encoded, Sequences]] = field(default_factory=list)

    @contextmanager
    def __call__(self, phase: Phase, teacher: LoadTeacher) -> Iterator[Targets]:
        """The targets of a phase: kept in the store if there can be one, else live."""
        with ExitStack() as opened:
            targets: Targets | None = None
            with spared(_STORE):
                targets = self._kept(
                    phase, lambda: opened.enter_context(steady_capture(phase, teacher))
                )
            yield targets or opened.enter_context(live_steady(phase, teacher))

    def _kept(self, phase: Phase, capture: Callable[[], Capture]) -> Targets | None:
        """Those in the store; None where it cannot serve the phase.

        Raises:
            ZooError: they do not fit, or depend on the batch.
        """
        most, encoded = most_bytes(), self.feed(phase).encoded
        sequences = self._sequences(encoded)
        parts = parts_of(phase, sequences.layout)
        if parts is None or most == 0:
            return None
        sizes = {part: self._numbers(part, encoded, sequences) for part in parts}
        dtype = _DTYPES[phase.optimise.teacher_precision]
        # Of every token; logits and first tokens are kept whatever they take.
        states = (part for part in parts if part.positions == "real" and part.tap != LOGITS)
        _refuse_large(sum(sizes[part] for part in states) * dtype.itemsize, most)
        store = self._store(phase, sequences, dtype)
        if (steady := store.steady) is False:
            raise _unsteady()
        files = store.whole(parts)
        lacking = {part: size for part, size in sizes.items() if part not in files}
        if lacking:
            self._refuse_full(store, sum(lacking.values()) * dtype.itemsize)
            files |= store.growing(lacking)
            store.bound(STORES * most)
        kept = Kept(sequences, files, taps_of(phase), self.shape.heads, self.device)
        return _Filling(self, store, encoded, kept, cache(capture), steady)

    def _sequences(self, encoded: Encoded) -> Sequences:
        """Hashed once: phases read the same ones."""
        for known, sequences in self._read:
            if known is encoded:
                return sequences
        self._read.append((encoded, Sequences.of(encoded)))
        return self._read[-1][1]

    def _store(self, phase: Phase, sequences: Sequences, dtype: torch.dtype) -> TeacherStore:
        """The store of a phase; its files are verified once by this source."""
        first = reads_first(taps_of(phase), sequences.layout, self.shape.layers)
        key = {
            "teacher": self.teacher,
            "sequences": sequences.sha256,
            "precision": phase.optimise.teacher_precision,
            # Their products are of other numbers of rows, which may round otherwise.
            "last_layer": "first token" if first else "whole",
            "machine": _machine(self.device),
            "keeping": str(KEEPING),
        }
        count = len(sequences.lengths)
        return self._stores.setdefault(digest(key), TeacherStore(self.folder, key, count, dtype))

    def _numbers(self, part: KeptPart, encoded: Encoded, sequences: Sequences) -> int:
        width = self.shape.hidden
        if part.tap == LOGITS:
            width = 2 if part.positions == "real" else max(1, len(encoded.task.labels))
        return width * (sequences.tokens if part.positions == "real" else len(sequences.lengths))

    def _refuse_full(self, store: TeacherStore, needed: int) -> None:
        if store.room() < needed + SPARE_BYTES:
            given = f"they take {_mib(needed)} and would leave less than {_mib(SPARE_BYTES)} free"
            raise ZooError(Problem(str(self.folder), given))


@dataclass
class _Filling:
    """Targets that are kept as the teacher gives them, and read from then on."""

    source: StoredTargets
    store: TeacherStore
    encoded: Encoded
    kept: Kept
    capture: Callable[[], Capture]
    """Loads the teacher, which nobody needs once all is kept."""
    steady: bool | None
    """Whether sequences get the same numbers in every batch; None as long as untried."""

    @property
    def model(self) -> None:
        """The teacher is not always at hand."""
        return

    def __call__(self, batch: Batch) -> Captured:
        """The activations at the taps of a batch."""
        kept = self.kept
        if self.steady is not False and kept.knows(batch) and self._trusts(batch.rows):
            return kept(batch)
        sources = steady_sources(self.capture(), batch)
        if self.steady is not False:
            self._keep(batch, sources)
        return read(kept.taps, sources, kept.heads)

    def _keep(self, batch: Batch, sources: Captured) -> None:
        complete = self.kept.keep(batch, sources)
        if complete:
            with spared(_STORE):
                for part in complete:
                    self.store.seal(part)
                self.kept = replace(self.kept, files=self.store.files(self.kept.files))
                self.source.journal.tell("  teacher outputs: every sequence is stored")

    def _trusts(self, rows: Sequence[int]) -> bool:
        """Whether sequences in other batches get the numbers that are kept: tried once."""
        if self.steady is None:
            alone = ([row] for row in rows[:TRIED_ALONE])
            self.steady = all(self._same(some) for some in (rows[:TRIED], *alone))
            with spared(_STORE):
                self.store.tried(steady=self.steady)
                if not self.steady:
                    raise _unsteady()
        return self.steady

    def _same(self, rows: Sequence[int]) -> bool:
        batch = collate(self.encoded, rows).to(self.source.device)
        live, kept = steady_sources(self.capture(), batch), self.kept.sources(batch)
        return all(
            torch.equal(kept_of(part, live, batch), kept_of(part, kept, batch))
            for part in self.kept.files
        )


_STORE = "stored teacher outputs"


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
