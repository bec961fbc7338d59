import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from zoo.latency import energy, memory, nvml
from zoo.latency.energy import Counter, Rapl, energy_per_call, start_counter
from zoo.latency.memory import NvmlMeter, ResidentMeter, measure_memory
from zoo.latency.nvml import Gpu, find_gpu
from zoo.records.latency import NOT_AVAILABLE, Memory

_POWERCAP = "sys/class/powercap"
_SECOND = 1_000_000_000
_MEBIBYTE = 2**20


def _zone(root: Path, name: str, energy_uj: int | str, most: int = 1_000_000) -> None:
    folder = root / _POWERCAP / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")


class Library:
    """A management library of NVIDIA's, with one process on the card."""

    NVML_CLOCK_SM = 1

    class NVMLError(Exception):
        """What it raises."""

    def __init__(self, processes: list[tuple[int, int | None]] | None = None) -> None:
        self.asked: list[object] = []
        self._processes = processes
        self._spent: Iterator[int] = iter((5000, 5000, 5900, 7100))

    def nvmlInit(self) -> None:  # noqa: N802  (the library's name)
        self.asked.append("init")

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        self.asked.append(index)
        return "handle"

    def nvmlDeviceGetHandleByUUID(self, name: str) -> str:  # noqa: N802
        self.asked.append(name)
        return "handle"

    def nvmlDeviceGetName(self, _: str) -> bytes:  # noqa: N802
        return b"Card 9"

    def nvmlDeviceGetClockInfo(self, _: str, kind: int) -> int:  # noqa: N802
        return 1410 * kind

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, _: str) -> int:  # noqa: N802
        return 0x01 | 0x40

    def nvmlDeviceGetTotalEnergyConsumption(self, _: str) -> int:  # noqa: N802
        return next(self._spent)

    def nvmlDeviceGetComputeRunningProcesses(self, _: str) -> list[SimpleNamespace]:  # noqa: N802
        if self._processes is None:
            raise self.NVMLError
        return [SimpleNamespace(pid=pid, usedGpuMemory=held) for pid, held in self._processes]


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path) -> None:
    """Two packages, one of which counts its cores apart as well."""
    _zone(tmp_path, "intel-rapl:0", 1000)
    _zone(tmp_path, "intel-rapl:0:0", 10)
    _zone(tmp_path, "intel-rapl:1", 500)
    counter = Rapl(tmp_path)
    _zone(tmp_path, "intel-rapl:0", 4000)
    _zone(tmp_path, "intel-rapl:0:0", 2500)
    _zone(tmp_path, "intel-rapl:1", 700)
    assert counter.spent_mj() == 3.2


def test_counter_that_began_anew_is_mended(tmp_path: Path) -> None:
    """It counts up to its range and then from nothing."""
    _zone(tmp_path, "intel-rapl:0", 999_000)
    counter = Rapl(tmp_path)
    _zone(tmp_path, "intel-rapl:0", 2000)
    assert counter.spent_mj() == 3.0


def test_no_counter_where_there_is_none_or_it_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No folder, no number, no right: none of them is an error."""
    assert start_counter("cpu", tmp_path) is None
    _zone(tmp_path, "intel-rapl:0", "none")
    assert start_counter("cpu", tmp_path) is None
    _zone(tmp_path, "intel-rapl:0", 5)
    assert start_counter("cpu", tmp_path) is not None

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert start_counter("cpu", tmp_path) is None


def test_energy_per_call_is_what_was_spent_over_all_calls() -> None:
    """A model of 0.2 s runs three times in half a second; 90 mJ make 30 for each."""
    now, turns = [0], list[int]()

    class Fixed:
        def spent_mj(self) -> float:
            return 90.0

    def call(turn: int) -> None:
        turns.append(turn)
        now[0] += _SECOND // 5

    assert energy_per_call(call, Fixed, lambda: now[0]) == 30.0
    assert turns == [0, 1, 2]


def test_nothing_runs_where_nothing_is_counted() -> None:
    """A model need not run for a number that nobody tells."""

    def never(_: int) -> None:
        raise AssertionError

    def none() -> Counter | None:
        return None

    assert energy_per_call(never, none) == NOT_AVAILABLE


def test_energy_of_a_gpu_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """NVML counts in millijoules."""
    monkeypatch.setattr(energy, "find_gpu", lambda: Gpu(Library(), "handle"))
    counter = start_counter("cuda")
    assert counter is not None
    assert counter.spent_mj() == 900.0
    monkeypatch.setattr(energy, "find_gpu", lambda: None)
    assert start_counter("cuda") is None


@pytest.mark.parametrize(("visible", "asked"), [(None, 0), ("2,0", 2), ("GPU-77,GPU-78", "GPU-77")])
def test_gpu_is_the_one_that_cuda_uses_first(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, asked: object
) -> None:
    """By number or by name, as the environment says."""
    library = Library([(os.getpid(), 7)])
    monkeypatch.setattr(nvml, "import_module", lambda _: library)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    gpu = find_gpu()
    assert gpu is not None
    assert library.asked == ["init", asked]
    assert (gpu.name(), gpu.clock_mhz(), gpu.throttled()) == ("Card 9", 1410.0, True)


@pytest.mark.parametrize(
    ("processes", "held"),
    [
        (None, None),
        ([], 0),
        ([(-1, 9)], None),
        ([(os.getpid(), 7)], 7),
        ([(os.getpid(), None)], None),
    ],
)
def test_gpu_tells_what_this_process_holds_or_nothing(
    processes: list[tuple[int, int | None]] | None, held: int | None
) -> None:
    """Only others are seen: as in a container, where our own number is another."""
    assert Gpu(Library(processes), "handle").process_bytes() == held


def test_no_gpu_without_the_binding_or_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is an error."""
    library = Library()

    def missing(_: str) -> object:
        raise ImportError

    def broken() -> None:
        raise library.NVMLError

    monkeypatch.setattr(nvml, "import_module", missing)
    assert find_gpu() is None
    monkeypatch.setattr(nvml, "import_module", lambda _: library)
    monkeypatch.setattr(library, "nvmlInit", broken)
    assert find_gpu() is None


@pytest.fixture(params=["linux", "darwin"])
def hold(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int, int], None]:
    """Let this process hold so many KiB now and at most, on either system."""
    held = [0, 0]
    status, clear_refs = tmp_path / "status", tmp_path / "clear_refs"
    monkeypatch.setattr(sys, "platform", request.param)
    monkeypatch.setattr(memory, "_STATUS", status)
    monkeypatch.setattr(
        memory, "_CLEAR_REFS", clear_refs if request.param == "linux" else tmp_path / "no/file"
    )
    monkeypatch.setattr(
        psutil.Process, "memory_info", lambda _: SimpleNamespace(rss=held[0] * 1024)
    )
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=held[1] * 1024))

    def hold(resident: int, peak: int) -> None:
        held[:] = resident, peak
        if request.param == "linux":
            status.write_text(f"Name:\tx\nVmHWM:\t{peak} kB\nVmRSS:\t{resident} kB\n")

    return hold


def test_memory_is_what_was_added(hold: Callable[[int, int], None], tmp_path: Path) -> None:
    """From before loading: after loading, and at most since; on Linux the peak is forgotten."""
    hold(1000, 9000)
    meter, turns = ResidentMeter(), list[int]()

    def call(turn: int) -> None:
        turns.append(turn)
        hold(1900, 2500)

    def load() -> object:
        hold(1600, 9000)
        return call

    found = measure_memory(meter, load, 4)  # type: ignore[arg-type]  # a runner, as an object
    assert found == Memory(loaded_bytes=600 * 1024, peak_bytes=1500 * 1024)
    assert turns == [4, 4, 4]
    if sys.platform == "linux":
        assert (tmp_path / "clear_refs").read_text() == "5"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets a peak")
def test_real_memory_is_measured() -> None:
    """A block that is held counts as loaded, one that is given back as peak."""
    kept = list[bytearray]()

    def load() -> object:
        kept.append(bytearray(os.urandom(1)) * (64 * _MEBIBYTE))
        return lambda _: len(bytearray(os.urandom(1)) * (32 * _MEBIBYTE))

    found = measure_memory(ResidentMeter(), load, 0)  # type: ignore[arg-type]
    assert isinstance(found, Memory)
    assert found.loaded_bytes == pytest.approx(64 * _MEBIBYTE, rel=0.1)
    assert found.peak_bytes == pytest.approx(96 * _MEBIBYTE, rel=0.1)


def test_memory_on_a_gpu_is_the_process_s_or_not_available() -> None:
    """By NVML's numbers, where it sees the process."""
    held = [(os.getpid(), 100)]
    meter = NvmlMeter(Gpu(Library(held), "handle"))
    meter.start()
    held[0] = (os.getpid(), 700)
    meter.loaded()
    held[0] = (os.getpid(), 900)
    assert meter.memory() == Memory(loaded_bytes=600, peak_bytes=800)
    held[0] = (-1, 900)
    assert meter.memory() == NOT_AVAILABLE
