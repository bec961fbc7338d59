"""A measurement in a fresh process, with threads pinned before any library is imported."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

from pydantic import TypeAdapter, ValidationError

from zoo.errors import MeasurementError, Problem, at
from zoo.latency.report import Report, Request

REFUSED = 3

_CHILD = (sys.executable, "-m", "zoo.latency.child")
_TAIL_LINES = 15
_PROBLEMS = TypeAdapter(tuple[Problem, ...])


def run_isolated(request: Request) -> Report:
    """Start a child that measures what `request` asks, and wait for its report.

    Raises:
        MeasurementError: files are missing, or the child refused, died, ran out of time or
            answered something else.
    """
    problems = [*_missing(request), *_without_kernels(request)]
    if problems:
        raise MeasurementError(*problems)
    try:
        child = subprocess.run(  # noqa: S603  (the command is this interpreter and our own module)
            _CHILD,
            input=request.model_dump_json().encode(),
            capture_output=True,
            timeout=request.timeout_seconds,
            env=_environment(os.environ, request.threads),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(_overdue(request, error.stderr)) from error
    if child.returncode == REFUSED:
        raise MeasurementError(*_PROBLEMS.validate_json(child.stdout))
    if child.returncode != 0:
        raise MeasurementError(_died(child.returncode, child.stderr))
    try:
        return Report.model_validate_json(child.stdout)
    except ValidationError as error:
        raise MeasurementError(_unreadable(child.stdout, child.stderr)) from error


def _missing(request: Request) -> Iterator[Problem]:
    """Everything that `request` needs on disk and that is not there."""
    for who, subject in (("student", request.student), ("teacher", request.teacher)):
        needed = [subject.folder / "config.json"]
        for runtime in request.runtimes:
            if runtime in subject.onnx:
                needed.append(subject.onnx[runtime])
            elif runtime.startswith("onnx"):
                yield Problem(
                    at(subject.folder, key=f"{who}.onnx"),
                    f"no file for {runtime}",
                    "a file for each ONNX runtime that is asked for",
                    "export the model first, or leave this runtime out",
                )
        for file in needed:
            if not file.is_file():
                yield Problem(
                    at(file, key=who),
                    "this file does not exist",
                    remedy="build the checkpoint and export it first",
                )


def _without_kernels(request: Request) -> Iterator[Problem]:
    """Dynamic int8 has no CUDA kernels: parts would run on the CPU and be reported as CUDA."""
    if request.device == "cuda" and "onnx-int8" in request.runtimes:
        yield Problem(
            "runtimes",
            "onnx-int8 on device cuda",
            "onnx-int8 on device cpu",
            "leave onnx-int8 out, or measure it on the CPU",
        )


def _environment(current: Mapping[str, str], threads: int) -> dict[str, str]:
    pinned = {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    return {**current, **pinned}


def _overdue(request: Request, stderr: bytes | None) -> Problem:
    return Problem(
        "measuring process",
        f"not done after {request.timeout_seconds:g} s; it was stopped{_tail(stderr)}",
        "a report within timeout_seconds",
        "raise the time limit, or ask for fewer samples, shapes or runtimes",
    )


def _died(code: int, stderr: bytes) -> Problem:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return Problem(
        "measuring process",
        f"{how}{_tail(stderr)}",
        "exit code 0 and a report",
        "see the lines above; a killed process may have run out of memory",
    )


def _unreadable(stdout: bytes, stderr: bytes) -> Problem:
    start = stdout[:200].decode(errors="replace")
    return Problem(
        "measuring process",
        f"its answer is no report: {start!r}{_tail(stderr)}",
        "one JSON report on standard output",
        "check that parent and child run the same version of the zoo",
    )


def _tail(stderr: bytes | None) -> str:
    lines = (stderr or b"").decode(errors="replace").splitlines()[-_TAIL_LINES:]
    return "".join(f"\n    {line}" for line in lines)
