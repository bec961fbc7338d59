"""Energy per call, where the machine counts it: RAPL for processors, NVML for GPUs."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from zoo.latency.measure import Clock, Runner
from zoo.latency.nvml import find_gpu
from zoo.records.latency import NOT_AVAILABLE, NotAvailable
from zoo.spec.bench import Device

ALONE_SECONDS = 0.5
"""How long a model runs alone between two readings: counters move once in a millisecond or more."""
_NANOSECONDS_PER_SECOND = 1e9
_MICROJOULES_PER_MILLIJOULE = 1000


class Counter(Protocol):
    """A meter of energy that was read when it was made; it counts in millijoules."""

    def spent_mj(self) -> float | None:
        """Millijoules since it was made; None where it cannot be read."""


class Rapl:
    """The packages' counters of Linux's powercap tree: all that runs on them, in microjoules.

    Raises:
        OSError: there is none, or only root may read it.
        ValueError: what stands there is no number.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        # Subdomains (intel-rapl:0:1) are parts of their package.
        self._zones = sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9]*"))
        self._zones = [zone for zone in self._zones if zone.name.count(":") == 1]
        if not self._zones:
            raise FileNotFoundError(root / "sys/class/powercap")
        self._before = self._read()

    def spent_mj(self) -> float | None:
        """Millijoules of all packages since it was made; counters that began anew are mended."""
        spent = 0
        # A counter that has reached its range begins anew at 0.
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
    """A counter of what `device` uses from now on; None where there is none to be read."""
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
    """Millijoules per call of a model that runs alone; nothing is run where nothing is counted.

    The whole processor or card is counted: what else runs on it, and what it uses when idle, too.
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
