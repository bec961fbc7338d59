import shutil
import sys
from pathlib import Path

import pytest

from tests.latency.conftest import JOB
from tests.made import HASH
from zoo.data import pocket
from zoo.errors import CheckpointError, ExportError, MeasurementError
from zoo.latency import time_runs as module
from zoo.latency.isolate import run_isolated
from zoo.latency.quantiles import ratio, timing
from zoo.latency.report import MeasuredCell, Request
from zoo.latency.samples import read_samples
from zoo.latency.time_runs import measure_runs, time_runs
from zoo.paths import SAMPLES, Project
from zoo.records.latency import REPLAY, LatencyRecord, samples_name
from zoo.records.text import record_text

_CELLS = [
    (runtime, cell) for runtime in ("onnx-fp32", "onnx-int8") for cell in ("1x16", "2x48", REPLAY)
]


@pytest.fixture(scope="module")
def folder(project: Project) -> Path:
    """What the stage leaves."""
    time_runs(project, JOB)
    return project.entry("pocket", "small").latency


@pytest.fixture(scope="module")
def records(folder: Path) -> list[LatencyRecord]:
    """Its records, by name."""
    return [
        LatencyRecord.model_validate_json(file.read_text())
        for file in sorted(folder.glob("*.json"))
    ]


def test_stage_leaves_a_record_per_cell_and_one_file_of_samples(
    folder: Path, records: list[LatencyRecord]
) -> None:
    """Named so that none hides another; a declared shape is cut to the task's longest input."""
    names = [f"latency-inference-cpu-{runtime}-{cell}-1.json" for runtime, cell in _CELLS]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*names, SAMPLES])
    assert [path.name for path in (folder / SAMPLES).iterdir()] == ["inference-cpu-1.parquet"]
    assert sorted((record.runtime, record.cell) for record in records) == sorted(_CELLS)


def test_records_say_of_what_they_are(records: list[LatencyRecord]) -> None:
    """Run, digest, device, sizes and provider; tokenisation where texts were replayed."""
    for record in records:
        assert (record.suite, record.entry, record.task) == ("pocket", "small", "inference")
        assert (record.seed, record.digest, record.device) == (1, HASH, "cpu")
        assert (record.provider, record.attention) == ("CPUExecutionProvider", "graph")
        assert record.environment.device == "cpu"
        replayed = record.cell == REPLAY
        assert (record.tokenisation is not None) is replayed
        if not replayed:
            batch, _, length = record.cell.partition("x")
            assert (record.batch_size, record.lengths) == (int(batch), (int(length),) * 3)


def test_all_that_records_say_of_time_follows_from_the_samples(
    folder: Path, records: list[LatencyRecord]
) -> None:
    """Percentiles, bounds, ratio, its interval and overhead, to the last written digit."""
    samples = read_samples(folder / SAMPLES / samples_name("inference", "cpu", 1))
    assert {key[:2] for key in samples} == set(_CELLS)
    for record in records:
        calls = {who: samples[runtime, cell, who] for runtime, cell, who in samples
                 if (runtime, cell) == (record.runtime, record.cell)}  # fmt: skip
        compared = ratio(calls["student"].tolist(), calls["teacher"].tolist())
        assert compared is not None
        overhead = timing(calls["overhead"]).p50
        assert overhead is not None
        tokenisation = timing(calls["tokenisation"]) if "tokenisation" in calls else None
        again = record.model_copy(
            update={
                "student": record.student.model_copy(update={"timing": timing(calls["student"])}),
                "teacher": record.teacher.model_copy(update={"timing": timing(calls["teacher"])}),
                "tokenisation": tokenisation,
                "ratio": compared.value,
                "ratio_low": compared.low,
                "ratio_high": compared.high,
                "overhead_ms": overhead.value,
            }
        )
        assert record_text(again) == (folder / f"{record.name}.json").read_text()
        assert record.student.timing.samples == 64
        assert record.student.timing.p90 is not None
        assert record.student.timing.p95 is None


def test_replay_is_of_the_first_dev_examples(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the file's order, with the task's longest input."""
    asked = list[Request]()

    def note(request: Request) -> tuple[MeasuredCell, ...]:
        asked.append(request)
        return ()

    monkeypatch.setattr(module, "run_isolated", note)
    monkeypatch.setattr(module, "write_samples", lambda *_: None)
    measure_runs(project, JOB, tmp_path, device="cpu")
    replay = asked[0].replay
    assert replay is not None
    examples = pocket.split("inference", "dev", 9, 0).examples
    assert [(each.first, each.second) for each in replay.examples] == [
        (each.first, each.second)
        for each in examples  # type: ignore[union-attr]
    ]
    assert (replay.max_length, replay.span) == (48, False)
    assert asked[0].timeout_seconds == 1100.0
    assert asked[0].plan.samples == 64
    none = JOB.model_copy(update={"bench": JOB.bench.model_copy(update={"replay": 0})})
    measure_runs(project, none, tmp_path, device="cpu", runtimes=["torch-fp32"], shapes=["3x9"])
    assert [cell.name for cell in asked[1].cells] == ["torch-fp32 3x9"]
    assert asked[1].replay is None


def test_a_file_that_is_not_what_it_was_is_never_timed(project: Project, tmp_path: Path) -> None:
    """Neither weights nor an exported file, of student or teacher; the old folder stays."""
    shutil.copytree(project.root, tmp_path / "copy")
    copy = Project(tmp_path / "copy")
    for file in (
        copy.entry("pocket", "large").export / "inference-int8.onnx",
        copy.entry("pocket", "small").checkpoint("inference", 1) / "model.safetensors",
    ):
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises((ExportError, CheckpointError), match=r"(was modified|its files)"):
            time_runs(copy, JOB)
        file.write_bytes(content)


def test_nothing_appears_where_a_cell_fails(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shape that was asked for by name is not cut, but refused; the old folder stays."""
    monkeypatch.setattr("zoo.latency.time_runs.verified_model", lambda *_: HASH)
    shutil.copytree(project.root, tmp_path / "copy")
    copy = Project(tmp_path / "copy")
    old = copy.entry("pocket", "small").latency
    shutil.rmtree(old, ignore_errors=True)
    old.mkdir()
    (old / "old").write_text("stays")
    (copy.entry("pocket", "large").export / "inference-int8.onnx").write_bytes(b"damaged")
    with pytest.raises(MeasurementError) as caught:
        time_runs(copy, JOB)
    assert [problem.where for problem in caught.value.problems] == [
        f"onnx-int8 {cell}: measuring process" for cell in ("1x16", "2x48", REPLAY)
    ]
    assert [path.name for path in old.iterdir()] == ["old"]
    assert [path.name for path in old.parent.iterdir() if path.name.startswith(".")] == []


def test_wrong_device_is_refused_before_any_data_is_read(project: Project, tmp_path: Path) -> None:
    """All runtimes that do not go with it are named."""
    with pytest.raises(MeasurementError) as caught:
        measure_runs(
            project, JOB, tmp_path, device="cpu", runtimes=["tensorrt-fp16", "onnx-fp16"]
        )  # fmt: skip
    assert str(caught.value) == "\n".join(
        f"runtimes: {name} on device cpu\n  allowed: {name} on device cuda\n"
        f"  fix: drop {name}, or measure it on device cuda"
        for name in ("tensorrt-fp16", "onnx-fp16")
    )
    assert list(tmp_path.iterdir()) == []


def test_a_suite_is_told_what_to_install(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that is an extra and not there: the stage fails in words, and measures nothing."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    asked = ("onnx-fp32", "openvino-fp32")
    job = JOB.model_copy(update={"bench": JOB.bench.model_copy(update={"runtimes": asked})})
    with pytest.raises(MeasurementError) as caught:
        measure_runs(project, job, tmp_path, device="cpu")
    assert str(caught.value) == (
        "runtimes: openvino-fp32: openvino is not installed\n  allowed: torch-fp32, torch-bf16,"
        " compiled-fp32, compiled-bf16, onnx-fp32, onnx-int8\n"
        "  fix: pip install 'distilzoo[openvino]', or drop openvino-fp32"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_harness_adds_less_than_two_percent_to_the_fastest_model(tmp_path: Path) -> None:
    """Of two layers, 64 wide, on 1x32 in ONNX Runtime."""
    from tests.latency.conftest import write_subject  # noqa: PLC0415
    from zoo.latency.measure import TimingPlan  # noqa: PLC0415
    from zoo.latency.report import BenchCell, InputShape  # noqa: PLC0415

    small = write_subject(tmp_path / "small", 2, 64)
    cells = (BenchCell(runtime="onnx-fp32", shape=InputShape(batch=1, length=32)),)
    asked = Request(student=small, teacher=small, cells=cells, plan=TimingPlan(samples=700))
    (found,) = run_isolated(asked)
    calls = {who: timing(each).p50 for who, each in found.timed.milliseconds.items()}
    added, whole = calls["overhead"], calls["student"]
    assert added is not None
    assert whole is not None
    assert added.value < 0.02 * whole.value
