"""What the stage asks for, and what its records say: each model's own figures, as measured."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.latency.conftest import JOB
from zoo.data import pocket
from zoo.data.examples import TextExample
from zoo.latency import time_runs as module
from zoo.latency.report import MeasuredCell, Request, Timed
from zoo.latency.time_runs import measure_runs
from zoo.paths import Project, onnx_name
from zoo.records.environment import Environment, capture_environment
from zoo.records.latency import NOT_AVAILABLE, Circumstances, Memory

AROUND = Circumstances(
    load_before=1.0,
    load_after=2.0,
    other_cores=0.5,
    steal=0.25,
    busy=True,
    governor="made",
    clock_mhz_before=1000.0,
    clock_mhz_after=2000.0,
    throttled=NOT_AVAILABLE,
    instruction_sets=("made",),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Requests, each answered at once with figures that differ from cell to cell and in who."""
    found: list[Request] = []

    def answer(request: Request) -> tuple[MeasuredCell, ...]:
        found.append(request)
        return tuple(
            MeasuredCell(
                cell=cell,
                timed=Timed(
                    provider=f"provider {number}",
                    attention=f"attention {number}",
                    gpu=None,
                    lengths=(number, number + 1, number + 2),
                    warmup_calls=number + 7,
                    settled=number % 2 == 0,
                    milliseconds={
                        "student": (1.0 + number,) * 40,
                        "teacher": (10.0 + number,) * 40,
                        "overhead": (0.5,) * 40,
                        **({"tokenisation": (0.1,) * 40} if cell.shape is None else {}),
                    },
                    energy_mj={"student": 3.0, "teacher": 4.0},
                    circumstances=AROUND,
                ),
                memory={
                    "student": Memory(loaded_bytes=1, peak_bytes=2),
                    "teacher": Memory(loaded_bytes=5, peak_bytes=6),
                },
            )
            for number, cell in enumerate(request.cells, start=1)
        )

    monkeypatch.setattr(module, "run_isolated", answer)
    return found


def test_every_figure_is_of_its_own_cell_and_model(
    project: Project, tmp_path: Path, asked: list[Request]
) -> None:
    """Time, memory and energy of student and teacher; where it ran and whether it settled."""
    bench = JOB.bench.model_copy(update={"replay": 0, "threads": 3})
    records = measure_runs(project, JOB.model_copy(update={"bench": bench}), tmp_path, device="cpu")
    assert [(r.runtime, r.cell, r.batch_size) for r in records] == [
        ("onnx-fp32", "1x16", 1),
        ("onnx-fp32", "2x48", 2),
        ("onnx-int8", "1x16", 1),
        ("onnx-int8", "2x48", 2),
    ]
    for number, record in enumerate(records, start=1):
        told = record.provider, record.attention, record.lengths, record.warmup_calls
        lengths = (number, number + 1, number + 2)
        assert told == (f"provider {number}", f"attention {number}", lengths, number + 7)
        assert (record.settled, record.threads) == (number % 2 == 0, 3)
        assert record.circumstances == AROUND
        times = [
            each.timing.p50.value for each in (record.student, record.teacher) if each.timing.p50
        ]
        assert times == [1.0 + number, 10.0 + number]
        memory = [each.memory.peak_bytes for each in (record.student, record.teacher)]  # type: ignore[union-attr]
        assert memory == [2, 6]
        assert [record.student.energy_mj, record.teacher.energy_mj] == [3.0, 4.0]
        assert record.ratio == pytest.approx((1.0 + number) / (10.0 + number), rel=1e-5)
    (request,) = asked
    assert request.threads == 3


def test_each_model_is_the_one_that_its_seed_and_entry_name(
    project: Project, tmp_path: Path, asked: list[Request]
) -> None:
    """The student of the job's run, beside the teacher that was distilled, each with its files."""
    measure_runs(project, JOB, tmp_path, device="cpu")
    (request,) = asked
    small, large = project.entry("pocket", "small"), project.entry("pocket", "large")
    assert request.student.folder == small.checkpoint("inference", 1)
    assert request.teacher.folder == large.checkpoint("inference", 2)
    for subject, folder in ((request.student, small), (request.teacher, large)):
        assert subject.onnx == {
            precision: folder.export / onnx_name("inference", precision)
            for precision in ("fp32", "int8")
        }
    assert (request.student.entry, request.teacher.entry) == ("pocket/small", "pocket/large")
    assert (request.plan.samples, request.plan.seconds) == (64, 200.0)
    assert request.seed == 1


def test_a_replay_is_of_the_first_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a task is scored on several."""
    splits = {
        "dev_mismatched": pocket.split("inference", "dev", 5, 1),
        "dev_matched": pocket.split("inference", "dev", 5, 0),
    }
    monkeypatch.setattr(module, "load_evaluation", lambda *_: splits)
    replay = module._replay(JOB.runs[0].model_copy(update={"task": "mnli"}), 3)
    first = splits["dev_matched"].examples[:3]
    assert [each.first for each in replay.examples] == [
        each.first for each in first if isinstance(each, TextExample)
    ]


@pytest.mark.parametrize(
    ("told", "asked_nvml", "name"),
    [([None, "card"], "other", "card"), ([None], "card", "card"), ([None], None, "cuda")],
)
def test_a_gpu_is_named_by_what_ran_on_it(
    monkeypatch: pytest.MonkeyPatch, told: list[str | None], asked_nvml: str | None, name: str
) -> None:
    """Else by NVML, and by the kind of device where neither tells."""
    gpu = asked_nvml and SimpleNamespace(name=lambda: asked_nvml)
    monkeypatch.setattr(module, "find_gpu", lambda: gpu)
    measured = [SimpleNamespace(timed=SimpleNamespace(gpu=each)) for each in told]
    assert module._device_name("cuda", measured) == name
    assert module._device_name("cpu", measured) == "cpu"


@pytest.mark.usefixtures("asked")
def test_the_libraries_of_all_timed_runtimes_are_asked_for(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a record names the version of what ran it, of an extra too."""
    told = list[list[str]]()

    def note(root: Path, device: str, libraries: list[str]) -> Environment:
        told.append(libraries)
        return capture_environment(root, device)

    monkeypatch.setattr(module, "capture_environment", note)
    names = ("torch-fp32", "compiled-fp32", "onnx-fp32")
    measure_runs(project, JOB, tmp_path, device="cpu", runtimes=names)
    assert told == [["onnxruntime", "torch"]]
