"""The job that scores altered examples."""

from typing import ClassVar

from zoo.spec.jobs import Job
from zoo.spec.recipe import RunRecipe
from zoo.spec.robustness import Robustness


class RobustnessJob(Job):
    """Score every run of an entry on altered examples."""

    run_fields: ClassVar[tuple[str, ...]] = ("runs",)

    runs: tuple[RunRecipe, ...]
    robustness: Robustness
