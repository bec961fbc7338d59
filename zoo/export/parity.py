"""Parity of an ONNX file with its source model; a file that fails is never kept."""

import math
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo.errors import ExportError, Problem, at
from zoo.evaluation.predict import Forward, predict
from zoo.evaluation.predictions import Predictions
from zoo.evaluation.scoring import score_predictions
from zoo.export.exam import Exam, require_varied
from zoo.export.session import forward_of_file
from zoo.spec.task import Task, TaskKind
from zoo.tensors.batch import Batch, Layout


@dataclass(frozen=True)
class Parity:
    """Differences between a file's and its model's predictions over `compared` examples.

    `flips` counts examples with another prediction (class, or decoded text of a span; numbers have
    none), `shapes` are the (batch, length) that were tried, `reference_max` is the model's largest
    |logit|. `metric` is the task's primary one, None where it is undefined on these examples.
    """

    max_abs_error: float
    reference_max: float
    flips: int
    compared: int
    shapes: tuple[tuple[int, int], ...]
    metric: str
    metric_model: float | None
    metric_file: float | None
    mean_abs_error: float
    """Over all logits of the examples."""

    @property
    def flip_rate(self) -> float:
        """The share of examples whose prediction changed; nan if nothing was compared."""
        return self.flips / self.compared if self.compared else math.nan

    @property
    def loss(self) -> float:
        """The loss of the file's metric; infinite if only the file's is undefined."""
        if self.metric_model is None:
            return 0.0
        return math.inf if self.metric_file is None else self.metric_model - self.metric_file


@dataclass(frozen=True)
class Limits:
    """Tolerances of a file: logit error, share of changed predictions, loss of the metric."""

    tolerance: float = math.inf
    flips: float = 1.0
    loss: float = math.inf


def measure_parity(model: Forward, file: Forward, exam: Exam) -> Parity:
    """The agreement of `file` with `model` over `exam`; logits on padding are ignored.

    Probes count for the logit error only, as they are not examples.
    """
    ours, theirs = _answer(model, exam), _answer(file, exam)
    probed = zip(_probed(model, exam), _probed(file, exam), strict=True)
    apart = [(ours[row] - theirs[row]).abs().max().item() for row in ours]
    apart += [(first - second).abs().max().item() for first, second in probed]
    predicted, answered = _predictions(ours, exam), _predictions(theirs, exam)
    task, split = exam.encoded.task, exam.encoded.split
    return Parity(
        max_abs_error=_largest(apart),
        reference_max=_largest(logits.abs().max().item() for logits in ours.values()),
        flips=changed_answers(task, predicted, answered),
        compared=len(predicted.ids),
        shapes=exam.shapes,
        metric=task.primary,
        metric_model=score_predictions(task, split, predicted).metrics[task.primary],
        metric_file=score_predictions(task, split, answered).metrics[task.primary],
        mean_abs_error=torch.cat([(ours[row] - theirs[row]).abs().flatten() for row in ours])
        .mean()
        .item(),
    )


def changed_answers(task: Task, ours: Predictions, theirs: Predictions) -> int:
    """The number of examples with another class or text; numbers always differ and count none."""
    if task.kind is TaskKind.REGRESSION:
        return 0
    pairs = zip(ours.answers, theirs.answers, strict=True)
    return sum(first != second for first, second in pairs)


def predictions_of(forward: Forward, exam: Exam) -> Predictions:
    """The predictions of `forward` on the examples of `exam`, read in its batches."""
    return _predictions(_answer(forward, exam), exam)


def gate(parity: Parity, limits: Limits, where: str) -> None:
    """Check that a file agrees with its model within the limits.

    Raises:
        ExportError: it does not, or an output is not finite.
    """
    shapes = ", ".join(f"{batch}x{length}" for batch, length in parity.shapes[:20])
    tried = f"{parity.compared} examples, batch x length {shapes}"
    problems = []
    # Written so that nan, which compares false with everything, is refused; and inf, where a
    # precision has no tolerance.
    error, allowed = parity.max_abs_error, limits.tolerance * max(1.0, parity.reference_max)
    if not (math.isfinite(error) and error <= allowed):
        given = (
            f"logits differ from the model's by up to {parity.max_abs_error:.3g} "
            f"(largest logit {parity.reference_max:.3g}; {tried})"
        )
        problems.append(Problem(where, given, f"at most {allowed:.3g}", _REMEDY))
    if not parity.flip_rate <= limits.flips:
        given = f"{parity.flips} of {parity.compared} predictions changed ({tried})"
        problems.append(Problem(where, given, f"a share of at most {limits.flips:g}", _REMEDY))
    if not parity.loss <= limits.loss:
        given = (
            f"{parity.metric} is {_shown(parity.metric_file)}, "
            f"the model's {_shown(parity.metric_model)} ({tried})"
        )
        problems.append(Problem(where, given, f"a loss of at most {limits.loss:g}", _REMEDY))
    if problems:
        raise ExportError(*problems)


def checked(
    write: Callable[[Path], None], path: Path, *, model: Forward, exam: Exam, limits: Limits
) -> Parity:
    """Let `write` create the file `path`, and keep it only if it agrees with `model`.

    Raises:
        ExportError: the exam is insufficient or the file does not agree; `path` is then removed,
            even if it existed before.
    """
    # After a failure an older file would be mistaken for this model's.
    path.unlink(missing_ok=True)
    require_varied(exam, at(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        draft = Path(folder) / path.name
        write(draft)
        parity = measure_parity(model, forward_of_file(draft), exam)
        gate(parity, limits, at(path))
        draft.replace(path)
    return parity


_REMEDY = "do not use this file; export again, and report the model if it happens again"


def _answer(forward: Forward, exam: Exam) -> dict[int, Tensor]:
    """The logits of every row; token-level logits are as long as the row."""
    return {
        row: logits
        for batch in exam.batches
        for row, logits in zip(batch.rows, _real(forward, batch), strict=True)
    }


def _probed(forward: Forward, exam: Exam) -> list[Tensor]:
    """The logits of every row of the probes."""
    return [logits for batch in exam.probes for logits in _real(forward, batch)]


def _real(forward: Forward, batch: Batch) -> list[Tensor]:
    """The logits of each row, without padding if they are token-level."""
    logits = forward(batch).float().cpu()
    if batch.layout is not Layout.SPAN:
        return list(logits)
    return [logits[place][batch.real[place]] for place in range(len(logits))]


def _predictions(logits: Mapping[int, Tensor], exam: Exam) -> Predictions:
    """The predictions decoded from `logits`, as for any model."""
    # Decoders refuse non-finite values; the logit error reports them.
    known = {row: torch.nan_to_num(values) for row, values in logits.items()}

    def recall(batch: Batch) -> Tensor:
        rows = [known[row] for row in batch.rows]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)

    return predict(recall, exam.encoded, exam.settings)


def _largest(values: Iterable[float]) -> float:
    """The maximum of `values`; nan if any is nan or there are none."""
    found = list(values)
    return max(found) if found and not any(map(math.isnan, found)) else math.nan


def _shown(metric: float | None) -> str:
    return "undefined" if metric is None else f"{metric:.4g}"
