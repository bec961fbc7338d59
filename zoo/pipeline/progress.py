"""Progress of a build: the stage's number, and the estimated time left."""

import sys

from zoo.paths import Project
from zoo.pipeline.params import ParamsFile, board_job
from zoo.records.durations import known_durations, note_duration
from zoo.spec.load import BOARD_PIPELINE


class BuildProgress:
    """The position of one stage among all stages of its suite or study.

    The estimate sums the durations of the remaining stages in an earlier build (this machine's
    or else the published one), scaled by this machine's relative speed so far.
    """

    def __init__(self, project: Project, suite: str, study: str | None = None) -> None:
        self._project, self._suite = project, suite
        self._order = entry_stages(project, suite, study) if study else stage_order(project, suite)

    def announce(self, entry: str, name: str) -> None:
        """Print the stage's position and the estimate."""
        key = f"{entry}/{name}"
        place = self._order.index(key) if key in self._order else 0
        left = self._seconds_left(self._order[place:])
        estimate = "" if left is None else f", about {time_in_words(left)} left"
        print(  # noqa: T201
            f"[{place + 1:>2}/{len(self._order)}] {self._suite}/{entry} {name}{estimate}",
            file=sys.stderr,
            flush=True,
        )

    def done(self, entry: str, name: str, seconds: float) -> None:
        """Record the stage's duration."""
        note_duration(self._project, self._suite, f"{entry}/{name}", seconds)

    def _seconds_left(self, stages: list[str]) -> float | None:
        """The seconds left; None if some stage has never been timed."""
        expected = known_durations(self._project, self._suite)
        if not all(stage in expected for stage in stages):
            return None
        return sum(expected[stage] for stage in stages)


def stage_order(project: Project, suite: str) -> list[str]:
    """All stages of a suite in execution order: `<entry>/<stage>`.

    Raises:
        ZooError: a params.json is missing or malformed.
    """
    entries = (*board_job(project, suite).entries, BOARD_PIPELINE)
    return [each for entry in entries for each in entry_stages(project, suite, entry)]


def entry_stages(project: Project, suite: str, entry: str) -> list[str]:
    """The stages of one entry or study, in execution order.

    Raises:
        ZooError: its params.json is missing or malformed.
    """
    return [f"{entry}/{name}" for name in ParamsFile(project, suite, entry).stages]


def time_in_words(seconds: float) -> str:
    """A time as a person wants it."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
