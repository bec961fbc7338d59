"""`zoo regression`: compare this machine's build with the published results."""

import json
from collections import Counter

from zoo.board.regression import Comparison, compare_suite
from zoo.cli.target import require_option
from zoo.errors import Problem, UsageError, ZooError
from zoo.paths import find_project
from zoo.spec.load import suite_names


def regression(suite: str, *, as_json: bool) -> tuple[str, int]:
    """Compare every published result; return the text to print and the exit code.

    Raises:
        UsageError: unknown suite, or nothing of it is published.
        ZooError: a result regressed, differs or is missing, unless requested as JSON.
    """
    project = find_project()
    require_option("suite", suite, suite_names(project))
    compared = list(compare_suite(project, suite))
    if not compared:
        raise UsageError(
            Problem(
                f"suite {suite}",
                "no published results to compare with",
                remedy=f"publish it first: `zoo run {suite}`, `zoo publish --suite {suite}`",
            )
        )
    failed = [_problem(comparison) for comparison in compared if comparison.failed]
    if as_json:
        text = json.dumps([vars(comparison) for comparison in compared], indent=1)
        return text, 1 if failed else 0
    if failed:
        raise ZooError(*failed)
    lines = [
        f"{c.verdict:<12}  {c.fact}: published {c.published}, built {c.built}" for c in compared
    ]
    counts = Counter(comparison.verdict for comparison in compared)
    total = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))
    return "\n".join([*lines, total]), 0


def _problem(comparison: Comparison) -> Problem:
    return Problem(
        comparison.fact,
        f"{comparison.verdict}: built {comparison.built}",
        f"published {comparison.published}",
        "find the change that caused it, or publish again if it is intended",
    )
