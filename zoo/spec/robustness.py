"""What a suite declares of robustness: the altered examples on which its runs are scored too."""

from typing import Literal

from zoo.spec.base import BelowData, Seed, Spec
from zoo.spec.bounds import PositiveShare

ADVERSARIAL_INPUT = "adversarial"
"""The name of the file with adversarial examples among a suite's inputs."""
Perturbation = Literal["typos", "adversarial"]
"""How examples differ from those of the dev split."""
ADVERSARIAL_SPLITS = {
    "sst2": ("sst2", "dev"),
    "qqp": ("qqp", "dev"),
    "mnli": ("mnli", "dev_matched"),
    "mnli-mm": ("mnli", "dev_mismatched"),
    "qnli": ("qnli", "dev"),
    "rte": ("rte", "dev"),
}
"""The task and the dev split to which the examples under each key of an adversarial file belong."""


class Typos(Spec):
    """The dev split with keyboard typos."""

    share: PositiveShare = 0.1
    """Share of the words of four letters or more that get a typo, one each."""
    seed: Seed = 0
    """Decides, with an example's id, which words get which typo."""


class Adversarial(Spec):
    """Adversarial examples in a file, which may be absent."""

    path: BelowData
    """A JSON file in the layout of AdvGLUE's dev set."""


class Robustness(Spec):
    """The altered examples; none by default."""

    typos: Typos | None = None
    """Those of the dev split, with typos."""
    adversarial: Adversarial | None = None
    """Others, written to mislead models; skipped where their file is absent."""

    @property
    def is_measured(self) -> bool:
        """Whether there are any."""
        return self.typos is not None or self.adversarial is not None


def adversarial_tasks() -> tuple[str, ...]:
    """The tasks that adversarial files may have, each once."""
    return tuple(dict.fromkeys(task for task, _ in ADVERSARIAL_SPLITS.values()))
