"""A suite's adversarial examples among its inputs: a file that not everybody has.

Stages read what was seen when the inputs were last looked at (`zoo.data.inputs`), and nothing else.
"""

from pathlib import Path

from zoo.data.absent import known_input
from zoo.data.inputs import UNKNOWN
from zoo.paths import Project, data_folder
from zoo.spec.robustness import ADVERSARIAL_INPUT


def lacks_adversarial(project: Project, suite: str) -> bool:
    """Whether the examples had never been there when the inputs were last looked at."""
    seen = project.inputs(suite) / f"{ADVERSARIAL_INPUT}.txt"
    return seen.is_file() and seen.read_text(encoding="utf-8", errors="replace") == UNKNOWN


def is_adversarial_absent(project: Project, suite: str, path: str) -> bool:
    """Whether the examples are not below `$ZOO_DATA`, and never were when they were looked at.

    What was there once is taken as unchanged, as any other input.
    """
    root = data_folder()
    there = root is not None and (root / Path(path)).is_file()
    return not there and not known_input(project, suite, ADVERSARIAL_INPUT).is_file()
