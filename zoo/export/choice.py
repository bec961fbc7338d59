"""Candidates for the int8 file of a run, compared on training examples and timed together."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path

from torch import Tensor

from zoo.evaluation.predict import Forward
from zoo.export.exam import Exam
from zoo.export.parity import Parity, measure_parity
from zoo.export.session import forward_of_file
from zoo.records.choice import Candidate, Choice, choose
from zoo.records.text import as_written
from zoo.spec.bench import Scheme
from zoo.tensors.batch import Batch

TIMED_TOKENS = 128
"""Length of the timed sequence, where the task's maximum is not shorter."""
ROUNDS = 40
"""Timed calls of each file."""
_WARM_UP = 3


def choose_scheme(
    full: Path,
    writers: Mapping[Scheme, Callable[[Path], None]],
    exam: Exam,
    most_loss: float,
) -> Choice:
    """Compare the int8 files that `writers` make with the fp32 file `full`; none is kept.

    `exam` reads the training examples one by one.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = {scheme: Path(folder) / f"{scheme}.onnx" for scheme in writers}
        for scheme, write in writers.items():
            write(files[scheme])
        call = _timed_call(exam)
        full_ms, *each_ms = cpu_ms([full, *files.values()], call)
        model = _recalled(forward_of_file(full), exam)
        candidates = tuple(
            _candidate(
                scheme, file, milliseconds, measure_parity(model, forward_of_file(file), exam)
            )
            for (scheme, file), milliseconds in zip(files.items(), each_ms, strict=True)
        )
    chosen, why = choose(candidates, most_loss)
    return Choice(
        examples=len(exam.encoded.split.examples),
        tokens=call.input_ids.shape[1],
        fp32_cpu_ms=full_ms,
        most_loss=most_loss,
        candidates=candidates,
        chosen=chosen.scheme,
        why=why,
    )


def cpu_ms(files: Sequence[Path], call: Batch, rounds: int = ROUNDS) -> list[float]:
    """The median CPU milliseconds of a call of each file, on one thread.

    The files take turns, in an order that moves on by one each round, so that other load on the
    machine affects all alike.
    """
    forwards = [forward_of_file(file, threads=1) for file in files]
    taken: list[list[float]] = [[] for _ in files]
    for turn in range(_WARM_UP + rounds):
        for place in range(len(files)):
            which = (place + turn) % len(files)
            start = time.process_time()
            forwards[which](call)
            taken[which].append(1000 * (time.process_time() - start))
    return [statistics.median(times[_WARM_UP:]) for times in taken]


def _timed_call(exam: Exam) -> Batch:
    """One sequence: the pieces of the longest example, repeated to `TIMED_TOKENS` and cut."""
    longest = max(exam.batches, key=lambda batch: batch.input_ids.shape[1])
    length = min(TIMED_TOKENS, exam.settings.max_length)

    def drawn_out(tensor: Tensor) -> Tensor:
        repeats = -(-length // tensor.shape[1])
        return tensor.repeat(1, repeats)[:, :length]

    return replace(
        longest,
        input_ids=drawn_out(longest.input_ids),
        attention_mask=drawn_out(longest.attention_mask),
        token_type_ids=drawn_out(longest.token_type_ids),
    )


def _recalled(forward: Forward, exam: Exam) -> Forward:
    """What `forward` answers to the batches of `exam`, asked once."""
    known = {batch.rows: forward(batch) for batch in exam.batches}
    return lambda batch: known[batch.rows]


def _candidate(scheme: Scheme, file: Path, milliseconds: float, parity: Parity) -> Candidate:
    # Rounded as in the record, so that the rule finds the same there.
    return Candidate(
        scheme=scheme,
        bytes=file.stat().st_size,
        cpu_ms=as_written(milliseconds),
        score=parity.metric_file,
        loss=_if_finite(parity.loss),
        flips=parity.flips,
        mean_abs_error=_if_finite(parity.mean_abs_error),
    )


def _if_finite(number: float) -> float | None:
    return as_written(number) if isfinite(number) else None
