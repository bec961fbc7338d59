"""What a model adds to a process that does nothing else."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from zoo.latency.measure import Runner
from zoo.latency.nvml import Gpu
from zoo.records.latency import NOT_AVAILABLE, Memory, NotAvailable

CALLS = 3
_PROC = Path("/proc")
_RESET_PEAK = "5"
_POPULATE_READ = 22
_BYTES_PER_KIBIBYTE = 1024


class Meter(Protocol):
    """Notes a process's memory before and after a model is loaded."""

    def start(self) -> None:
        """Note what is held before."""

    def loaded(self) -> None:
        """Note what is held after, and watch the peak from now on."""

    def memory(self) -> Memory | NotAvailable:
        """What the model added."""


class ResidentMeter:
    """Resident memory of this process by Linux's /proc.

    PyTorch maps the file of weights, which become resident only as calls touch them; compiled
    models count with what their compiler left.

    Raises:
        OSError: there is no such folder.
    """

    def __init__(self, proc: Path = _PROC) -> None:
        self._process = proc / "self"
        self._before = self._loaded = self._kibibytes("VmRSS")

    def start(self) -> None:
        """Note what is held before; the libraries' own code is brought in, lest it count later."""
        _touch_libraries(self._process / "maps")
        self._before = self._kibibytes("VmRSS")

    def loaded(self) -> None:
        """Note what is held after, and forget the peak, where the kernel allows it."""
        self._loaded = self._kibibytes("VmRSS")
        try:
            (self._process / "clear_refs").write_text(_RESET_PEAK)
        except OSError:
            return  # The peak then includes what only loading needed.

    def memory(self) -> Memory:
        """What the model added, after loading and at most since."""
        return Memory(
            loaded_bytes=max(0, self._loaded - self._before) * _BYTES_PER_KIBIBYTE,
            peak_bytes=max(0, self._kibibytes("VmHWM") - self._before) * _BYTES_PER_KIBIBYTE,
        )

    def _kibibytes(self, key: str) -> int:
        for line in (self._process / "status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == key:
                return int(value.split()[0])
        raise OSError(f"{self._process / 'status'} has no {key}")


class NvmlMeter:
    """Memory of this process on the GPU; its runtime never gives any back, so the last is most."""

    def __init__(self, gpu: Gpu) -> None:
        self._read = gpu.process_bytes
        self._before = self._loaded = self._read()

    def start(self) -> None:
        """Note what is held before."""
        self._before = self._read()

    def loaded(self) -> None:
        """Note what is held after."""
        self._loaded = self._read()

    def memory(self) -> Memory | NotAvailable:
        """What the model added, with the CUDA context it needed."""
        peak = self._read()
        if self._before is None or self._loaded is None or peak is None:
            return NOT_AVAILABLE
        return Memory(loaded_bytes=self._loaded - self._before, peak_bytes=peak - self._before)


def measure_memory(meter: Meter, load: Callable[[], Runner], turn: int) -> Memory | NotAvailable:
    """Load a model and call it a few times on the input of `turn`, under `meter`."""
    meter.start()
    runner = load()
    meter.loaded()
    for _ in range(CALLS):
        runner(turn)
    return meter.memory()


def _touch_libraries(maps: Path) -> None:
    """Map all of the files that this process has open, as far as the kernel can (Linux 5.14).

    A library's code is resident only once it runs, so that the first model would pay for it.
    """
    library = ctypes.CDLL(None)
    for line in maps.read_text().splitlines():
        span, rights, *_, name = line.split(maxsplit=5)
        if name.startswith("/") and rights.startswith("r"):
            begin, end = (int(address, 16) for address in span.split("-"))
            size = ctypes.c_size_t(end - begin)
            library.madvise(ctypes.c_void_p(begin), size, _POPULATE_READ)
