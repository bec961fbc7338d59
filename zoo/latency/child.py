"""The measuring process: a request on standard input, a report on standard output."""

import os
import sys
from itertools import product
from typing import get_args

import torch
from pydantic import TypeAdapter

from zoo.errors import Problem, ZooError
from zoo.latency.backends import build
from zoo.latency.isolate import REFUSED
from zoo.latency.machine import cpu_governor, instruction_sets
from zoo.latency.measure import Samples, measure, percentile, ratio
from zoo.latency.report import (
    Cell,
    Circumstances,
    Comparison,
    Report,
    Request,
    Runtime,
    Shape,
    Who,
)

_WHO: tuple[Who, ...] = get_args(Who)


def main() -> int:
    """Answer the request on standard input; what libraries print goes to standard error."""
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        payload = report(Request.model_validate_json(sys.stdin.buffer.read())).model_dump_json()
        code = 0
    except ZooError as error:
        payload = TypeAdapter(tuple[Problem, ...]).dump_json(error.problems).decode()
        code = REFUSED
    with os.fdopen(answer, "w") as file:
        file.write(payload)
    return code


def report(request: Request) -> Report:
    """Measure in this process what `request` asks.

    Raises:
        MeasurementError: a model, file or device does not allow it.
    """
    torch.set_num_threads(request.threads)
    before = os.getloadavg()
    measured = [_measure_shape(request, shape) for shape in request.shapes]
    return Report(
        cells=tuple(cell for cells, _ in measured for cell in cells),
        comparisons=tuple(entry for _, comparisons in measured for entry in comparisons),
        circumstances=Circumstances(
            threads=request.threads,
            load_average_before=before,
            load_average_after=os.getloadavg(),
            cpu_governor=cpu_governor(),
            instruction_sets=instruction_sets(),
        ),
    )


def _measure_shape(request: Request, shape: Shape) -> tuple[list[Cell], list[Comparison]]:
    keys = list(product(request.runtimes, _WHO))
    runners = [build(request, shape, runtime, who) for runtime, who in keys]
    samples = dict(zip(keys, measure(runners, request.plan), strict=True))
    cells = [
        _cell(shape, runtime, who, runner.provider, samples[runtime, who])
        for (runtime, who), runner in zip(keys, runners, strict=True)
    ]
    comparisons = [
        _comparison(shape, runtime, samples[runtime, "student"], samples[runtime, "teacher"])
        for runtime in request.runtimes
    ]
    return cells, comparisons


def _cell(shape: Shape, runtime: Runtime, who: Who, provider: str, samples: Samples) -> Cell:
    taken = samples.milliseconds
    return Cell(
        runtime=runtime,
        who=who,
        batch=shape.batch,
        length=shape.length,
        provider=provider,
        warmup_calls=samples.warmup_calls,
        settled=samples.settled,
        latency_ms=taken,
        latency_ms_p50=percentile(taken, 50),
        latency_ms_p90=percentile(taken, 90),
        latency_ms_p95=percentile(taken, 95),
        latency_ms_p99=percentile(taken, 99),
    )


def _comparison(shape: Shape, runtime: Runtime, student: Samples, teacher: Samples) -> Comparison:
    found = ratio(student, teacher)
    return Comparison(
        runtime=runtime,
        batch=shape.batch,
        length=shape.length,
        value=found and found.value,
        low=found and found.low,
        high=found and found.high,
    )


if __name__ == "__main__":
    sys.exit(main())
