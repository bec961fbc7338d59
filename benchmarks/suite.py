"""Rebuild a whole suite, and say before how long it takes: `python -m benchmarks.suite mini`.

Entries are built one after the other, each by `zoo run`. What is interrupted goes on with the same
command; nothing is published.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

from zoo.cli.stage import prepare_environment
from zoo.errors import Problem, UsageError, ZooError
from zoo.paths import Project, find_project, fix_data_folder
from zoo.resolve.entry import ResolvedSuite, read_suite
from zoo.signals import answered_by

if TYPE_CHECKING:
    from benchmarks.plan.estimate import Estimate


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the estimate, and unless no more is asked for, build; the exit code."""
    asked = _parser().parse_args(arguments)
    prepare_environment()  # before the libraries are imported that read it
    fix_data_folder()
    project = find_project()
    try:
        suite = read_suite(project, asked.suite)
        order = build_order(suite, asked.entries)
        expected = _estimate(project, suite, order, asked.jobs)
    except ZooError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    _print(expected, as_json=asked.json)
    return 0 if asked.estimate else build(suite, order, asked.jobs, expected)


def build_order(suite: ResolvedSuite, asked: Sequence[str]) -> list[str]:
    """The order that is asked for; else teachers, then twins, then all others.

    Raises:
        UsageError: an entry is unknown.
    """
    known = (*suite.entries, *suite.loaded.studies)
    unknown = [name for name in asked if name not in known]
    if unknown:
        given = f"{suite.name} has no entry or study {unknown[0]!r}"
        raise UsageError(Problem(unknown[0], given, ", ".join(known)))
    if asked:
        return list(dict.fromkeys(asked))
    twins = {entry.twin for entry in suite.entries.values()}

    def turn(name: str) -> int:
        return 0 if suite.entries[name].teacher is None else 1 if name in twins else 2

    return sorted(suite.entries, key=turn)


def _estimate(
    project: Project, suite: ResolvedSuite, order: Sequence[str], jobs: int
) -> "Estimate":
    import torch  # noqa: PLC0415  (after the environment is prepared)

    from benchmarks.plan.estimate import Estimator, estimate  # noqa: PLC0415
    from benchmarks.plan.reading import Data  # noqa: PLC0415
    from benchmarks.plan.work import Works  # noqa: PLC0415

    works = Works(Data(project, suite))
    return estimate(project, suite, order, jobs, Estimator(works, torch.get_num_threads()))


def _print(expected: "Estimate", *, as_json: bool) -> None:
    from benchmarks.plan.report import estimate_table  # noqa: PLC0415

    text = json.dumps(expected.as_json(), indent=1) if as_json else estimate_table(expected)
    print(text, flush=True)


def build(suite: ResolvedSuite, order: Sequence[str], jobs: int, expected: "Estimate") -> int:
    """Build entry by entry; the exit code of the first `zoo run` that fails or is interrupted."""
    from benchmarks.plan.estimate import HOUR, needed_owners  # noqa: PLC0415

    done: set[str] = set()
    for name in order:
        owners = needed_owners(suite, name) - done
        began, used = time.monotonic(), _children_s()
        code = _zoo_run(f"{suite.name}/{name}", jobs)
        if code:
            return code
        cpu, wall = (_children_s() - used) / HOUR, (time.monotonic() - began) / HOUR
        estimated = expected.left_of(owners) / HOUR
        print(
            f"{suite.name}/{name}: {cpu:.3g} CPU hours ({estimated:.3g} estimated), "
            f"{wall:.3g} hours",
            flush=True,
        )
        done |= owners
    whole = set(suite.entries) <= done
    return _zoo_run(suite.name, jobs) if whole else 0


def _zoo_run(target: str, jobs: int) -> int:
    """Run it in a process of its own, which answers all signals; its exit code."""
    command = [sys.executable, "-P", "-c", "from zoo.cli import main; main()", "run", target]
    process = subprocess.Popen([*command, "--jobs", str(jobs)], process_group=0)  # noqa: S603

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if process.poll() is None:
            os.kill(process.pid, number)

    with process, answered_by(pass_on):
        return process.wait()


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suite", description=__doc__)
    parser.add_argument("suite", help="a folder under specs/")
    parser.add_argument("entries", nargs="*", help="entries or studies, in the order to build them")
    parser.add_argument("--jobs", type=_positive, default=1, help="stages beside each other")
    parser.add_argument("--estimate", action="store_true", help="only say what it costs")
    parser.add_argument("--json", action="store_true", help="print the estimate as JSON")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
