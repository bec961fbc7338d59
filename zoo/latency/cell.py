"""The work of one process: time a cell for both models, or measure the memory of one of them.

Libraries are imported when a model is loaded, so that none requires another, and so that one that
starts a thread on import is not loaded before a process is forked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

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
from zoo.latency.library import LoadedModel, library_of
from zoo.latency.measure import Runner, time_rounds, warm_up
from zoo.latency.memory import ResidentMeter, measure_memory
from zoo.latency.report import BenchCell, Request, Timed, Who
from zoo.records.latency import NOT_AVAILABLE, Memory, NotAvailable

WHO: tuple[Who, ...] = get_args(Who)
TIMED = TypeAdapter[Timed | tuple[Problem, ...]](Timed | tuple[Problem, ...])
MEMORY = TypeAdapter[Memory | NotAvailable | tuple[Problem, ...]](
    Memory | NotAvailable | tuple[Problem, ...]
)


def timed_answer(request: str, index: str) -> bytes:
    """`time_cell` from and to JSON; a failure returns its problems."""
    asked = Request.model_validate_json(request)
    try:
        found: Timed | tuple[Problem, ...] = time_cell(asked, asked.cells[int(index)])
    except ZooError as error:
        found = error.problems
    return TIMED.dump_json(found)


def memory_answer(request: str, index: str, who: str) -> bytes:
    """`cell_memory` from and to JSON; a failure returns its problems."""
    asked = Request.model_validate_json(request)
    one: Who = "student" if who == "student" else "teacher"
    try:
        found: Memory | NotAvailable | tuple[Problem, ...] = cell_memory(
            asked, asked.cells[int(index)], one
        )
    except ZooError as error:
        found = error.problems
    return MEMORY.dump_json(found)


def time_cell(request: Request, cell: BenchCell) -> Timed:
    """Time one cell in this process: student and teacher interleaved, and the harness's overhead.

    Raises:
        MeasurementError: unsupported by a model, file or device.
    """
    inputs = {who: _inputs(request, cell, who) for who in WHO}
    models: dict[Who, LoadedModel] = {
        who: load_model(request, cell, who, inputs[who].calls) for who in WHO
    }
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
        gpu=models["student"].gpu,
        lengths=lengths_of(calls),
        warmup_calls=rounds,
        settled=settled,
        milliseconds=milliseconds,
        energy_mj=energy,
        circumstances=machine.circumstances(before, after),
    )


def cell_memory(request: Request, cell: BenchCell, who: Who) -> Memory | NotAvailable:
    """The memory that one model adds to this process, at its longest input.

    Raises:
        MeasurementError: unsupported by a model, file or device.
    """
    inputs = _inputs(request, cell, who).calls
    # Imported before measuring: it does not count as the model's.
    library = library_of(cell.row.engine)
    meter = library.gpu_meter() if request.device == "cuda" else ResidentMeter()
    if meter is None:
        return NOT_AVAILABLE
    longest = warmup_turns(inputs)[-1]
    return measure_memory(meter, lambda: load_model(request, cell, who, inputs), longest)


def load_model(
    request: Request, cell: BenchCell, who: Who, inputs: Sequence[Arrays]
) -> LoadedModel:
    """One model of a cell, ready to call.

    Raises:
        MeasurementError: unsupported by the model, its file or the device.
    """
    source, library = request.subject(who).source(cell.row), library_of(cell.row.engine)
    return library.load(cell.row, source, inputs, request.device, request.threads)


@dataclass(frozen=True)
class _Inputs:
    calls: list[Arrays]
    tokeniser: Tokeniser | None = None


def _inputs(request: Request, cell: BenchCell, who: Who) -> _Inputs:
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
    """Do nothing: the duration of a call is the harness's overhead."""
