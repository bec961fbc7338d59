"""The verb `zoo bench`."""

import json
from collections.abc import Sequence
from pathlib import Path

import onnxruntime
import pytest

from tests.latency.conftest import JOB
from zoo.cli import bench as verb
from zoo.errors import UsageError
from zoo.latency.samples import read_samples
from zoo.paths import SAMPLES, Project
from zoo.records.latency import Circumstances, LatencyRecord


@pytest.fixture(autouse=True)
def _inside(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)


def _bench(  # noqa: PLR0913  (options of a command)
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
    text = _bench(samples=12)
    lines = text.splitlines()
    assert lines[0].split("  ")[0] == "task"
    ours, theirs, replayed = lines[1], lines[2], lines[3]
    assert ours.startswith("inference  onnx-fp32  1x8")
    assert "small" in ours
    assert "[" in ours
    assert theirs.split()[0] == "teacher"
    assert replayed.split()[2] == "replay"
    for floor in (64, 130, 662):
        assert f"refused (under {floor})" in ours
    assert "refused (under 11)" not in ours
    assert "threads 1, provider CPUExecutionProvider" in text
    assert lines[-1] == "kept in build/pocket/small/bench/cpu"
    assert project.entry("pocket", "small").bench("cpu").is_dir()


def test_too_few_samples_give_no_ratio() -> None:
    """Nothing is invented for five calls."""
    row = _bench(samples=5).splitlines()[1]
    assert "refused (under 11)" in row
    assert "[" not in row


@pytest.mark.parametrize("busy", [True, False])
def test_a_busy_machine_is_told_loudly(monkeypatch: pytest.MonkeyPatch, busy: bool) -> None:
    """Then the milliseconds say little."""
    _bench()
    told = json.loads(_bench(as_json=True))
    around = Circumstances.model_validate(told[0]["circumstances"] | {"busy": busy})
    records = [
        LatencyRecord.model_validate(each).model_copy(update={"circumstances": around})
        for each in told
    ]
    monkeypatch.setattr(verb, "measure_runs", lambda *_, **__: records)
    loud = "THE MACHINE WAS BUSY in 2 of 2 cells: ratios hold, milliseconds do not."
    assert (loud in _bench().splitlines()) is busy


def test_misspelt_options_are_refused_with_the_nearest() -> None:
    """What is allowed, and what was probably meant."""
    assert _refusal(runtimes=["onnx-fp23"]) == (
        "--runtime onnx-fp23: there is no such runtime\n  allowed: torch-fp32, torch-bf16,"
        " compiled-fp32, compiled-bf16, onnx-fp32, onnx-fp16, onnx-int8, tensorrt-fp32,"
        " tensorrt-fp16\n  do: did you mean 'onnx-fp32'?"
    )
    assert _refusal(device="gpu") == (
        "--device gpu: there is no such device\n  allowed: cpu, cuda"
    )
    assert _refusal(task="span") == (
        "--task span: there is no such task\n  allowed: inference"
    )
    assert _refusal(shapes=["128"]).startswith("--shape 128: this is no shape\n  allowed: ")


def test_teacher_is_refused() -> None:
    """It is timed beside its students."""
    assert _refusal("pocket/large") == (
        "pocket/large: this entry has no latency of its own\n"
        "  allowed: entries that are measured beside a teacher\n"
        "  do: name one of its students: it is timed in the same rounds"
    )


def test_unknown_entry_is_refused() -> None:
    """As by every verb."""
    assert _refusal("pocket/none").startswith("pocket/none: there is no pipeline of this entry\n")


@pytest.mark.parametrize("entry", ["small", "large"])
@pytest.mark.parametrize("part", ["runs", "export"])
def test_what_is_not_built_is_named(project: Project, entry: str, part: str) -> None:
    """Before anything is started."""
    folder = project.entry("pocket", entry).root / part
    away = folder.with_name("away")
    folder.rename(away)
    try:
        told = _refusal()
    finally:
        away.rename(folder)
    seed = JOB.runs[0].seed if entry == "small" else JOB.teacher_seed
    rest = f"/inference-{seed}/checkpoint" if part == "runs" else ""
    assert told == (
        f"build/pocket/{entry}/{part}{rest}: pocket/{entry} is not built on this machine\n"
        "  do: build it first: `zoo run pocket/small`"
    )


@pytest.mark.parametrize(
    ("providers", "library", "expected"),
    [
        (["TensorrtExecutionProvider"], "libnvinfer.so", True),
        (["TensorrtExecutionProvider"], None, False),
        (["CUDAExecutionProvider"], "libnvinfer.so", False),
    ],
)
def test_tensorrt_is_measured_where_it_is_installed(
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    providers: list[str],
    library: str | None,
    expected: bool,
) -> None:
    """On a GPU, where nothing is named: the provider's name alone does not mean that it is there."""
    asked = list[object]()

    def note(*_: object, runtimes: object, **__: object) -> list[LatencyRecord]:
        asked.append(runtimes)
        return []

    monkeypatch.setattr(verb, "measure_runs", note)
    monkeypatch.setattr(verb, "find_library", lambda _: library)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    _bench(device="cuda", runtimes=(), as_json=True)
    more = ("tensorrt-fp16",) if expected else ()
    assert asked == [("torch-fp32", "torch-bf16", "onnx-fp32", "onnx-fp16", *more)]
    _bench(runtimes=(), as_json=True)
    assert asked[1] is None
