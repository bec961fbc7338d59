"""Whether an ONNX file answers like the model it came from; one that does not is never left."""

import math
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor
from transformers import PreTrainedModel

from zoo.errors import ExportError, Problem, at
from zoo.export.onnx import export_onnx, input_names, output_names
from zoo.export.quantise import quantise_int8

Batches = Sequence[Mapping[str, Tensor]]


@dataclass(frozen=True)
class Parity:
    """How far a file's logits lie from the model's over `compared` examples.

    `flips` counts examples whose largest logit (start or end of a span) moved elsewhere, `shapes`
    are the (batch, length) that were tried, `reference_max` is the model's largest |logit|.
    """

    max_abs_error: float
    flips: int
    compared: int
    shapes: tuple[tuple[int, int], ...]
    reference_max: float

    @property
    def flip_rate(self) -> float:
        """The share of examples whose answer changed; nan where nothing was compared."""
        return self.flips / self.compared if self.compared else math.nan


@dataclass(frozen=True)
class Limits:
    """What a file may differ by: largest error of a logit, share of changed answers."""

    tolerance: float
    max_flip_rate: float


def compare(model: PreTrainedModel, path: Path, batches: Batches) -> Parity:
    """The agreement of the ONNX file at `path` with `model` over `batches`; the mode is kept.

    Batches hold `input_ids` and `attention_mask`, and `token_type_ids` for models that tell
    segments apart, each (B, S); more is ignored. Answers of a span model on padding count nowhere.
    """
    session = _session(path)
    was_training = model.training
    model.eval()
    try:
        differences = [_difference(model, session, batch) for batch in batches]
    finally:
        model.train(was_training)
    return Parity(
        max_abs_error=_largest(difference.error for difference in differences),
        flips=sum(difference.flips for difference in differences),
        compared=sum(difference.shape[0] for difference in differences),
        shapes=tuple(dict.fromkeys(difference.shape for difference in differences)),
        reference_max=_largest(difference.reference_max for difference in differences),
    )


def gate(parity: Parity, *, tolerance: float, max_flip_rate: float, where: str) -> None:
    """Let a file pass that agrees with its model within the limits.

    Raises:
        ExportError: it does not, an answer is not a number, or nothing was compared.
    """
    if not parity.compared:
        raise ExportError(
            Problem(where, "compared on no example", "at least one", "pass batches of the dev set")
        )
    problems = []
    # Written so that nan, which compares false with everything, is refused.
    if not parity.max_abs_error <= tolerance:
        given = (
            f"logits differ from the model's by up to {parity.max_abs_error:.3g} "
            f"(largest logit {parity.reference_max:.3g}; {_tried(parity)})"
        )
        problems.append(Problem(where, given, f"at most {tolerance:g}", _REMEDY))
    if not parity.flip_rate <= max_flip_rate:
        given = f"{parity.flips} of {parity.compared} answers changed ({_tried(parity)})"
        problems.append(Problem(where, given, f"a share of at most {max_flip_rate:g}", _REMEDY))
    if problems:
        raise ExportError(*problems)


def export_checked(
    model: PreTrainedModel,
    path: Path,
    *,
    batches: Batches,
    limits: Limits,
    max_length: int,
    metadata: Mapping[str, str],
) -> Parity:
    """Write `model` to `path` as ONNX once the file has been compared with it.

    Raises:
        ExportError: the file does not agree; nothing stands at `path` then, not even an older file.
    """

    def write(draft: Path) -> None:
        export_onnx(model, draft, max_length=max_length, metadata=metadata)

    return _checked(write, model, path, batches, limits)


def quantise_checked(
    model: PreTrainedModel, source: Path, target: Path, *, batches: Batches, limits: Limits
) -> Parity:
    """Write the ONNX file `source` to `target` in int8 once it has been compared with `model`.

    Raises:
        ExportError: it does not agree; nothing stands at `target` then, not even an older file.
    """

    def write(draft: Path) -> None:
        quantise_int8(source, draft)

    return _checked(write, model, target, batches, limits)


def _tried(parity: Parity) -> str:
    shapes = ", ".join(f"{batch}x{length}" for batch, length in parity.shapes[:20])
    return f"{parity.compared} examples, batch x length {shapes}"


_REMEDY = "do not use this file; export again, and report the model if it happens again"


def _checked(
    write: Callable[[Path], None],
    model: PreTrainedModel,
    path: Path,
    batches: Batches,
    limits: Limits,
) -> Parity:
    # An older file is another model's: after a failure it would be taken for this one's.
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        draft = Path(folder) / path.name
        write(draft)
        parity = compare(model, draft, batches)
        gate(
            parity,
            tolerance=limits.tolerance,
            max_flip_rate=limits.max_flip_rate,
            where=at(path),
        )
        draft.replace(path)
    return parity


@dataclass(frozen=True)
class _Difference:
    error: float
    flips: int
    shape: tuple[int, int]
    reference_max: float


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _difference(
    model: PreTrainedModel, session: onnxruntime.InferenceSession, batch: Mapping[str, Tensor]
) -> _Difference:
    fed = {name: batch[name].long() for name in input_names(model)}
    ours, theirs = _call(model, fed), _run(session, fed)
    mask = fed["attention_mask"].cpu().bool()
    real = mask if len(ours) > 1 else torch.ones_like(ours[0], dtype=torch.bool)
    pairs = list(zip(ours, theirs, strict=True))
    moved = [_choice(our, real) != _choice(their, real) for our, their in pairs]
    return _Difference(
        error=_largest((our - their)[real].abs().max().item() for our, their in pairs),
        flips=int(torch.stack(moved).any(dim=0).sum()),
        shape=(mask.shape[0], mask.shape[1]),
        reference_max=_largest(our[real].abs().max().item() for our in ours),
    )


def _call(model: PreTrainedModel, fed: Mapping[str, Tensor]) -> list[Tensor]:
    with torch.inference_mode():
        answer = model(**{name: value.to(model.device) for name, value in fed.items()})
    return [answer[name].float().cpu() for name in output_names(model)]


def _run(session: onnxruntime.InferenceSession, fed: Mapping[str, Tensor]) -> list[Tensor]:
    arrays = session.run(None, {name: value.cpu().numpy() for name, value in fed.items()})
    return [torch.from_numpy(array) for array in arrays]


def _choice(answer: Tensor, real: Tensor) -> Tensor:
    return answer.masked_fill(~real, -math.inf).argmax(dim=-1)


def _largest(values: Iterable[float]) -> float:
    """The largest of `values`, nan if one of them is nan or there are none."""
    known = list(values)
    return max(known) if known and not any(map(math.isnan, known)) else math.nan
