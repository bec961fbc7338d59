"""Energy per call, where the hardware has counters: RAPL for CPUs, NVML for GPUs."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from zoo.latency.measure import Clock, Runner
from zoo.latency.nvml import find_gpu
from zoo.records.latency import NOT_AVAILABLE, NotAvailable
from zoo.spec.bench import Device

ALONE_SECONDS = 0.5
"""How long a model runs alone between two readings: counters update every millisecond or slower."""
_NANOSECONDS_PER_SECOND = 1e9
_MICROJOULES_PER_MILLIJOULE = 1000


class Counter(Protocol):
    """An energy meter that starts at its creation."""

    def spent_mj(self) -> float | None:
        """Millijoules since creation; None if unreadable."""


class Rapl:
    """The package counters of Linux's powercap tree, in microjoules; they cover all processes.

    Raises:
        OSError: there is none, or it is readable only by root.
        ValueError: a counter is not a number.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        # Subdomains (intel-rapl:0:1) are parts of their package.
        self._zones = sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9]*"))
        self._zones = [zone for zone in self._zones if zone.name.count(":") == 1]
        if not self._zones:
            raise FileNotFoundError(root / "sys/class/powercap")
        self._before = self._read()

    def spent_mj(self) -> float | None:
        """Millijoules of all packages since creation, corrected for counter wrap-around."""
        spent = 0
        # A counter wraps around to 0 at the end of its range.
        for zone, before, now in zip(self._zones, self._before, self._read(), strict=True):
            turned = int((zone / "max_energy_range_uj").read_text()) if now < before else 0
            spent += now - before + turned
        return spent / _MICROJOULES_PER_MILLIJOULE

    def _read(self) -> list[int]:
        return [int((zone / "energy_uj").read_text()) for zone in self._zones]


class _NvmlCounter:
    def __init__(self, read: Callable[[], float | None]) -> None:
        self._read = read
        self._before = read()

    def spent_mj(self) -> float | None:
        now = self._read()
        return None if now is None or self._before is None else now - self._before


def start_counter(device: Device, root: Path = Path("/")) -> Counter | None:
    """An energy meter for `device`, starting now; None if there is no readable counter."""
    if device == "cuda":
        gpu = find_gpu()
        return _NvmlCounter(gpu.energy_mj) if gpu and gpu.energy_mj() is not None else None
    try:
        return Rapl(root)
    except (OSError, ValueError):
        return None


def energy_per_call(
    runner: Runner,
    start: Callable[[], Counter | None],
    clock: Clock = time.perf_counter_ns,
) -> float | NotAvailable:
    """Millijoules per call of a model running alone; skipped without a counter.

    The whole processor or card is counted, including other processes and idle power.
    """
    counter = start()
    if counter is None:
        return NOT_AVAILABLE
    end = clock() + ALONE_SECONDS * _NANOSECONDS_PER_SECOND
    calls = 0
    while calls == 0 or clock() < end:
        runner(calls)
        calls += 1
    spent = counter.spent_mj()
    return NOT_AVAILABLE if spent is None else spent / calls
