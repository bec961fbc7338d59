from pathlib import Path

import pytest

from zoo.latency import circumstances
from zoo.latency.circumstances import Machine, Sight
from zoo.records.latency import NOT_AVAILABLE
from zoo.spec.bench import Device

_CPU = "sys/devices/system/cpu"


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
        "stat": "proc/stat",
        "load": "proc/loadavg",
        "info": "proc/cpuinfo",
        "governor": f"{_CPU}/cpu0/cpufreq/scaling_governor",
        "clock": f"{_CPU}/cpu1/cpufreq/scaling_cur_freq",
        "heat": f"{_CPU}/cpu0/thermal_throttle/core_throttle_count",
        "heat_1": f"{_CPU}/cpu1/thermal_throttle/package_throttle_count",
    }
    for name, text in files.items():
        file = root / named[name]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _stat(user: int, system: int, idle: int, steal: int = 0, guest: int = 0) -> str:
    """Ticks of /proc/stat; what a guest takes is a part of `user`."""
    return f"cpu  {user} 0 {system} {idle} 40 0 0 {steal} {guest} 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n"


def _look(machine: Machine, at: float, own: float) -> Sight:
    return machine.look(clock=lambda: at, own=lambda: own)


def test_others_are_what_the_machine_did_without_us(tmp_path: Path) -> None:
    """In 10 s the cores worked 14 s, 9 of them for us: others had half a core; 5 % was stolen."""
    machine = Machine(tmp_path)
    _write(tmp_path, load="0.50 0.1 0.1 1/99 7\n", stat=_stat(1000, 500, 9000, 10, guest=300))
    before = _look(machine, 100.0, 3.0)
    _write(tmp_path, load="1.25 0.1 0.1 1/99 7\n", stat=_stat(2200, 700, 9500, 110, guest=900))
    found = machine.circumstances(before, _look(machine, 110.0, 12.0))
    assert (found.load_before, found.load_after) == (0.5, 1.25)
    assert found.other_cores == pytest.approx(0.5)
    assert found.steal == pytest.approx(100 / 2000)
    assert found.busy


@pytest.mark.parametrize(
    ("ticks", "stolen", "busy"),
    [(0, 0, False), (101, 0, False), (103, 0, True), (0, 42, False), (0, 48, True)],
)
def test_busy_is_more_than_a_tenth_of_a_core_or_two_percent_stolen(
    tmp_path: Path, ticks: int, stolen: int, busy: bool
) -> None:
    """Over 10 s, and beyond the two ticks that the kernel's counts may be off."""
    machine = Machine(tmp_path)
    _write(tmp_path, load="0 0 0 1/9 7", stat=_stat(1000, 0, 1000))
    before = _look(machine, 0.0, 0.0)
    _write(tmp_path, stat=_stat(1500 + ticks, 0, 2500 - ticks - stolen, stolen))
    found = machine.circumstances(before, _look(machine, 10.0, 5.0))
    assert found.other_cores == pytest.approx(ticks / 1000)
    assert found.steal == pytest.approx(stolen / 2000)
    assert found.busy is busy


def test_counts_that_lag_behind_give_no_negative_cores(tmp_path: Path) -> None:
    """Our own time is exact, the machine's is counted in ticks."""
    machine = Machine(tmp_path)
    _write(tmp_path, load="0 0 0 1/9 7", stat=_stat(1000, 0, 1000))
    before = _look(machine, 0.0, 0.0)
    found = machine.circumstances(before, _look(machine, 1.0, 0.004))
    assert (found.other_cores, found.steal, found.busy) == (0.0, 0.0, False)


def test_clock_governor_heat_and_instruction_sets_are_read(tmp_path: Path) -> None:
    """The clock is the fastest core's; throttled is a counter of any core that moved."""
    machine = Machine(tmp_path)
    info = "cpu MHz\t\t: 2100.5\nflags\t\t: fpu avx2 avx512f avx512_vnni_not amx_int8\n"
    _write(
        tmp_path,
        load="0 0 0 1/9 7",
        info=info + "cpu MHz\t\t: 2900.25\nflags : sse\n",
        governor="performance\n",
        heat="4\n",
        heat_1="0\n",
    )
    before = _look(machine, 0.0, 0.0)
    same = machine.circumstances(before, _look(machine, 1.0, 0.0))
    _write(tmp_path, clock="3100000\n", heat_1="2\n")
    found = machine.circumstances(before, _look(machine, 1.0, 0.0))
    assert (found.clock_mhz_before, found.clock_mhz_after) == (2900.25, 3100.0)
    assert (same.throttled, found.throttled) == (False, True)
    assert found.governor == "performance"
    assert found.instruction_sets == ("avx2", "avx512f", "amx_int8")


def test_what_the_machine_does_not_tell_is_not_available(tmp_path: Path) -> None:
    """Nothing is guessed where there is no /proc and no /sys."""
    machine = Machine(tmp_path)
    found = machine.circumstances(_look(machine, 0.0, 0.0), _look(machine, 1.0, 0.5))
    told = found.model_dump(exclude={"load_before", "load_after", "busy"})
    assert set(told.values()) == {NOT_AVAILABLE}
    assert found.load_before > 0 or found.load_after >= 0
    assert found.busy is False


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
    _write(tmp_path, load="0 0 0 1/9 7", clock="3100000\n", heat="4\n")
    device: Device = "cuda"
    machine = Machine(tmp_path, device)
    found = machine.circumstances(_look(machine, 0.0, 0.0), _look(machine, 1.0, 0.0))
    assert (found.clock_mhz_before, found.clock_mhz_after) == (1410.0, 1410.0)
    assert found.throttled == told
