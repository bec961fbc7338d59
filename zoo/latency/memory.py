"""What a model adds to a process that does nothing else."""

import ctypes
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil

from zoo.latency.measure import Runner
from zoo.latency.nvml import Gpu
from zoo.records.latency import NOT_AVAILABLE, Memory, NotAvailable

CALLS = 3
_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
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
    """Resident memory of this process.

    PyTorch maps the file of weights, which become resident only as calls touch them; compiled
    models count with what their compiler left. Where the peak cannot be forgotten (only Linux can)
    it includes what only loading needed.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._loaded = self._resident_bytes()

    def start(self) -> None:
        """Note what is held before; the libraries' own code is brought in, lest it count later."""
        if sys.platform == "linux":
            _touch_libraries(self._process)
        self._before = self._resident_bytes()

    def loaded(self) -> None:
        """Note what is held after, and forget the peak, where the kernel allows it."""
        self._loaded = self._resident_bytes()
        with suppress(OSError):
            _CLEAR_REFS.write_text(_RESET_PEAK)

    def memory(self) -> Memory:
        """What the model added, after loading and at most since."""
        return Memory(
            loaded_bytes=max(0, self._loaded - self._before),
            peak_bytes=max(0, _peak_bytes() - self._before),
        )

    def _resident_bytes(self) -> int:
        return self._process.memory_info().rss


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
    """Bytes that a model adds: it is loaded, and called `CALLS` times on the input of `turn`.

    Raises:
        OSError: the meter cannot be read.
    """
    meter.start()
    runner = load()
    meter.loaded()
    for _ in range(CALLS):
        runner(turn)
    return meter.memory()


def _peak_bytes() -> int:
    """The most since it was forgotten, which neither psutil nor getrusage tells on Linux."""
    if sys.platform == "linux":
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        (kibibytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(kibibytes) * _BYTES_PER_KIBIBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


def _touch_libraries(process: psutil.Process) -> None:
    """Map all of the files that this process has open, as far as the kernel can (Linux 5.14).

    A library's code is resident only once it runs, so that the first model would pay for it.
    """
    library = ctypes.CDLL(None)
    for region in process.memory_maps(grouped=False):
        if region.path.startswith("/") and region.perms.startswith("r"):
            begin, end = (int(address, 16) for address in region.addr.split("-"))
            size = ctypes.c_size_t(end - begin)
            library.madvise(ctypes.c_void_p(begin), size, _POPULATE_READ)
