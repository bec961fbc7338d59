"""The memory that a model adds to an otherwise idle process."""

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
    """Measures a process's memory before and after loading a model."""

    def start(self) -> None:
        """Read the memory before loading."""

    def loaded(self) -> None:
        """Read the memory after loading, and track the peak from now on."""

    def memory(self) -> Memory | NotAvailable:
        """The memory added by the model."""


class ResidentMeter:
    """Resident memory of this process.

    PyTorch maps the weights file, so that weights become resident on first use; compiled models
    include their compiler's leftovers. Where the peak cannot be reset (only Linux can), it
    includes loading.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._loaded = self._resident_bytes()

    def start(self) -> None:
        """Read the memory before loading, with the libraries' code made resident first."""
        if sys.platform == "linux":
            _touch_libraries(self._process)
        self._before = self._resident_bytes()

    def loaded(self) -> None:
        """Read the memory after loading, and reset the peak where the kernel allows it."""
        self._loaded = self._resident_bytes()
        with suppress(OSError):
            _CLEAR_REFS.write_text(_RESET_PEAK)

    def memory(self) -> Memory:
        """The memory added by the model: after loading, and at its peak since."""
        return Memory(
            loaded_bytes=max(0, self._loaded - self._before),
            peak_bytes=max(0, _peak_bytes() - self._before),
        )

    def _resident_bytes(self) -> int:
        return self._process.memory_info().rss


class NvmlMeter:
    """This process's GPU memory; the runtime never releases any, so the last value is the peak."""

    def __init__(self, gpu: Gpu) -> None:
        self._read = gpu.process_bytes
        self._before = self._loaded = self._read()

    def start(self) -> None:
        """Read the memory before loading."""
        self._before = self._read()

    def loaded(self) -> None:
        """Note what is held after."""
        self._loaded = self._read()

    def memory(self) -> Memory | NotAvailable:
        """The memory added by the model, including its CUDA context."""
        peak = self._read()
        if self._before is None or self._loaded is None or peak is None:
            return NOT_AVAILABLE
        return Memory(loaded_bytes=self._loaded - self._before, peak_bytes=peak - self._before)


def measure_memory(meter: Meter, load: Callable[[], Runner], turn: int) -> Memory | NotAvailable:
    """Bytes added by a model that is loaded and called `CALLS` times on the input of `turn`.

    Raises:
        OSError: the meter is unreadable.
    """
    meter.start()
    runner = load()
    meter.loaded()
    for _ in range(CALLS):
        runner(turn)
    return meter.memory()


def _peak_bytes() -> int:
    """The peak since its reset, which neither psutil nor getrusage exposes on Linux."""
    if sys.platform == "linux":
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        (kibibytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(kibibytes) * _BYTES_PER_KIBIBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


def _touch_libraries(process: psutil.Process) -> None:
    """Make all mapped files of this process resident, if the kernel can (Linux 5.14).

    A library's code becomes resident on first use, and would count for the first model.
    """
    library = ctypes.CDLL(None)
    for region in process.memory_maps(grouped=False):
        if region.path.startswith("/") and region.perms.startswith("r"):
            begin, end = (int(address, 16) for address in region.addr.split("-"))
            size = ctypes.c_size_t(end - begin)
            library.madvise(ctypes.c_void_p(begin), size, _POPULATE_READ)
