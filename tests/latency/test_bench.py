"""The verb `zoo bench`."""

import json
from collections.abc import Sequence

import onnxruntime
import pytest

from tests.latency.conftest import JOB
from zoo.cli import bench as verb
from zoo.errors import MeasurementError, UsageError
from zoo.latency.samples import read_samples
from zoo.paths import SAMPLES, Project
from zoo.records.latency import LatencyRecord
from zoo.spec.measuring import LatencyJob


@pytest.fixture(autouse=True)
def _inside(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)


def _bench(
    entry: str = "pocket/small",
    *,
    device: str = "cpu",
    runtimes: Sequence[str] = ("onnx-fp32",),
    shapes: Sequence[str] = ("1x8",),
    samples: int | None = 70,
    task: str | None = None,
    as_json: bool = False,
) -> str:
    return verb.bench(
        entry,
        device=device,
        runtimes=runtimes,
        shapes=shapes,
        samples=samples,
        task=task,
        as_json=as_json,
    )


def _refusal(entry: str = "pocket/small", **options: object) -> str:
    with pytest.raises(UsageError) as caught:
        _bench(entry, **options)  # type: ignore[arg-type]  # wrong ones on purpose
    return str(caught.value)


def test_options_take_the_place_of_what_is_declared(project: Project) -> None:
    """Runtimes, shapes and samples; what was measured is kept apart from the pipeline's."""
    told = json.loads(_bench(as_json=True))
    records = [LatencyRecord.model_validate(record) for record in told]
    assert [(record.runtime, record.cell) for record in records] == [
        ("onnx-fp32", "1x8"),
        ("onnx-fp32", "replay"),
    ]
    assert {record.student.timing.samples for record in records} == {70}
    folder = project.entry("pocket", "small").bench("cpu")
    assert sorted(path.name for path in folder.iterdir()) == [
        *sorted(f"{record.name}.json" for record in records),
        SAMPLES,
    ]
    assert len(read_samples(folder / SAMPLES / records[0].samples)) == 3 + 4


def test_table_shows_what_may_be_said(project: Project) -> None:
    """Ratios with intervals, both models, refused percentiles with what they need, the folder."""
    lines = _bench(samples=12).splitlines()
    assert lines[0].startswith("pocket/small vs pocket/large on ")
    assert lines[0].endswith(", 1 thread")
    assert lines[1].split("  ")[0] == "task"
    ours, theirs, replayed = lines[2], lines[3], lines[4]
    assert ours.startswith("inference  onnx-fp32  1x8")
    assert "student" in ours
    assert "[" in ours
    assert theirs.split()[0] == "teacher"
    assert replayed.split()[2] == "replay"
    for floor in (64, 130, 662):
        assert f"refused (<{floor})" in ours
    assert "refused (<11)" not in ours
    assert lines[-1] == "records and raw samples: build/pocket/small/bench/cpu"
    assert project.entry("pocket", "small").bench("cpu").is_dir()


def test_too_few_samples_give_no_ratio() -> None:
    """Nothing is invented for five calls."""
    row = _bench(samples=5).splitlines()[2]
    assert row.count("refused (<11)") == 2
    assert "[" not in row


@pytest.mark.parametrize("busy", [True, False])
def test_a_busy_machine_is_told_loudly(monkeypatch: pytest.MonkeyPatch, busy: bool) -> None:
    """Then the milliseconds say little; throttling and a restless warm-up are told, too."""
    around = {"busy": busy, "other_cores": 0.25, "steal": 0.03, "throttled": busy}
    around |= {"load_before": 0.5, "load_after": 1.5, "governor": "performance"}
    told = json.loads(_bench(as_json=True))
    records = [
        LatencyRecord.model_validate(
            each | {"settled": not busy, "circumstances": each["circumstances"] | around}
        )
        for each in told
    ]
    monkeypatch.setattr(verb, "measure_runs", lambda *_, **__: records)
    seen = (
        "other processes used up to 0.25 cores, CPU steal up to 3.0 %,"
        " load 0.50 before, 1.50 after, governor performance"
    )
    cells = "onnx-fp32 1x8, onnx-fp32 replay"
    loud = [
        f"BUSY MACHINE in 2 of 2 cells: trust ratios over absolute times; {seen}",
        f"NOT STABLE after warm-up: {cells}",
        f"THROTTLED (thermal or power): {cells}",
    ]
    assert _bench().splitlines()[6:-1] == (loud if busy else [f"quiet machine: {seen}"])


def test_misspelt_options_are_refused_with_the_nearest() -> None:
    """All of them at once: what is allowed, and what was probably meant."""
    assert _refusal(runtimes=["onnx-fp23"], device="metal", task="span", shapes=["128"]) == (
        "--device metal: unknown name\n  allowed: cpu, cuda\n"
        "--runtime onnx-fp23: unknown name\n  allowed: torch-fp32, torch-bf16,"
        " compiled-fp32, compiled-bf16, onnx-fp32, onnx-fp16, onnx-int8, tensorrt-fp32,"
        " tensorrt-fp16, openvino-fp32, openvino-int8\n  fix: did you mean 'onnx-fp32'?\n"
        "--task span: unknown name\n  allowed: inference\n"
        "--shape 128: not a shape\n  allowed: <batch>x<tokens>, e.g. 1x128"
    )


def test_teacher_is_refused() -> None:
    """It is timed beside its students."""
    assert _refusal("pocket/large") == (
        "pocket/large: this entry is not timed on its own\n"
        "  allowed: a student trained on a task listed in the suite's bench settings\n"
        "  fix: a teacher is timed together with each of its students: name a student"
    )


def test_unknown_entry_is_refused() -> None:
    """As by every verb."""
    assert _refusal("pocket/none").startswith("pocket/none: pocket has no entry 'none'\n")


@pytest.mark.parametrize(
    ("entry", "file"),
    [
        ("small", f"runs/inference/{JOB.runs[0].seed}/config.json"),
        ("large", f"runs/inference/{JOB.beside[0].seed}/config.json"),
        ("small", "export/inference-fp32.onnx"),
        ("large", "export/inference-fp32.onnx"),
    ],
)
def test_what_is_not_built_is_named(project: Project, entry: str, file: str) -> None:
    """With the command that builds it; nothing is left of the measurement."""
    built = project.entry("pocket", entry).root / file
    away = built.with_name("away")
    built.rename(away)
    try:
        with pytest.raises(MeasurementError) as caught:
            _bench()
    finally:
        away.rename(built)
    assert str(caught.value) == (
        f"{built}: file not found\n  fix: build it with `zoo run pocket/{entry}`; ONNX"
        " files are those listed in the suite's bench.export.precisions"
    )


@pytest.mark.parametrize(
    ("listed", "library", "tensorrt"),
    [(True, "libnvinfer.so.10", True), (True, None, False), (False, "libnvinfer.so.10", False)],
)
def test_runtimes_of_a_gpu_are_its_own(
    monkeypatch: pytest.MonkeyPatch, listed: bool, library: str | None, tensorrt: bool
) -> None:
    """Where none is named: those that are at home there; on the CPU those that are declared.

    ONNX Runtime lists the provider of TensorRT where TensorRT is not installed, too.
    """
    asked = list[object]()

    def note(*_: object, runtimes: object, **__: object) -> list[LatencyRecord]:
        asked.append(runtimes)
        return []

    providers = ["TensorrtExecutionProvider"] if listed else ["CUDAExecutionProvider"]
    monkeypatch.setattr(verb, "measure_runs", note)
    monkeypatch.setattr(verb, "find_library", {"nvinfer": library}.get)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    _bench(device="cuda", runtimes=(), as_json=True)
    _bench(runtimes=(), as_json=True)
    more = ("tensorrt-fp16",) if tensorrt else ()
    assert asked == [("torch-fp32", "torch-bf16", "onnx-fp32", "onnx-fp16", *more), None]


def test_one_task_of_several_is_measured_alone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run only; without the option those of all tasks."""
    other = JOB.runs[0].model_copy(update={"task": "sentiment"})
    several = JOB.model_copy(update={"runs": (*JOB.runs, other), "beside": JOB.beside * 2})
    asked = list[list[str]]()

    def note(_project: Project, job: LatencyJob, *_: object, **__: object) -> list[LatencyRecord]:
        asked.append([run.task for run in job.runs])
        return []

    monkeypatch.setattr(verb, "read_job", lambda *_: several)
    monkeypatch.setattr(verb, "measure_runs", note)
    _bench(task="sentiment", as_json=True)
    _bench(as_json=True)
    assert asked == [["sentiment"], ["inference", "sentiment"]]
    assert project.entry("pocket", "small").bench("cpu").is_dir()
