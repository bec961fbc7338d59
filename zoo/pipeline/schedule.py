"""In what order stages run beside each other, and how long that takes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from zoo.pipeline.kinds import LATENCY
from zoo.pipeline.pending import PendingStage
from zoo.records.durations import Seconds

_TRUSTED_SECONDS = 20.0
"""Until stages of so many seconds have ended, their pace counts less than what was expected."""
_OVERDUE = 0.1
"""A stage that takes longer than expected is taken to need this part of its time again."""


@dataclass(frozen=True)
class StageSchedule:
    """Stages by their keys, in order: what each needs of the others, and which are timed."""

    needs: Mapping[str, frozenset[str]]
    timed: frozenset[str]
    jobs: int

    def next_stages(self, waiting: Iterable[str], running: Iterable[str]) -> list[str]:
        """The stages to start now: at most `jobs` run at once, each after its needs.

        Timed stages run alone, after all that need not wait for them: work beside them would
        distort what they measure.
        """
        waiting, running = list(waiting), list(running)
        if not self.timed.isdisjoint(running):
            return []
        unmade = {*running, *waiting}
        ready = [one for one in waiting if self.needs[one].isdisjoint(unmade)]
        together = [one for one in ready if one not in self.timed]
        if together or running:
            return together[: max(0, self.jobs - len(running))]
        return ready[:1]

    def seconds_left(
        self, waiting: Iterable[str], running: Mapping[str, float], expected: Seconds
    ) -> float:
        """The seconds until all have ended, if each starts as soon as it can.

        Args:
            waiting: the stages that have not begun, in order.
            running: those that have, and the seconds they have taken.
            expected: the seconds of each stage.
        """
        now, waiting = 0.0, list(waiting)
        ends = {one: _rest(expected[one], took) for one, took in running.items()}
        while waiting or ends:
            for one in self.next_stages(waiting, ends):
                waiting.remove(one)
                ends[one] = now + expected[one]
            first = min(ends, key=ends.__getitem__)
            now = ends.pop(first)
        return now


def schedule_of(stages: Iterable[PendingStage], jobs: int) -> StageSchedule:
    """The schedule of some stages."""
    stages = list(stages)
    needs = {
        one.key: frozenset(other.key for other in stages if other is not one and one.needs(other))
        for one in stages
    }
    timed = frozenset(one.key for one in stages if one.stage.kind is LATENCY)
    return StageSchedule(needs, timed, jobs)


def expected_durations(stages: Iterable[PendingStage], known: Seconds) -> Seconds | None:
    """The seconds of each stage, of its kind where it was not timed; None if none of it was."""
    expected: Seconds = {}
    for one in stages:
        alike = [took for stage, took in known.items() if _kind(stage) == one.stage.kind.name]
        if one.key not in known and not alike:
            return None
        expected[one.key] = known[one.key] if one.key in known else fmean(alike)
    return expected


def at_pace(expected: Seconds, took: Seconds) -> Seconds:
    """What is expected, at the pace of the stages that have ended."""
    planned = sum(expected[stage] for stage in took)
    factor = (_TRUSTED_SECONDS + sum(took.values())) / (_TRUSTED_SECONDS + planned)
    return {stage: seconds * factor for stage, seconds in expected.items()}


def _kind(key: str) -> str:
    """The kind of a stage, with which its name begins."""
    return key.partition("/")[2].partition("-")[0]


def _rest(expected: float, took: float) -> float:
    return expected - took if took < expected else took * _OVERDUE
