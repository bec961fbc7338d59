"""GPU state from NVIDIA's management library, if its Python binding is installed."""

import os
from dataclasses import dataclass
from importlib import import_module
from typing import Any

_SLOWED = 0x04 | 0x08 | 0x20 | 0x40 | 0x80
"""Power cap, hardware slowdown, software and hardware thermal limits, power brake."""


@dataclass(frozen=True)
class Gpu:
    """The first GPU visible to CUDA. Values that the library does not expose are None."""

    library: Any
    handle: Any

    def name(self) -> str | None:
        """The model of the card."""
        found = self._ask("nvmlDeviceGetName")
        return found.decode() if isinstance(found, bytes) else found

    def energy_mj(self) -> float | None:
        """Millijoules since the driver was loaded."""
        found = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        return None if found is None else float(found)

    def clock_mhz(self) -> float | None:
        """The clock of the streaming multiprocessors."""
        found = self._ask("nvmlDeviceGetClockInfo", self.library.NVML_CLOCK_SM)
        return None if found is None else float(found)

    def throttled(self) -> bool | None:
        """Whether the GPU is currently throttled (thermal or power)."""
        found = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        return None if found is None else bool(int(found) & _SLOWED)

    def process_bytes(self) -> int | None:
        """This process's memory on the card, including the CUDA context; 0 before it has one.

        None if the card is visible but its processes are not, as in most containers.
        """
        running = self._ask("nvmlDeviceGetComputeRunningProcesses")
        if running is None:
            return None
        held = [process.usedGpuMemory for process in running if process.pid == os.getpid()]
        if not held:
            return None if running else 0
        return None if held[0] is None else int(held[0])

    def _ask(self, question: str, *arguments: Any) -> Any:
        try:
            return getattr(self.library, question)(self.handle, *arguments)
        except (AttributeError, self.library.NVMLError):
            return None


def find_gpu() -> Gpu | None:
    """CUDA's first GPU; None without a binding, a driver or a card.

    `CUDA_VISIBLE_DEVICES` selects it by number (in bus order) or by UUID.
    """
    try:
        library: Any = import_module("pynvml")
    except ImportError:
        return None
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    try:
        library.nvmlInit()
        if first.isdecimal():
            return Gpu(library, library.nvmlDeviceGetHandleByIndex(int(first)))
        return Gpu(library, library.nvmlDeviceGetHandleByUUID(first))
    except library.NVMLError:
        return None
