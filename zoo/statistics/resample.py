"""Sums over examples under random weights: of bootstrap resamples, and of swapped halves.

One set of weights serves all entries of a split. All differences are then paired and all ranks
joint, and an entry's numbers do not depend on who else is on the board.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np

from zoo.statistics.bootstrap import bootstrap_rows, chunks
from zoo.statistics.sums import FloatArray


def generator_of(
    task: str, split: str, purpose: Literal["bootstrap", "swap"]
) -> np.random.Generator:
    """The random numbers of one split, independent of any other split's.

    Splits of equal size must not share them: means over splits assume independence.
    """
    # Not Python's `hash`, which differs between processes.
    return np.random.default_rng(zlib.crc32(f"{purpose} {task} {split}".encode()))


def bootstrap_weights(
    examples: int, resamples: int, generator: np.random.Generator
) -> Iterator[FloatArray]:
    """How often each example is drawn, in chunks until all resamples are drawn.

    Yields:
        (rows, examples) whole numbers as float64; every row sums to `examples`.
    """
    for rows in bootstrap_rows(examples, resamples, generator):
        yield np.array([np.bincount(row, minlength=examples) for row in rows], np.float64)


def swap_weights(
    examples: int, permutations: int, generator: np.random.Generator
) -> Iterator[FloatArray]:
    """Which examples are swapped, each with probability one half, in chunks.

    Yields:
        (rows, examples) of 1 and 0 as float64.
    """
    for rows in chunks(examples, permutations):
        bits = generator.integers(0, 256, (rows, -(-examples // 8)), np.uint8)
        yield np.unpackbits(bits, axis=1, count=examples).astype(np.float64)


def weighted_sums(
    contributions: Sequence[FloatArray], weights: Iterable[FloatArray]
) -> list[FloatArray]:
    """Sums over examples under each row of weights.

    Args:
        contributions: arrays (runs, examples, K), where runs and K may differ.
        weights: arrays (rows, examples), R rows in all.

    Returns:
        For each of the arrays one (R, runs, K).
    """
    # One matrix product for all entries of the board.
    columns = np.concatenate(
        [one.transpose(1, 0, 2).reshape(one.shape[1], -1) for one in contributions], axis=1
    )
    sums = np.concatenate([chunk @ columns for chunk in weights])
    ends = np.cumsum([len(one) * one.shape[2] for one in contributions])[:-1]
    return [
        part.reshape(len(sums), len(one), one.shape[2])
        for part, one in zip(np.split(sums, ends, axis=1), contributions, strict=True)
    ]
