"""Run the stages of a build: beside each other where nothing forbids it, and say how far it is."""

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

from zoo.cli.call import COLD, WARM, WarmCall, exit_code
from zoo.cli.stage import ANNOUNCED
from zoo.paths import Project
from zoo.pipeline.locks import TELL_SECONDS, Build
from zoo.pipeline.pending import PendingStage
from zoo.pipeline.progress import time_in_words
from zoo.pipeline.schedule import StageSchedule, at_pace, expected_durations, schedule_of
from zoo.records.durations import Seconds, known_durations
from zoo.signals import answered_by

_POLL_SECONDS = 0.1
_SHORT = 4
"""So few stages start on their own: to import everything first would take longer."""


def run_stages(project: Project, stages: Sequence[PendingStage], jobs: int, build: Build) -> int:
    """Run the stages; the exit code: 1 if one failed, and then no other is started.

    A signal to end is passed on to the stages at work; 128 and its number is the exit code.
    """
    os.environ[ANNOUNCED] = "1"
    schedule = schedule_of(stages, jobs)
    expected = expected_durations(stages, known_durations(project, build.suite))
    with warm_process(project) if len(stages) > _SHORT else nullcontext():
        return _Stages({one.key: one for one in stages}, schedule, expected, build).run()


@contextmanager
def warm_process(project: Project) -> Iterator[None]:
    """Have a warm process for the calls in the block; none where forks are unsafe."""
    if sys.platform != "linux":
        yield
        return
    # Only the owner may enter such a folder; below the project its path might be too long.
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        address = str(Path(folder) / "socket")
        command = [sys.executable, "-P", "-m", "zoo.cli.warm", address, str(os.getpid())]
        process = subprocess.Popen(  # noqa: S603
            command, cwd=project.root, stdin=subprocess.PIPE, start_new_session=True
        )
        with process:
            while not Path(address).exists() and process.poll() is None:
                time.sleep(_POLL_SECONDS)
            os.environ[WARM] = address
            try:
                yield
            finally:
                del os.environ[WARM]


class _Call:
    """A command of `zoo` at work: in the warm process, or else in one of its own."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._call: WarmCall | subprocess.Popen[bytes]
        self.began = time.monotonic()
        try:
            address = os.environ.get(WARM)
            self._call = WarmCall(address, arguments) if address else self._cold()
        except OSError:
            self._call = self._cold()

    @property
    def socket(self) -> WarmCall | None:
        """What becomes readable when the command ends."""
        return self._call if isinstance(self._call, WarmCall) else None

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if isinstance(self._call, subprocess.Popen):
            return self._call.poll()
        answer = self._call.answer(wait=False)
        if answer == COLD:
            self._call = self._cold()
            return None
        return None if answer is None else exit_code(answer)

    def send_signal(self, number: int) -> None:
        """Send a signal to the command and to what it has started."""
        if isinstance(self._call, WarmCall):
            self._call.send_signal(number)
        elif self._call.poll() is None:
            os.killpg(self._call.pid, number)

    def _cold(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-c", "from zoo.cli import main; main()"]
        return subprocess.Popen([*command, *self._arguments], process_group=0)  # noqa: S603


class _Stages:
    """The stages of a build: those that wait, those that run, and how long the others took."""

    def __init__(
        self,
        stages: dict[str, PendingStage],
        schedule: StageSchedule,
        expected: Seconds | None,
        build: Build,
    ) -> None:
        self._stages, self._schedule = stages, schedule
        self._expected, self._build = expected, build
        self._waiting = list(stages)
        self._running: dict[str, _Call] = {}
        self._took: Seconds = {}
        self._code = 0
        self._told = time.monotonic()

    def run(self) -> int:
        """Run them; the exit code."""
        with answered_by(self._pass_on):
            while self._running or (self._waiting and not self._code):
                self._start()
                self._wait()
                self._end()
                if time.monotonic() - self._told >= TELL_SECONDS:
                    self._tell(self._at_work())
        return self._code

    def _start(self) -> None:
        if self._code:
            return
        for key in self._schedule.next_stages(self._waiting, self._running):
            self._waiting.remove(key)
            self._running[key] = _Call("reproduce", self._stages[key].address)
            self._tell(str(self._stages[key]))

    def _wait(self) -> None:
        """Until a stage ends, or something is to be said."""
        sockets = [call.socket for call in self._running.values() if call.socket]
        told = self._told + TELL_SECONDS - time.monotonic()
        most = told if len(sockets) == len(self._running) else _POLL_SECONDS
        select.select(sockets, (), (), max(0.0, min(told, most)))

    def _end(self) -> None:
        for key, call in list(self._running.items()):
            code = call.poll()
            if code is not None:
                del self._running[key]
                self._took[key] = time.monotonic() - call.began
                self._code = self._code or min(code, 1)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self._code = 128 + number
        for call in self._running.values():
            call.send_signal(number)

    def _at_work(self) -> str:
        now = time.monotonic()
        return ", ".join(
            f"{self._stages[key]} ({now - call.began:.0f} s)" for key, call in self._running.items()
        )

    def _tell(self, what: str) -> None:
        self._told = time.monotonic()
        whole, begun = len(self._stages), len(self._stages) - len(self._waiting)
        self._build.say(f"[{begun:>{len(str(whole))}}/{whole}] {what}{self._left()}")

    def _left(self) -> str:
        if self._expected is None:
            return ""
        running = {key: self._told - call.began for key, call in self._running.items()}
        expected = at_pace(self._expected, self._took)
        left = self._schedule.seconds_left(self._waiting, running, expected)
        return f", about {time_in_words(left)} left"
