"""The machine's state and other load while calls are timed."""

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
"""Busy fields of the kernel's counters: guest time is part of these, steal time is not."""


@dataclass(frozen=True)
class Sight:
    """A snapshot of a machine. Times are CPU seconds of all cores since it started."""

    at: float
    own_seconds: float
    busy_seconds: float
    stolen_seconds: float | None
    all_seconds: float
    load: float
    clock_mhz: float | None
    throttles: int | None
    """Number of throttling events; for a GPU 1 while it throttles."""


class Machine:
    """The machine as seen by psutil, /proc/cpuinfo and /sys, and its GPU if that is timed.

    Seconds are of CPU time, clocks in megahertz, loads and other cores in numbers of cores.
    """

    def __init__(self, root: Path = Path("/"), device: Device = "cpu") -> None:
        self._cpu_info, self._cores = root / "proc/cpuinfo", root / "sys/devices/system/cpu"
        self._gpu = find_gpu() if device == "cuda" else None
        self._device = device

    def look(self) -> Sight:
        """Take a snapshot."""
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
        """The conditions between two snapshots."""
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
        """The fastest core's clock: idle cores may be slower, and are not timed."""
        if self._device == "cuda":
            return self._gpu.clock_mhz() if self._gpu else None
        try:
            cores = psutil.cpu_freq(percpu=True)
        except (OSError, RuntimeError):  # may be unavailable on virtual machines
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
    """CPU seconds of all threads of this process and of its finished children."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _tick() -> float:
    """Resolution of the kernel's counters, in seconds."""
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
    """Whether other load exceeds the limits by more than the counters' resolution.

    Unknown values count as not busy.
    """
    # Each of two readings may be one tick late.
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
