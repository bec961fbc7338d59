from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from zoo.latency import circumstances
from zoo.latency.circumstances import Machine, Sight
from zoo.records.latency import NOT_AVAILABLE
from zoo.spec.bench import Device

_CPU = "sys/devices/system/cpu"


class LinuxTimes(NamedTuple):
    """CPU seconds as psutil tells them on Linux; what a guest takes is a part of `user`."""

    user: float
    nice: float
    system: float
    idle: float
    iowait: float
    irq: float
    softirq: float
    steal: float
    guest: float
    guest_nice: float


class MacTimes(NamedTuple):
    """The same on macOS."""

    user: float
    nice: float
    system: float
    idle: float


class Clock(NamedTuple):
    """One core's clock."""

    current: float


class Gpu:
    """A card that tells its clock and whether it is slowed down."""

    def __init__(self, slowed: list[bool | None]) -> None:
        self._slowed = iter(slowed)

    def clock_mhz(self) -> float:
        return 1410.0

    def throttled(self) -> bool | None:
        return next(self._slowed)


@pytest.fixture(autouse=True)
def _hundred_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circumstances, "_tick", lambda: 0.01)


def _write(root: Path, **files: str) -> None:
    named = {
        "info": "proc/cpuinfo",
        "governor": f"{_CPU}/cpu0/cpufreq/scaling_governor",
        "heat": f"{_CPU}/cpu0/thermal_throttle/core_throttle_count",
        "heat_1": f"{_CPU}/cpu1/thermal_throttle/package_throttle_count",
    }
    for name, text in files.items():
        file = root / named[name]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _two_clocks(*, percpu: bool) -> list[Clock]:
    assert percpu
    return [Clock(2900.25), Clock(2100.5)]


BEFORE = Sight(
    at=100.0,
    own_seconds=3.0,
    busy_seconds=15.0,
    stolen_seconds=0.1,
    all_seconds=105.5,
    load=0.5,
    clock_mhz=None,
    throttles=None,
)


def _later(busy: float, stolen: float, passed: float) -> Sight:
    """Ten seconds after, of which this process worked five."""
    return replace(
        BEFORE,
        at=110.0,
        own_seconds=8.0,
        busy_seconds=15.0 + busy,
        stolen_seconds=0.1 + stolen,
        all_seconds=105.5 + passed,
    )


def test_others_are_what_the_machine_did_without_us(tmp_path: Path) -> None:
    """In 10 s the cores worked 10 s, 5 of them for us: others had half a core; 5 % was stolen."""
    found = Machine(tmp_path).circumstances(BEFORE, replace(_later(10, 1, 20), load=1.25))
    assert (found.load_before, found.load_after) == (0.5, 1.25)
    assert found.other_cores == pytest.approx(0.5)
    assert found.steal == pytest.approx(1 / 20)
    assert found.busy


@pytest.mark.parametrize(
    ("others", "stolen", "busy"),
    [(0, 0, False), (1.01, 0, False), (1.03, 0, True), (0, 0.42, False), (0, 0.48, True)],
)
def test_busy_is_more_than_a_tenth_of_a_core_or_two_percent_stolen(
    tmp_path: Path, others: float, stolen: float, busy: bool
) -> None:
    """Over 10 s, and beyond the two ticks that the kernel's counts may be off."""
    found = Machine(tmp_path).circumstances(BEFORE, _later(5 + others, stolen, 20))
    assert found.other_cores == pytest.approx(others / 10)
    assert found.steal == pytest.approx(stolen / 20)
    assert found.busy is busy


def test_counts_that_lag_behind_give_no_negative_cores(tmp_path: Path) -> None:
    """Our own time is exact, the machine's is counted in ticks."""
    found = Machine(tmp_path).circumstances(BEFORE, _later(4.99, 0, 0))
    assert (found.other_cores, found.steal, found.busy) == (0.0, 0.0, False)


def test_a_sight_adds_up_what_cores_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for a disk is idle, what a guest takes counts once, what the host takes is no work.

    The clock is the fastest core's.
    """
    times = LinuxTimes(1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 0.5, 0.25)
    monkeypatch.setattr(psutil, "cpu_times", lambda: times)
    monkeypatch.setattr(psutil, "getloadavg", lambda: (0.75, 0.1, 0.2))
    monkeypatch.setattr(psutil, "cpu_freq", _two_clocks)
    found = Machine(tmp_path).look()
    assert (found.busy_seconds, found.stolen_seconds, found.all_seconds) == (103.0, 128.0, 255.0)
    assert (found.load, found.clock_mhz) == (0.75, 2900.25)


def test_what_the_machine_does_not_tell_is_not_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is guessed: macOS knows no stolen time, a virtual machine may hide its clock."""

    def refuse(*, percpu: bool) -> list[Clock]:
        raise FileNotFoundError(percpu)

    monkeypatch.setattr(psutil, "cpu_times", lambda: MacTimes(1.0, 2.0, 4.0, 8.0))
    monkeypatch.setattr(psutil, "cpu_freq", refuse)
    machine = Machine(tmp_path)
    before = machine.look()
    found = machine.circumstances(before, replace(before, at=before.at + 1))
    assert (before.busy_seconds, before.all_seconds) == (7.0, 15.0)
    told = found.model_dump(exclude={"load_before", "load_after", "other_cores", "busy"})
    assert set(told.values()) == {NOT_AVAILABLE}
    assert (found.other_cores, found.busy) == (0.0, False)
    monkeypatch.setattr(psutil, "cpu_freq", lambda percpu: [] if percpu else None)
    assert machine.look().clock_mhz is None


def test_governor_heat_and_instruction_sets_are_read(tmp_path: Path) -> None:
    """Throttled is a counter of any core that moved."""
    machine = Machine(tmp_path)
    info = "cpu MHz\t\t: 2100.5\nflags\t\t: fpu avx2 avx512f avx512_vnni_not amx_int8\n"
    _write(
        tmp_path, info=info + "flags : sse\n", governor="performance\n", heat="4\n", heat_1="0\n"
    )
    before = machine.look()
    same = machine.circumstances(before, machine.look())
    _write(tmp_path, heat_1="2\n")
    found = machine.circumstances(before, machine.look())
    assert (same.throttled, found.throttled) == (False, True)
    assert found.governor == "performance"
    assert found.instruction_sets == ("avx2", "avx512f", "amx_int8")


def test_real_machine_is_read() -> None:
    """Whatever this one tells is a record; our own work is not another's."""
    machine = Machine()
    before = machine.look()
    sum(range(3_000_000))
    after = machine.look()
    assert after.own_seconds > before.own_seconds
    machine.circumstances(before, after)


@pytest.mark.parametrize(
    ("slowed", "told"),
    [
        ([False, False], False),
        ([False, True], True),
        ([True, False], True),
        ([None, False], NOT_AVAILABLE),
    ],
)
def test_gpu_tells_its_own_clock_and_throttling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slowed: list[bool | None], told: object
) -> None:
    """On device cuda the card's, not the processor's."""
    monkeypatch.setattr(circumstances, "find_gpu", lambda: Gpu(slowed))
    _write(tmp_path, heat="4\n")
    device: Device = "cuda"
    machine = Machine(tmp_path, device)
    found = machine.circumstances(machine.look(), machine.look())
    assert (found.clock_mhz_before, found.clock_mhz_after) == (1410.0, 1410.0)
    assert found.throttled == told
