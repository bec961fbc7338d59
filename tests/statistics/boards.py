"""Made-up predictions whose true scores are known, for tests of statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from zoo.evaluation.predictions import Predictions
from zoo.spec.task import TASKS
from zoo.statistics.scored import ScoredRuns

DIGEST = "0" * 64


@dataclass(frozen=True)
class World:
    """A run is right where skill + luck of its seed + ease of the example + noise is above 0.

    All are normal. `luck`, `ease` and `noise` are standard deviations: of a seed as a whole, of an
    example for all systems alike, and of a seed on an example.
    """

    luck: float = 0.0
    ease: float = 1.0
    noise: float = 1.0

    def skill(self, accuracy: float) -> float:
        """The skill with this accuracy over all examples and seeds."""
        return float(norm.ppf(accuracy) * np.sqrt(self.luck**2 + self.ease**2 + self.noise**2))

    def right(
        self, random: np.random.Generator, skills: Sequence[float], seeds: int, examples: int
    ) -> tuple[Any, Any]:
        """Whether each run is right, (systems, seeds, examples), and its true accuracy."""
        shape = len(skills), seeds
        run = np.array(skills)[:, None] + self.luck * random.normal(size=shape)
        ease = self.ease * random.normal(size=examples)
        noise = self.noise * random.normal(size=(*shape, examples))
        truth = norm.cdf(run / np.hypot(self.ease, self.noise))
        return run[..., None] + ease + noise > 0, truth


def classified(
    task: str, gold: Sequence[int], right: Mapping[str, Any], teacher: str = "teacher"
) -> list[ScoredRuns]:
    """Entries of a task of classes; where a run, (seeds, examples), errs, it says the next class.

    The entry `teacher` is the teacher and `plain` everybody's twin.
    """
    classes = len(TASKS[task].labels)
    known = np.asarray(gold)
    return [
        scored(task, entry, known, np.where(runs, known, (known + 1) % classes), teacher)
        for entry, runs in right.items()
    ]


def scored(task: str, entry: str, gold: Any, answers: Any, teacher: str = "teacher") -> ScoredRuns:
    """One entry with answers, (seeds, examples), to examples that are numbered."""
    ids = tuple(f"{number:06d}" for number in range(len(gold)))
    golden = tuple(np.asarray(gold).tolist())
    return ScoredRuns(
        entry=entry,
        task=task,
        split="dev",
        method="teacher" if entry == teacher else "kd",
        teacher=teacher,
        twin=None if entry == teacher else "plain",
        runs={
            seed: predictions(ids, run, golden)
            for seed, run in enumerate(np.asarray(answers).tolist(), start=1)
        },
    )


def predictions(ids: Sequence[str], answers: Sequence[Any], gold: Sequence[Any]) -> Predictions:
    """Answers without logits, which statistics do not use."""
    return Predictions(tuple(ids), tuple(answers), tuple(gold), np.zeros((len(ids), 1), np.float32))
