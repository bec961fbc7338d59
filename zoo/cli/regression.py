"""`zoo regression`: what was built here against what is published."""

import json
from collections import Counter

from zoo.board.regression import Comparison, compare
from zoo.errors import Problem, UsageError, ZooError
from zoo.paths import find_project


def regression(suite: str, *, as_json: bool) -> str:
    """Every published fact with its verdict.

    Raises:
        UsageError: nothing is published.
        ZooError: something is worse, other or missing.
    """
    compared = list(compare(find_project(), suite))
    if not compared:
        raise UsageError(
            Problem(
                f"suite {suite}",
                "nothing is published to compare with",
                remedy=f"publish it first: `zoo run {suite}`, `zoo publish --suite {suite}`",
            )
        )
    failed = [_problem(comparison) for comparison in compared if comparison.failed]
    if failed:
        raise ZooError(*failed)
    if as_json:
        return json.dumps([vars(comparison) for comparison in compared], indent=1)
    lines = [
        f"{c.verdict:<12}  {c.fact}: published {c.published}, built {c.built}" for c in compared
    ]
    counts = Counter(comparison.verdict for comparison in compared)
    return "\n".join([*lines, ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))])


def _problem(comparison: Comparison) -> Problem:
    return Problem(
        comparison.fact,
        f"{comparison.verdict}: built {comparison.built}",
        f"published {comparison.published}",
        "find the change that did it, or publish anew if it is meant",
    )
