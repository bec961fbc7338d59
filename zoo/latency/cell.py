"""What one process does: time a cell in both models, or load and call one of them for its memory.

PyTorch and ONNX Runtime are imported where a model is loaded, so that either can be without the
other, and so that ONNX Runtime, which starts a thread when it is imported, is not there before a
process is forked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, get_args

from pydantic import TypeAdapter

from zoo.errors import Problem, ZooError
from zoo.latency.circumstances import Machine
from zoo.latency.energy import energy_per_call, start_counter
from zoo.latency.inputs import (
    Arrays,
    Tokeniser,
    drawn_inputs,
    lengths_of,
    read_config,
    require_length,
    warmup_turns,
)
from zoo.latency.measure import Runner, time_rounds, warm_up
from zoo.latency.memory import Meter, NvmlMeter, ResidentMeter, measure_memory
from zoo.latency.nvml import find_gpu
from zoo.latency.report import Cell, Request, Timed, Who, onnx_precision
from zoo.records.latency import NOT_AVAILABLE, Memory, NotAvailable

WHO: tuple[Who, ...] = get_args(Who)
TIMED = TypeAdapter[Timed | tuple[Problem, ...]](Timed | tuple[Problem, ...])
MEMORY = TypeAdapter[Memory | NotAvailable | tuple[Problem, ...]](
    Memory | NotAvailable | tuple[Problem, ...]
)


class Model(Protocol):
    """A loaded model that says what really runs it."""

    @property
    def provider(self) -> str:
        """The device or execution provider that the calls run on."""

    @property
    def attention(self) -> str:
        """Its attention kernel."""

    def __call__(self, turn: int) -> None:
        """Answer the input whose turn it is; done when the call returns."""


def timed_answer(request: str, index: str) -> bytes:
    """`time_cell` from and to JSON; a refusal is the problems."""
    asked = Request.model_validate_json(request)
    try:
        found: Timed | tuple[Problem, ...] = time_cell(asked, asked.cells[int(index)])
    except ZooError as error:
        found = error.problems
    return TIMED.dump_json(found)


def memory_answer(request: str, index: str, who: str) -> bytes:
    """`cell_memory` from and to JSON; a refusal is the problems."""
    asked = Request.model_validate_json(request)
    one: Who = "student" if who == "student" else "teacher"
    try:
        found: Memory | NotAvailable | tuple[Problem, ...] = cell_memory(
            asked, asked.cells[int(index)], one
        )
    except ZooError as error:
        found = error.problems
    return MEMORY.dump_json(found)


def time_cell(request: Request, cell: Cell) -> Timed:
    """Time one cell in this process: student and teacher in turns, with what the harness adds.

    Raises:
        MeasurementError: a model, file or device does not allow it.
    """
    inputs = {who: _inputs(request, cell, who) for who in WHO}
    models: dict[Who, Model] = {who: load(request, cell, who, inputs[who].calls) for who in WHO}
    calls = inputs["student"].calls
    turns: dict[str, Runner] = {who: models[who] for who in WHO}
    rounds, settled = warm_up(turns, request.plan, warmup_turns(calls))
    machine = Machine(device=request.device)
    before = machine.look()
    milliseconds = time_rounds(_with_others(turns, inputs["student"].tokeniser), request.plan)
    after = machine.look()
    energy = {
        who: energy_per_call(model, partial(start_counter, request.device))
        for who, model in models.items()
    }
    return Timed(
        provider=models["student"].provider,
        attention=models["student"].attention,
        lengths=lengths_of(calls),
        warmup_calls=rounds,
        settled=settled,
        milliseconds=milliseconds,
        energy_mj=energy,
        circumstances=machine.circumstances(before, after),
    )


def cell_memory(request: Request, cell: Cell, who: Who) -> Memory | NotAvailable:
    """What one model adds to this process, at its longest input.

    Raises:
        MeasurementError: a model, file or device does not allow it.
    """
    inputs = _inputs(request, cell, who).calls
    _import_library(cell)
    meter = _meter(request, cell)
    if meter is None:
        return NOT_AVAILABLE
    longest = warmup_turns(inputs)[-1]
    return measure_memory(meter, lambda: load(request, cell, who, inputs), longest)


def load(request: Request, cell: Cell, who: Who, inputs: Sequence[Arrays]) -> Model:
    """One model of a cell, ready to be called.

    Raises:
        MeasurementError: the model, its file or the device does not allow it.
    """
    subject = request.subject(who)
    precision = onnx_precision(cell.runtime)
    if precision is None:
        from zoo.latency.torch_runner import TorchRunner  # noqa: PLC0415

        return TorchRunner(cell.runtime, subject.folder, inputs, request.device)
    from zoo.latency.onnx_runner import OnnxRunner  # noqa: PLC0415

    file = subject.onnx[precision]
    return OnnxRunner(cell.runtime, file, inputs, request.device, request.threads)


@dataclass(frozen=True)
class _Inputs:
    calls: list[Arrays]
    tokeniser: Tokeniser | None = None


def _inputs(request: Request, cell: Cell, who: Who) -> _Inputs:
    folder = request.subject(who).folder
    if cell.shape is not None:
        return _Inputs([drawn_inputs(folder, cell.shape, request.seed)])
    assert request.replay is not None
    tokeniser = Tokeniser(folder, request.replay)
    calls = tokeniser.inputs()
    require_length(folder, read_config(folder), lengths_of(calls)[-1])
    return _Inputs(calls, tokeniser)


def _with_others(models: Mapping[str, Runner], tokeniser: Tokeniser | None) -> dict[str, Runner]:
    first: dict[str, Runner] = {} if tokeniser is None else {"tokenisation": tokeniser}
    return {**first, **models, "overhead": _nothing}


def _nothing(_turn: int) -> None:
    """Nothing: what a call of it takes is what the harness adds."""


def _import_library(cell: Cell) -> None:
    """Import what loads the model, so that it does not count as the model's."""
    if cell.library == "torch":
        import zoo.latency.torch_runner  # noqa: PLC0415
    else:
        import zoo.latency.onnx_runner  # noqa: F401, PLC0415


def _meter(request: Request, cell: Cell) -> Meter | None:
    if request.device == "cuda":
        if cell.library == "torch":
            from zoo.latency.torch_runner import CudaMeter  # noqa: PLC0415

            return CudaMeter()
        gpu = find_gpu()
        return NvmlMeter(gpu) if gpu else None
    return ResidentMeter()
