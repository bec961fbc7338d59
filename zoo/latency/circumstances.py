"""What else the machine did while calls were timed, and how it runs."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from zoo.latency.nvml import find_gpu
from zoo.records.environment import cpu_lines, instruction_sets
from zoo.records.latency import NOT_AVAILABLE, Circumstances, NotAvailable
from zoo.spec.bench import Device

BUSY_CORES = 0.1
BUSY_STEAL = 0.02
_IDLE = ("idle", "iowait")
_WORKING = ("user", "nice", "system", "irq", "softirq")
"""Of the kernel's counts; what guests take is a part of these, and what the host stole is none."""


@dataclass(frozen=True)
class Sight:
    """A machine at one moment. Times are CPU seconds of all cores together since it started."""

    at: float
    own_seconds: float
    busy_seconds: float
    stolen_seconds: float | None
    all_seconds: float
    load: float
    clock_mhz: float | None
    throttles: int | None
    """How often the processor slowed itself down; of a GPU 1 while it does."""


class Machine:
    """The machine as psutil, /proc/cpuinfo and /sys tell of it, and its GPU where that is timed.

    Seconds are of CPU time, clocks in megahertz, loads and other cores in numbers of cores.
    """

    def __init__(self, root: Path = Path("/"), device: Device = "cpu") -> None:
        self._cpu_info, self._cores = root / "proc/cpuinfo", root / "sys/devices/system/cpu"
        self._gpu = find_gpu() if device == "cuda" else None
        self._device = device

    def look(self) -> Sight:
        """The machine now."""
        cpu = psutil.cpu_times()._asdict()
        busy = sum(cpu.get(kind, 0.0) for kind in _WORKING)
        return Sight(
            at=time.monotonic(),
            own_seconds=_own_seconds(),
            busy_seconds=busy,
            stolen_seconds=cpu.get("steal"),
            all_seconds=busy + sum(cpu.get(kind, 0.0) for kind in (*_IDLE, "steal")),
            load=psutil.getloadavg()[0],
            clock_mhz=self._clock_mhz(),
            throttles=self._throttles(),
        )

    def circumstances(self, before: Sight, after: Sight) -> Circumstances:
        """What the time between two sights was like."""
        others, steal = _other_cores(before, after), _steal(before, after)
        sets = instruction_sets(cpu_lines(self._cpu_info))
        return Circumstances(
            load_before=before.load,
            load_after=after.load,
            other_cores=others,
            steal=_told(steal),
            busy=_is_busy(before, after),
            governor=self._governor(),
            clock_mhz_before=_told(before.clock_mhz),
            clock_mhz_after=_told(after.clock_mhz),
            throttled=self._throttled(before, after),
            instruction_sets=NOT_AVAILABLE if sets is None else sets,
        )

    def _clock_mhz(self) -> float | None:
        """The fastest core's: those that idle may be slower, and one of them is not timed."""
        if self._device == "cuda":
            return self._gpu.clock_mhz() if self._gpu else None
        try:
            cores = psutil.cpu_freq(percpu=True)
        except (OSError, RuntimeError):  # as virtual machines may refuse it
            return None
        return max((core.current for core in cores), default=None)

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


def _other_cores(before: Sight, after: Sight) -> float:
    busy = after.busy_seconds - before.busy_seconds - (after.own_seconds - before.own_seconds)
    return max(0.0, busy) / (after.at - before.at)


def _steal(before: Sight, after: Sight) -> float | None:
    if before.stolen_seconds is None or after.stolen_seconds is None:
        return None
    passed = after.all_seconds - before.all_seconds
    return (after.stolen_seconds - before.stolen_seconds) / passed if passed > 0 else 0.0


def _is_busy(before: Sight, after: Sight) -> bool:
    """Whether others did more than the limits by more than the counts' steps could feign.

    What the machine does not tell makes it not busy.
    """
    # Each of two readings may be a tick late: that much may be the kernel's rounding.
    if _other_cores(before, after) - 2 * _tick() / (after.at - before.at) > BUSY_CORES:
        return True
    steal = _steal(before, after)
    passed = max(after.all_seconds - before.all_seconds, _tick())
    return steal is not None and steal - 2 * _tick() / passed > BUSY_STEAL


def _told(value: float | None) -> float | NotAvailable:
    return NOT_AVAILABLE if value is None else value


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return None
