import mmap
import platform
from pathlib import Path

import pytest

from zoo.latency import cell as module
from zoo.latency.cell import cell_memory, time_cell
from zoo.latency.circumstances import Machine, Sight
from zoo.latency.inputs import Tokeniser
from zoo.latency.measure import TimingPlan
from zoo.latency.memory import ResidentMeter
from zoo.latency.report import BenchCell, Replay, ReplayExample, Request, TimedModel
from zoo.records.latency import NOT_AVAILABLE

_REPLAY = Replay(
    examples=(
        ReplayExample(first="one"),
        ReplayExample(first="one and many more words than in any of the others"),
        ReplayExample(first="a few words"),
    ),
    max_length=48,
)
_CELL = BenchCell(runtime="onnx-fp32", shape=None)
_MADVISE_POPULATE = (5, 14)
_RELEASE = tuple(int(part) for part in platform.release().split(".")[:2] if part.isdecimal())


@pytest.fixture
def asked(student: TimedModel, teacher: TimedModel) -> Request:
    """A replay of three examples, the second of them the longest."""
    plan = TimingPlan(samples=4)
    return Request(student=student, teacher=teacher, cells=(_CELL,), replay=_REPLAY, plan=plan)


def test_machine_is_looked_at_around_the_timed_rounds(
    asked: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happened during loading and warm-up does not count as beside the timed calls."""
    log: list[str] = []
    look, warm_up, rounds = Machine.look, module.warm_up, module.time_rounds

    def seen(machine: Machine) -> Sight:
        log.append("look")
        return look(machine)

    def warmed(*arguments: object) -> object:
        log.append("warm up")
        return warm_up(*arguments)

    def timed(*arguments: object) -> object:
        log.append("rounds")
        return rounds(*arguments)

    monkeypatch.setattr(Machine, "look", seen)
    monkeypatch.setattr(module, "warm_up", warmed)
    monkeypatch.setattr(module, "time_rounds", timed)
    found = time_cell(asked, _CELL)
    assert log == ["warm up", "look", "rounds", "look"]
    assert list(found.milliseconds) == ["tokenisation", "student", "teacher", "overhead"]


def test_memory_is_that_of_the_longest_example(
    asked: Request, student: TimedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay's peak is where its longest example is answered."""
    turns: list[int] = []

    def note(_meter: object, _load: object, turn: int) -> str:
        turns.append(turn)
        return NOT_AVAILABLE

    monkeypatch.setattr(module, "measure_memory", note)
    cell_memory(asked, _CELL, "student")
    lengths = [len(Tokeniser(student.folder, _REPLAY)(turn)) for turn in range(3)]
    assert lengths[turns[0]] == max(lengths) > sorted(lengths)[1]


@pytest.mark.skipif(
    platform.system() != "Linux" or _RELEASE < _MADVISE_POPULATE, reason="needs Linux 5.14"
)
def test_files_that_were_open_before_a_model_do_not_count(tmp_path: Path) -> None:
    """A library's code is in memory before, though it only runs with the model."""
    size = 64 << 20
    file = tmp_path / "library"
    file.write_bytes(b"x" * size)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as code:
        meter = ResidentMeter()
        meter.start()
        meter.loaded()
        assert sum(code[::4096]) == ord("x") * size // 4096
        assert meter.memory().peak_bytes < size // 2
