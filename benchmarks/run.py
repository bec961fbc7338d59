"""Compare the engines: `python -m benchmarks.run`.

One training at a time, each in a process of its own, on one thread; the engines take turns.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.cases import CASES, FULL, PRECISIONS, QUICK, Case, Size
from benchmarks.engines import ENGINES, OURS, Engine
from benchmarks.measure import Cost, cost_of
from benchmarks.same_work import TOLERANCE, differences, three_steps
from benchmarks.table import Comparison, differences_table, engines_table, goals_table
from benchmarks.work import Workload
from zoo.paths import data_folder, write_file
from zoo.records.environment import capture_environment

PACKAGES = ("accelerate", "textbrewer", "torchdistill", "torchvision")
BEHIND = 1.3
"""An engine so much slower than the best of its kind is measured in one round only."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Check that all engines do the same work, time them, print the tables, write the numbers."""
    asked = _parser().parse_args(arguments)
    engines = _installed(stored=asked.stored)
    found = differences(engines, three_steps((4, 2), 128, 2_000))
    print(differences_table(found), flush=True)
    apart = [name for name, largest in found.items() if not largest <= TOLERANCE]
    if apart:
        sys.exit(f"not the same work within {TOLERANCE:g}: {', '.join(apart)}")
    size = QUICK if asked.quick else FULL
    comparisons = []
    for case in _cases(asked.only):
        for precision in asked.precision:
            work = case.work(precision, size, asked.vocabulary or _vocabulary())
            comparisons.append(compared(case, precision, work, engines, size.rounds))
    print(f"\n{engines_table(comparisons)}\n\n{goals_table(comparisons)}")
    if asked.json is not None:
        write_file(asked.json, _as_json(comparisons, size, stored=asked.stored))


def compared(
    case: Case, precision: str, work: Workload, engines: Sequence[Engine], rounds: int
) -> Comparison:
    """All engines on one work; another one begins each round.

    Raises:
        RuntimeError: an engine failed, or made another number of steps than the work has.
    """
    racing = [
        engine
        for engine in engines
        if precision in engine.precisions and (case.task or not engine.for_text_only)
    ]
    costs: dict[str, list[Cost]] = {engine.name: [] for engine in racing}
    for turn in range(rounds):
        for engine in racing[turn % len(racing) :] + racing[: turn % len(racing)]:
            cost = cost_of(engine, work)
            if cost.steps != work.steps:
                raise RuntimeError(f"{engine.name}: {cost.steps} steps instead of {work.steps}")
            costs[engine.name].append(cost)
            _tell(f"{case.label}, {precision}, round {turn + 1}: {engine.name} {cost.cpu_s:.1f} s")
        racing = _contenders(racing, costs)
    return Comparison(case, precision, costs)


def _contenders(engines: Sequence[Engine], costs: dict[str, list[Cost]]) -> list[Engine]:
    """Us, and the others that can still be the best."""
    took = {engine.name: costs[engine.name][0].cpu_s for engine in engines if not _is_ours(engine)}
    best = min(took.values(), default=0.0)
    return [each for each in engines if _is_ours(each) or took[each.name] <= BEHIND * best]


def _is_ours(engine: Engine) -> bool:
    return engine.name == OURS.name


def _installed(*, stored: bool) -> list[Engine]:
    for engine in ENGINES:
        if not engine.is_installed:
            _tell(f"{engine.name} is left out: pip install -r benchmarks/requirements.txt")
    options = {OURS.name: {"stored": True}} if stored else {}
    installed = [
        replace(engine, options=options.get(engine.name, engine.options))
        for engine in ENGINES
        if engine.is_installed
    ]
    for engine in installed:
        # Here, and not in every fork of this process.
        engine.load()
    return installed


def _cases(labels: Sequence[str]) -> list[Case]:
    """Those whose label contains one of `labels`; tasks only where their files are."""
    chosen = [case for case in CASES if not labels or any(label in case.label for label in labels)]
    if data_folder() is not None:
        return chosen
    for case in chosen:
        if case.task is not None:
            _tell(f"{case.label} is left out: set ZOO_DATA to the folder with its files")
    return [case for case in chosen if case.task is None]


def _vocabulary() -> Path:
    return (data_folder() or Path()) / "vocab" / "vocab.txt"


def _as_json(comparisons: Sequence[Comparison], size: Size, *, stored: bool) -> str:
    root = Path(__file__).parents[1]
    told = {
        "environment": capture_environment(root, libraries=PACKAGES).model_dump(),
        "size": size._asdict(),
        "stored": stored,
        "comparisons": [
            {
                "work": one.case.label,
                "precision": one.precision,
                "steps": one.ours[0].steps,
                "cpu_s": {
                    name: [cost.cpu_s for cost in costs] for name, costs in one.costs.items()
                },
            }
            for one in comparisons
        ],
    }
    return json.dumps(told, indent=2) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of small works: 3 minutes")
    parser.add_argument(
        "--only", nargs="*", default=(), metavar="TEXT", help="works by their label"
    )
    parser.add_argument("--precision", nargs="*", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument(
        "--stored",
        action="store_true",
        help="ours finds the teacher's outputs, as all but the first",
    )
    parser.add_argument("--json", type=Path, help="file for all numbers and the environment")
    parser.add_argument(
        "--vocabulary", type=Path, help="WordPieces; $ZOO_DATA/vocab/vocab.txt if not given"
    )
    return parser


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
