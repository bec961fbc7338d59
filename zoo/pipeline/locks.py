"""One build of a suite at a time; whoever comes second waits, and is told what it waits for."""

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import psutil

from zoo.disk import reported, spared
from zoo.locks import taken
from zoo.paths import Project, write_file

TELL_SECONDS = 10.0
"""Longest silence of whoever waits or builds."""
_POLL_SECONDS = 0.5
_DVC_LOCKS = ".dvc/tmp/rwlock"


@dataclass(frozen=True)
class Build:
    """A suite's build by this process."""

    suite: str
    status: Path
    """The file that tells others how far it is."""

    def say(self, line: str) -> None:
        """Print a line of progress, also for those who wait."""
        print(line, file=sys.stderr, flush=True)  # noqa: T201
        with spared("telling others about this build"):
            write_file(self.status, f"{line}\n")


class Waiting:
    """Says what this process waits for, at once and then now and then."""

    def __init__(self) -> None:
        self._told = -math.inf

    def tell(self, line: str) -> None:
        """Print the line, unless the last one is recent."""
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            print(line, file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def building_alone(project: Project, suite: str, what: str) -> Iterator[Build]:
    """Hold the lock of a suite's builds; wait for whoever holds it, and say who, since when.

    Raises:
        ZooError: the lock's file cannot be written.
    """
    folder = project.scratch / "building"
    path, status = folder / f"{suite}.lock", folder / f"{suite}.status"
    with reported(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    with file:
        _wait(file, suite, status)
        status.unlink(missing_ok=True)
        file.truncate(0)
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        file.write(f"process {os.getpid()} since {since} (zoo run {what})\n")
        file.flush()
        try:
            yield Build(suite, status)
        finally:
            status.unlink(missing_ok=True)


def _wait(file: IO[str], suite: str, status: Path) -> None:
    waiting = Waiting()
    while not taken(file):
        file.seek(0)
        who = file.read().strip() or "another process"
        waiting.tell(f"{suite} is being built by {who}; waiting for it: {_how_far(status)}")
        time.sleep(_POLL_SECONDS)


def _how_far(status: Path) -> str:
    try:
        return status.read_text(encoding="utf-8").strip()
    except OSError:
        return "starting"


def others_at_work(project: Project) -> dict[int, str]:
    """The live processes that hold locks of DVC, other than this one: how they were called."""
    found: dict[int, str] = {}
    with suppress(OSError, ValueError):
        held = json.loads((project.root / _DVC_LOCKS).read_text(encoding="utf-8"))
        for infos in (*held.get("write", {}).values(), *held.get("read", {}).values()):
            for info in infos if isinstance(infos, list) else [infos]:
                found[info["pid"]] = f"process {info['pid']} ({info['cmd']})"
    return {
        process: told
        for process, told in sorted(found.items())
        if process != os.getpid() and _lives(process)
    }


def wait_for_others(project: Project) -> None:
    """Wait until the processes that hold locks of DVC have ended, and say which they are.

    A `dvc repro` lets go between two stages, and fails where it finds the next one taken.
    """
    waiting, others = Waiting(), others_at_work(project)
    while alive := [told for process, told in others.items() if _lives(process)]:
        waiting.tell(f"waiting for {alive[0]}")
        time.sleep(_POLL_SECONDS)


def _lives(process: int) -> bool:
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
