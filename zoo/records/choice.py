"""The int8 file of a run among its candidates, chosen by a rule that its record re-derives."""

from collections.abc import Callable, Sequence

from zoo.records.measured import Amount, Count, Measure
from zoo.spec.base import Fraction, Spec
from zoo.spec.bench import Scheme

ALIKE = 1.1
"""Files whose time or size differs by at most this factor count as equally fast or small."""


class Candidate(Spec):
    """One int8 file of a run, compared with the fp32 file on training examples, one by one."""

    scheme: Scheme
    bytes: Count
    cpu_ms: Measure
    """Median CPU time of a call with one sequence of `tokens`, on one thread."""
    score: float | None
    """The primary metric; None: undefined."""
    loss: float | None
    """The fp32 file's metric minus `score`; None: undefined for this file alone."""
    flips: Amount
    """Examples whose prediction changes."""
    mean_abs_error: Measure | None
    """Mean difference of logits; None: some are not finite."""


class Choice(Spec):
    """The candidates, the rule's limit, and what it chose.

    Of the files that lose at most `most_loss`, those within 10 % of the fastest; of these, those
    within 10 % of the smallest; of these, the one with the smallest error. If every file loses
    more, the one that loses least.
    """

    examples: Count
    tokens: Count
    """Length of the timed sequence."""
    fp32_cpu_ms: Measure
    """Of the fp32 file, timed in the same rounds."""
    most_loss: Fraction
    candidates: tuple[Candidate, ...]
    chosen: Scheme
    why: str


def choose(candidates: Sequence[Candidate], most_loss: float) -> tuple[Candidate, str]:
    """The candidate that the rule of `Choice` takes, and why; the first declared of equals."""
    known = [c for c in candidates if c.loss is not None and c.mean_abs_error is not None]
    kept = [one for one in known if (one.loss or 0.0) <= most_loss]
    limit = f"{100 * most_loss:g} points"
    if not kept:
        best = min(known or candidates, key=lambda one: (one.loss or 0.0, one.cpu_ms))
        return best, f"none of {len(candidates)} loses at most {limit}; this one loses least"
    fast = _least(kept, lambda one: one.cpu_ms)
    small = _least(fast, lambda one: one.bytes)
    why = (
        f"{len(kept)} of {len(candidates)} lose at most {limit}; within 10 % of the fastest:"
        f" {len(fast)}; of these within 10 % of the smallest: {len(small)}"
    )
    if len(small) > 1:
        why += "; smallest error of logits"
    return min(small, key=lambda one: one.mean_abs_error or 0.0), why


def _least(candidates: Sequence[Candidate], cost: Callable[[Candidate], float]) -> list[Candidate]:
    most = ALIKE * min(map(cost, candidates))
    return [one for one in candidates if cost(one) <= most]
