"""What else the machine did while calls were timed, and how it runs."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zoo.latency.nvml import find_gpu
from zoo.records.environment import cpu_lines, instruction_sets
from zoo.records.latency import NOT_AVAILABLE, Circumstances, NotAvailable
from zoo.spec.bench import Device

BUSY_CORES = 0.1
BUSY_STEAL = 0.02
_KILOHERTZ_PER_MEGAHERTZ = 1000
_IDLE, _WAITING, _STEAL = 3, 4, 7
_COUNTED = 8
"""Of the columns of /proc/stat: those after it are parts of the first ones."""


@dataclass(frozen=True)
class Sight:
    """A machine at one moment. Times are CPU seconds of all cores together since it started."""

    at: float
    own_seconds: float
    busy_seconds: float | None
    stolen_seconds: float | None
    all_seconds: float | None
    load: float
    clock_mhz: float | None
    throttles: int | None
    """How often the processor slowed itself down; of a GPU 1 while it does."""


class Machine:
    """The machine, read from /proc and /sys below `root`, and its GPU where that is timed."""

    def __init__(self, root: Path = Path("/"), device: Device = "cpu") -> None:
        self._proc, self._cores = root / "proc", root / "sys/devices/system/cpu"
        self._gpu = find_gpu() if device == "cuda" else None
        self._device = device

    def look(
        self,
        clock: Callable[[], float] = time.monotonic,
        own: Callable[[], float] | None = None,
    ) -> Sight:
        """The machine now; `own` tells the CPU seconds of this process and what it started."""
        cpu = self._cpu_seconds()
        return Sight(
            at=clock(),
            own_seconds=(own or _own_seconds)(),
            busy_seconds=None
            if cpu is None
            else sum(cpu) - cpu[_IDLE] - cpu[_WAITING] - cpu[_STEAL],
            stolen_seconds=None if cpu is None else cpu[_STEAL],
            all_seconds=None if cpu is None else sum(cpu),
            load=self._load(),
            clock_mhz=self._clock_mhz(),
            throttles=self._throttles(),
        )

    def circumstances(self, before: Sight, after: Sight) -> Circumstances:
        """What the time between two sights was like."""
        others, steal = _other_cores(before, after), _steal(before, after)
        sets = instruction_sets(cpu_lines(self._proc / "cpuinfo"))
        return Circumstances(
            load_before=before.load,
            load_after=after.load,
            other_cores=_told(others),
            steal=_told(steal),
            busy=_is_busy(before, after),
            governor=self._governor(),
            clock_mhz_before=_told(before.clock_mhz),
            clock_mhz_after=_told(after.clock_mhz),
            throttled=self._throttled(before, after),
            instruction_sets=NOT_AVAILABLE if sets is None else sets,
        )

    def _cpu_seconds(self) -> list[float] | None:
        text = _text(self._proc / "stat")
        line = text.partition("\n")[0].split() if text else []
        if len(line) <= _COUNTED or line[0] != "cpu":
            return None
        return [int(ticks) * _tick() for ticks in line[1 : _COUNTED + 1]]

    def _load(self) -> float:
        text = _text(self._proc / "loadavg")
        return float(text.split()[0]) if text else os.getloadavg()[0]

    def _clock_mhz(self) -> float | None:
        """The fastest core's: those that idle may be slower, and one of them is not timed."""
        if self._device == "cuda":
            return self._gpu.clock_mhz() if self._gpu else None
        files = self._cores.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
        exact = [int(text) / _KILOHERTZ_PER_MEGAHERTZ for file in files if (text := _text(file))]
        lines = cpu_lines(self._proc / "cpuinfo")
        told = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
        return max(exact or told, default=None)

    def _governor(self) -> str:
        return _text(self._cores / "cpu0/cpufreq/scaling_governor") or NOT_AVAILABLE

    def _throttles(self) -> int | None:
        if self._device == "cuda":
            slowed = self._gpu.throttled() if self._gpu else None
            return None if slowed is None else int(slowed)
        files = self._cores.glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
        counts = [int(text) for file in files if (text := _text(file))]
        return sum(counts) if counts else None

    def _throttled(self, before: Sight, after: Sight) -> bool | NotAvailable:
        if before.throttles is None or after.throttles is None:
            return NOT_AVAILABLE
        if self._device == "cuda":
            return bool(before.throttles or after.throttles)
        return after.throttles > before.throttles


def _own_seconds() -> float:
    """Of all threads of this process, and of those it started that have ended."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _tick() -> float:
    """Seconds of the smallest step of the kernel's counts."""
    return 1 / os.sysconf("SC_CLK_TCK")


def _other_cores(before: Sight, after: Sight) -> float | None:
    if before.busy_seconds is None or after.busy_seconds is None:
        return None
    busy = after.busy_seconds - before.busy_seconds - (after.own_seconds - before.own_seconds)
    return max(0.0, busy) / (after.at - before.at)


def _steal(before: Sight, after: Sight) -> float | None:
    if before.stolen_seconds is None or after.stolen_seconds is None:
        return None
    assert before.all_seconds is not None
    assert after.all_seconds is not None
    passed = after.all_seconds - before.all_seconds
    return (after.stolen_seconds - before.stolen_seconds) / passed if passed > 0 else 0.0


def _is_busy(before: Sight, after: Sight) -> bool:
    """Whether others did more than the limits by more than the counts' steps could feign.

    What the machine does not tell makes it not busy.
    """
    others, steal = _other_cores(before, after), _steal(before, after)
    seconds = after.at - before.at
    if others is not None and others - 2 * _tick() / seconds > BUSY_CORES:
        return True
    if steal is None or before.all_seconds is None or after.all_seconds is None:
        return False
    passed = max(after.all_seconds - before.all_seconds, _tick())
    return steal - 2 * _tick() / passed > BUSY_STEAL


def _told(value: float | None) -> float | NotAvailable:
    return NOT_AVAILABLE if value is None else value


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return None
