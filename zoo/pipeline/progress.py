"""Which stage of how many, and how long the rest will take."""

import sys

from pydantic import BaseModel

from zoo.errors import at
from zoo.json_files import fitting
from zoo.paths import Project
from zoo.pipeline.sync import SYNC, read_jobs
from zoo.records.durations import note_duration, own_durations, published_durations
from zoo.spec.load import BOARD

TURNS = ("pretrain", "transfer", "train", "score", "gate", "export", "latency", "study")


class Progress:
    """The place of one stage among all stages of its suite, or of its study.

    The estimate adds up what the stages from here on took in an earlier build: this machine's, or
    else the published one's, times how much slower or faster this machine was until now.
    """

    def __init__(self, project: Project, suite: str, study: str | None = None) -> None:
        self._project, self._suite = project, suite
        self._order = study_order(project, suite, study) if study else stage_order(project, suite)

    def announce(self, entry: str, name: str) -> None:
        """Tell the stage's place and the estimate."""
        key = f"{entry}/{name}"
        place = self._order.index(key) if key in self._order else 0
        left = self._seconds_left(self._order[place:])
        estimate = "" if left is None else f", about {_duration(left)} left"
        print(  # noqa: T201
            f"[{place + 1:>2}/{len(self._order)}] {self._suite}/{entry} {name}{estimate}",
            file=sys.stderr,
            flush=True,
        )

    def done(self, entry: str, name: str, seconds: float) -> None:
        """Note how long the stage took."""
        note_duration(self._project, self._suite, f"{entry}/{name}", seconds)

    def _seconds_left(self, stages: list[str]) -> float | None:
        """None where some stage has never been timed anywhere."""
        own = own_durations(self._project, self._suite)
        published = published_durations(self._project, self._suite)
        both = own.keys() & published.keys()
        theirs = sum(published[stage] for stage in both)
        pace = sum(own[stage] for stage in both) / theirs if theirs else 1.0
        expected = {stage: seconds * pace for stage, seconds in published.items()} | own
        if not all(stage in expected for stage in stages):
            return None
        return sum(expected[stage] for stage in stages)


class _Board(BaseModel):
    """What is read here of a board's job."""

    entries: tuple[str, ...]


def stage_order(project: Project, suite: str) -> list[str]:
    """All stages of a suite in an order in which they can run: `<entry>/<stage>`.

    Raises:
        ZooError: a params.json is missing or damaged.
    """
    order: list[str] = []
    params = project.pipelines / suite / "params.json"
    where = at(project.relative(params), key=BOARD)
    board = fitting(_Board, read_jobs(project, params).get(BOARD), where, remedy=SYNC)
    for entry in board.entries:
        names = read_jobs(project, project.pipelines / suite / entry / "params.json")
        order += [f"{entry}/{name}" for name in sorted(names, key=_turn)]
    return [*order, "board/board"]


def study_order(project: Project, suite: str, study: str) -> list[str]:
    """The stages of a study alone: what its variants start from is built before.

    Raises:
        ZooError: its params.json is missing or damaged.
    """
    names = read_jobs(project, project.pipelines / suite / study / "params.json")
    return [f"{study}/{name}" for name in sorted(names, key=_turn_in_study)]


def _turn_in_study(name: str) -> tuple[bool, str, int]:
    """Variant by variant, and their tables last."""
    kind, _, variant = name.partition("-")
    return kind == "study", variant, _place(kind)


def _turn(name: str) -> tuple[int, str]:
    return _place(name.partition("-")[0]), name


def _place(kind: str) -> int:
    """Kinds that nobody knows come last: whoever runs one tells of it."""
    return TURNS.index(kind) if kind in TURNS else len(TURNS)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
