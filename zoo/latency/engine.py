"""One library's engine: a process that imports it once and forks a fresh child per cell.

It is started with its parent's process id, reads a request from standard input and writes a
report to standard output. It computes nothing itself: no model, session, thread pool or GPU context
exists when a child starts.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from zoo.errors import Problem
from zoo.latency.cell import MEMORY, TIMED, WHO, memory_answer, timed_answer
from zoo.latency.library import library_of
from zoo.latency.processes import Failure, run_apart
from zoo.latency.report import BenchCell, MeasuredCell, Report, Request
from zoo.processes import die_with_parent


def main(parent: int) -> int:
    """Handle the request on standard input; library output goes to standard error."""
    die_with_parent(parent)
    answer = os.dup(1)
    os.dup2(2, 1)
    request = Request.model_validate_json(sys.stdin.buffer.read())
    with os.fdopen(answer, "w") as file:
        file.write(report(request).model_dump_json())
    return 0


def report(request: Request) -> Report:
    """Measure all cells of `request`, which use one library; continue if one of them fails."""
    engine = request.cells[0].row.engine
    if engine.imported_once:
        library_of(engine).preload([request.student.folder, request.teacher.folder])
    measured: list[MeasuredCell] = []
    problems: list[Problem] = []
    for index, cell in enumerate(request.cells):
        found = _measure(request, index, cell)
        if isinstance(found, MeasuredCell):
            measured.append(found)
        else:
            problems += found
    return Report(cells=tuple(measured), problems=tuple(problems))


def _measure(request: Request, index: int, cell: BenchCell) -> MeasuredCell | list[Problem]:
    arguments = (request.model_dump_json(), str(index))
    timed = _run(request, cell, TIMED, timed_answer, arguments)
    if isinstance(timed, list):
        return timed  # Measuring memory would fail in the same way.
    memory, problems = {}, []
    for who in WHO:
        found = _run(request, cell, MEMORY, memory_answer, (*arguments, who))
        if isinstance(found, list):
            problems += found
        else:
            memory[who] = found
    return problems or MeasuredCell(cell=cell, timed=timed, memory=memory)


def _run(
    request: Request,
    cell: BenchCell,
    form: TypeAdapter[Any],
    work: Callable[..., bytes],
    arguments: tuple[str, ...],
) -> Any:
    """A child's result as `form`, or a list of problems."""
    answer = run_apart(work, arguments, request.timeout_seconds)
    what = " ".join((cell.name, *(("memory of the", arguments[2]) if arguments[2:] else ())))
    if isinstance(answer, Failure):
        return [_failed(what, answer)]
    found = form.validate_json(answer)
    if not isinstance(found, tuple):
        return found
    return [
        Problem(f"{what}: {each.where}", each.given, each.allowed, each.remedy) for each in found
    ]


def _failed(what: str, failure: Failure) -> Problem:
    if failure.late:
        return Problem(
            f"{what}: measuring process",
            failure.reason,
            "a result within timeout_seconds",
            "raise timeout_seconds, or reduce samples or shapes",
        )
    return Problem(
        f"{what}: measuring process",
        failure.reason,
        "a result",
        "see the output above; a killed process may have run out of memory",
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
