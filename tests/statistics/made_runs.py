"""Made-up answers of entries of known quality, for tests of what is said of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from zoo.evaluation.predictions import Predictions
from zoo.statistics.estimate import Draws
from zoo.statistics.resample import bootstrap_weights
from zoo.statistics.scored import ScoredRuns

NO_LOGITS = np.zeros((1, 1), np.float32)


def run(gold: Sequence[Any], answers: Sequence[Any]) -> Predictions:
    """Predictions whose ids count the examples."""
    ids = tuple(f"{number:06d}" for number in range(len(gold)))
    return Predictions(ids, tuple(answers), tuple(gold), NO_LOGITS)


def scored(
    entry: str,
    runs: Mapping[int, Predictions],
    *,
    task: str = "sentiment",
    split: str = "dev",
    method: str = "kd",
    teacher: str = "teacher",
    twin: str | None = "twin",
) -> ScoredRuns:
    """An entry on one split; a student of `teacher` unless said otherwise."""
    return ScoredRuns(entry, task, split, method, teacher, twin, runs)


def classes(
    generator: np.random.Generator, right: np.ndarray, count: int = 2
) -> tuple[list[int], list[list[int]]]:
    """Gold classes, and answers (rows) that are right where `right` (rows, examples) says so."""
    gold = generator.integers(0, count, right.shape[1])
    other = (gold + generator.integers(1, count, right.shape)) % count
    return gold.tolist(), np.where(right, gold, other).tolist()


def right_answers(
    generator: np.random.Generator,
    skills: np.ndarray,
    examples: int,
    difficulty: float = 1.0,
) -> np.ndarray:
    """Whether runs of these skills (any shape, S) are right: (S, examples).

    Examples differ in how hard they are, by a normal of deviation `difficulty`; given that, runs
    are right independently with probability Phi(skill - hardness).
    """
    hardness = generator.normal(0, difficulty, examples)
    chance = norm.cdf(np.asarray(skills)[..., None] - hardness)
    return generator.random(chance.shape) < chance


def expected_accuracy(skill: float, difficulty: float = 1.0, seed_deviation: float = 0.0) -> float:
    """The accuracy of `right_answers` over all examples, and seeds whose skill varies."""
    return float(norm.cdf(skill / np.sqrt(1 + difficulty**2 + seed_deviation**2)))


def accuracy_draws(
    generator: np.random.Generator, right: np.ndarray, resamples: int = 400
) -> list[Draws]:
    """The draws of accuracy for entries (entries, seeds, examples) on the same resamples."""
    entries, seeds, examples = right.shape
    rows = right.reshape(entries * seeds, examples).astype(np.float64)
    weights = np.concatenate(list(bootstrap_weights(examples, resamples, generator)))
    resampled = (rows @ weights.T / examples).reshape(entries, seeds, resamples)
    return [
        Draws(tuple(range(seeds)), values.mean(1), draws)
        for values, draws in zip(right, resampled, strict=True)
    ]


def binomial_bounds(trials: int, chance: float, coverage: float = 0.999) -> tuple[float, float]:
    """Between which shares a fair count of `trials` falls, nearly always."""
    half = norm.ppf((1 + coverage) / 2) * np.sqrt(chance * (1 - chance) / trials)
    return chance - half, chance + half
