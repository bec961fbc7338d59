"""The journal of a stage: every event as a line of JSON, and a short progress line."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from zoo.disk import reported, spared
from zoo.paths import Project
from zoo.processes import leads

Reporter = Callable[[str], None]

_JOURNAL = "the journal"
PLAIN_SECONDS = 10.0
"""Interval of progress lines where the output is not a terminal."""


class Journal:
    """Appends events to a JSONL file and reports a stage's progress.

    A disk that refuses the file ends no stage: it goes on without a journal.
    """

    def __init__(self, path: Path, *, quiet: bool = False) -> None:
        self._file: BinaryIO | None = None
        with spared(_JOURNAL), reported(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not buffered: what a full disk refused would be tried again at the end.
            self._file = path.open("ab", buffering=0)
        self._path = path
        self._quiet = quiet
        self._told = time.monotonic()
        self._began: tuple[str, int, float] | None = None
        """The label, and the step and time at which it was first reported."""
        self._terminal = sys.stderr.isatty()

    def write(self, event: str, facts: Mapping[str, object]) -> None:
        """Note an event with its facts; the time is added."""
        line = {"event": event, "time": round(time.time(), 3), **facts}
        file, self._file = self._file, None
        if file is not None:
            with spared(_JOURNAL), reported(self._path):
                file.write(json.dumps(line, sort_keys=True).encode() + b"\n")
                self._file = file

    def progress(self, label: str, step: int, steps: int, losses: Mapping[str, float]) -> None:
        """Note a step, and report it if enough time has passed."""
        self.write("step", {"label": label, "step": step, "steps": steps, **losses})
        now = time.monotonic()
        if self._began is None or self._began[0] != label:
            self._began = label, step, now
        if self._quiet or (now - self._told < (0.5 if self._terminal else PLAIN_SECONDS)):
            return
        self._told = now
        shown = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self._say(f"  {label}: step {step} of {steps}{self._left(step, steps)}  {shown}")

    def tell(self, text: str) -> None:
        """Print a permanent line, and restart the clock of the next progress line."""
        self._told = time.monotonic()
        if not self._quiet:
            self._clear()
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def close(self) -> None:
        """End the progress line and close the file."""
        if not self._quiet:
            self._clear()
        if self._file is not None:
            self._file.close()

    def _left(self, step: int, steps: int) -> str:
        """By the steps since the first report: those before it may be of an earlier attempt."""
        assert self._began is not None
        _, first, began = self._began
        if step == first:
            return ""
        seconds = (time.monotonic() - began) / (step - first) * (steps - step)
        return f", about {seconds:.0f} s left"

    def _say(self, text: str) -> None:
        if self._terminal:
            sys.stderr.write(f"\r\x1b[2K{text[:110]}")
            sys.stderr.flush()
        else:
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def _clear(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[2K")


def stage_journal(project: Project, suite: str, entry: str, what: str) -> Journal:
    """The journal of one training of a stage, which it announces; one process of several does."""
    if not leads():
        return Journal(Path(os.devnull), quiet=True)
    journal = Journal(project.scratch / "journal" / suite / entry / f"{what}.jsonl")
    journal.tell(f"  {what}")
    return journal
