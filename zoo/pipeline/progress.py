"""Which stage of how many, and how long the rest will take."""

import json
import sys
from pathlib import Path
from typing import Any

from zoo.paths import Project, write_file
from zoo.pipeline.sync import board_params


class Progress:
    """The place of one stage among all stages of its suite.

    Durations of earlier builds serve as weights: this machine's own where there are some, the
    published ones otherwise. What this build has taken so far tells how fast the machine is.
    """

    def __init__(self, project: Project, suite: str) -> None:
        self._project, self._suite = project, suite
        self._own = project.scratch / "durations" / f"{suite}.json"
        self._order = stage_order(project, suite)
        self._seconds = _read(project.results / suite / "durations.json") | _read(self._own)

    def announce(self, entry: str, name: str) -> None:
        """Tell the stage's place."""
        key = f"{entry}/{name}"
        place = self._order.index(key) if key in self._order else 0
        left = sum(self._seconds.get(other, 0.0) for other in self._order[place:])
        known = all(other in self._seconds for other in self._order[place:])
        estimate = f", about {_duration(left)} left" if known else ""
        print(  # noqa: T201
            f"[{place + 1:>2}/{len(self._order)}] {self._suite}/{entry} {name}{estimate}",
            file=sys.stderr,
            flush=True,
        )

    def done(self, entry: str, name: str, seconds: float) -> None:
        """Note how long the stage took."""
        own = _read(self._own) | {f"{entry}/{name}": round(seconds, 1)}
        write_file(self._own, json.dumps(own, indent=1, sort_keys=True) + "\n")


def stage_order(project: Project, suite: str) -> list[str]:
    """All stages of a suite in an order in which they can run: `<entry>/<stage>`."""
    board: dict[str, Any] = json.loads(board_params(project, suite).read_text(encoding="utf-8"))
    order: list[str] = []
    for entry in board["board"]["entries"]:
        params = project.pipelines / suite / entry / "params.json"
        names = json.loads(params.read_text(encoding="utf-8"))
        order += [f"{entry}/{name}" for name in sorted(names, key=_turn)]
    return [*order, "board/board"]


TURNS = ("pretrain", "transfer", "train", "score", "gate", "export", "latency")


def _turn(name: str) -> tuple[int, str]:
    return TURNS.index(name.partition("-")[0]), name


def _read(path: Path) -> dict[str, float]:
    try:
        stated: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stated


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
