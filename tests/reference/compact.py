"""Loop-by-loop versions of WID's mask selection, gradient edit and decay (methods.md 2.3, 2.4)."""

import math
from collections.abc import Sequence


def published_numbers(target: int, strategy: str, update: int) -> tuple[int, int, int]:
    """Pruned of H or an A, of an F, and of M, for BERT-base, with the constants of the code."""
    delta = 768 - target
    inner = int(4 * min(update * delta / 16, delta))
    head = int(min(update * delta / 16, delta))
    if strategy == "head":
        return 64 * min(int(update / 2), int(delta / 64)), inner, head
    cut = int(delta / 12)
    each = update * int(cut / 8)
    return 12 * (cut if 12 * each > delta else each), inner, head


def kept_within(norms: Sequence[float], chunks: int, number: int) -> list[bool]:
    """Chunk by chunk, drop the smallest norm `number` times; among equals the first."""
    width = len(norms) // chunks
    kept = [True] * len(norms)
    for chunk in range(chunks):
        for _ in range(number):
            left = [i for i in range(chunk * width, (chunk + 1) * width) if kept[i]]
            kept[min(left, key=lambda i: (norms[i], i))] = False
    return kept


def kept_chunks(norms: Sequence[float], chunks: int, number: int) -> list[bool]:
    """Drop the chunk with the smallest sum of norms `number` times."""
    width = len(norms) // chunks
    scores = [sum(norms[chunk * width : (chunk + 1) * width]) for chunk in range(chunks)]
    left = list(range(chunks))
    for _ in range(number):
        left.remove(min(left, key=lambda chunk: (scores[chunk], chunk)))
    return [index // width in left for index in range(len(norms))]


Matrix = list[list[float]]


def edited(
    weight: Matrix,
    gradient: Matrix,
    moment: Matrix,
    kept: Sequence[bool],
    axis: int,
    strength: float,
) -> tuple[Matrix, Matrix]:
    """The code's gradient and first moment after the edit, entry by entry."""
    gradients = [list(row) for row in gradient]
    moments = [list(row) for row in moment]
    for row, entries in enumerate(weight):
        for column, entry in enumerate(entries):
            pruned = not kept[(row, column)[axis]]
            if pruned:
                gradients[row][column] = min(strength, 1.0) * entry
            if strength > 1.0:
                push = 0.1 * (strength - 1.0) * entry if pruned else 0.0
                moments[row][column] = 0.9 * moments[row][column] + push
    return gradients, moments


def decay_steps(
    strength: float, limits: Sequence[float], steps: int, *, corrected: bool
) -> tuple[dict[float, int], float]:
    """When a unit entry falls below each limit, and what it is after `steps`: README's schedule.

    AdamW(0.9, 0.999, 1e-6) with decay 0.01, 4,000 of 400,000 steps of warm-up to 5e-5, pruned from
    step 501 on. `corrected` says whether Adam corrects its bias; the code's does not.
    """
    entry, first, second = 1.0, 0.0, 0.0
    found: dict[float, int] = {}
    for step in range(1, steps + 1):
        rate = readme_rate(step)
        if step > 500 and strength > 1.0:
            first = 0.9 * first + 0.1 * (strength - 1.0) * entry
        gradient = entry if step <= 500 else min(strength, 1.0) * entry
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient * gradient
        bias = (1 - 0.9**step, 1 - 0.999**step) if corrected else (1.0, 1.0)
        moved = rate * (first / bias[0]) / (math.sqrt(second / bias[1]) + 1e-6)
        entry = entry * (1 - rate * 0.01) - moved
        for limit in limits:
            if abs(entry) < limit:
                found.setdefault(limit, step)
    return found, entry


def readme_rate(step: int) -> float:
    """The compactors' learning rate at a step, as in the README's command."""
    return 5e-5 * (step / 4000 if step <= 4000 else (400_000 - step) / 396_000)
