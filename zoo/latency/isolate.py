"""Measurements in fresh processes, with thread counts set before any library is imported."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from pydantic import ValidationError

import zoo
from zoo.errors import MeasurementError, Problem, at
from zoo.latency.processes import tail
from zoo.latency.report import MeasuredCell, Report, Request
from zoo.processes import ending
from zoo.spec.bench import RUNTIMES, Device, Engine, Runtime, RuntimeName

# -P: do not import a folder `zoo` from the current directory.
_ENGINE = (sys.executable, "-P", "-m", "zoo.latency.engine")
_CODE = str(Path(zoo.__file__).parents[1])
_IMPORT_SECONDS = 120.0
_PROCESSES_PER_CELL = 3


def run_isolated(request: Request) -> tuple[MeasuredCell, ...]:
    """Measure the cells of `request` one after the other, in order.

    Each library gets an engine process, which starts a process for each cell.

    Raises:
        MeasurementError: files are missing, a runtime does not support the device, or a process
            failed, died, timed out or returned an invalid result; all problems at once.
    """
    problems = obstacles(request)
    if problems:
        raise MeasurementError(*problems)
    reports = [_ask_engine(part) for part in _by_library(request)]
    problems = [problem for report in reports for problem in report.problems]
    if problems:
        raise MeasurementError(*problems)
    measured = {found.cell: found for report in reports for found in report.cells}
    return tuple(measured[cell] for cell in request.cells)


def obstacles(request: Request) -> list[Problem]:
    """The problems that can be detected before starting anything."""
    unfit = (refused(cell.runtime, request.device) for cell in request.cells)
    return [*dict.fromkeys(filter(None, unfit)), *_missing(request)]


def refused(runtime: RuntimeName, device: Device) -> Problem | None:
    """Why a runtime cannot be measured here on a device, if so."""
    row = RUNTIMES[runtime]
    if device not in row.devices:
        return _elsewhere(row, device)
    return None if is_installed(row.engine) else _absent(row, device)


def is_installed(engine: Engine) -> bool:
    """Whether the engine's package is installed, without importing it."""
    return find_spec(engine.package) is not None


def _elsewhere(runtime: Runtime, device: Device) -> Problem:
    name, others = runtime.name, " or ".join(runtime.devices)
    return Problem(
        "runtimes",
        f"{name} on device {device}",
        f"{name} on device {others}",
        f"drop {name}, or measure it on device {others}",
    )


def _absent(runtime: Runtime, device: Device) -> Problem:
    here = [row for row in RUNTIMES.values() if device in row.devices and is_installed(row.engine)]
    return Problem(
        "runtimes",
        f"{runtime.name}: {runtime.engine.package} is not installed",
        ", ".join(row.name for row in here),
        f"pip install '{runtime.engine.requirement}', or drop {runtime.name}",
    )


def _by_library(request: Request) -> Iterator[Request]:
    for runner in dict.fromkeys(cell.row.engine.runner for cell in request.cells):
        cells = tuple(cell for cell in request.cells if cell.row.engine.runner == runner)
        yield request.model_copy(update={"cells": cells})


def _ask_engine(request: Request) -> Report:
    limit = len(request.cells) * _PROCESSES_PER_CELL * request.timeout_seconds + _IMPORT_SECONDS
    try:
        engine = subprocess.run(  # noqa: S603  (the command is this interpreter and our own module)
            (*_ENGINE, str(os.getpid())),
            input=request.model_dump_json().encode(),
            capture_output=True,
            timeout=limit,
            env=_environment(os.environ, request.threads),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        output = (error.stderr or b"").decode(errors="replace")
        return _failed(request, f"not done after {limit:g} s; it was stopped{tail(output)}")
    output = engine.stderr.decode(errors="replace")
    if engine.returncode != 0:
        return _failed(request, f"{ending(engine.returncode)}{tail(output)}")
    try:
        return Report.model_validate_json(engine.stdout)
    except ValidationError:
        start = engine.stdout[:200].decode(errors="replace")
        return _failed(request, f"its answer is no report: {start!r}{tail(output)}")


def _failed(request: Request, given: str) -> Report:
    names = ", ".join(cell.name for cell in request.cells)
    remedy = "see the output above; check that no other version of the zoo is installed"
    return Report(
        cells=(),
        problems=(Problem(f"engine of {names}", given, "exit code 0 and a report", remedy),),
    )


def _missing(request: Request) -> Iterator[Problem]:
    """The missing files of `request`."""
    precisions = {cell.row.file for cell in request.cells if cell.row.file}
    for subject in (request.student, request.teacher):
        needed = [subject.folder / "config.json"]
        if any(cell.shape is None for cell in request.cells):
            needed.append(subject.folder / "tokenizer.json")
        needed += [subject.onnx[precision] for precision in sorted(precisions)]
        for file in needed:
            if not file.is_file():
                yield Problem(
                    at(file),
                    "file not found",
                    remedy=f"build it with `zoo run {subject.entry}`; ONNX files are those listed "
                    "in the suite's bench.export.precisions",
                )


def _environment(current: Mapping[str, str], threads: int) -> dict[str, str]:
    pinned = {
        "PYTHONPATH": os.pathsep.join(filter(None, (_CODE, current.get("PYTHONPATH")))),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        # So that NVML and CUDA number the cards alike.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
    return {**current, **pinned}
