import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo.data import pocket
from zoo.errors import MeasurementError
from zoo.latency import isolate
from zoo.latency.isolate import run_isolated
from zoo.latency.measure import TimingPlan
from zoo.latency.quantiles import ratio
from zoo.latency.report import (
    BenchCell,
    InputShape,
    MeasuredCell,
    Replay,
    ReplayExample,
    Report,
    Request,
    TimedModel,
)
from zoo.records.latency import Memory
from zoo.spec.bench import Runtime

_PLAN = TimingPlan(samples=70, seconds=600.0, warmup_max_rounds=20, warmup_seconds=600.0)
"""Ended by its counts, however slow the machine is."""
_SHAPES = (InputShape(batch=1, length=16), InputShape(batch=4, length=8), None)
_RUNTIMES: tuple[Runtime, ...] = ("torch-fp32", "onnx-int8")
_SMALL = BenchCell(runtime="onnx-fp32", shape=InputShape(batch=1, length=8))


@pytest.fixture(scope="module")
def asked(student: TimedModel, teacher: TimedModel) -> Request:
    """Two runtimes, one of each library, on two shapes and a replay."""
    examples = tuple(
        ReplayExample(first=example.first, second=example.second)
        for example in pocket.split("inference", "dev", 20, 0).examples
    )
    return Request(
        student=student,
        teacher=teacher,
        cells=tuple(
            BenchCell(runtime=name, shape=shape) for shape in _SHAPES for name in _RUNTIMES
        ),
        replay=Replay(examples=examples, max_length=48),
        plan=_PLAN,
        timeout_seconds=600,
    )


@pytest.fixture(scope="module")
def measured(asked: Request) -> tuple[MeasuredCell, ...]:
    """All of it, in processes."""
    return run_isolated(asked)


def _small(asked: Request, **changes: object) -> Request:
    return asked.model_copy(update={"cells": (_SMALL,), "plan": TimingPlan(samples=3), **changes})


def _answer(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(isolate, "_ENGINE", (sys.executable, "-c", program))


def test_every_cell_is_measured_once(asked: Request, measured: tuple[MeasuredCell, ...]) -> None:
    """They come in the order asked for, though each library has them in one go."""
    assert tuple(found.cell for found in measured) == asked.cells
    names = {
        (found.cell.runtime, found.timed.provider, found.timed.attention) for found in measured
    }
    assert names == {
        ("torch-fp32", "cpu", "sdpa"),
        ("onnx-int8", "CPUExecutionProvider", "graph"),
    }


def test_everybody_took_part_in_every_round(measured: tuple[MeasuredCell, ...]) -> None:
    """Student, teacher, tokenisation and overhead have as many samples, none of them nothing."""
    for found in measured:
        calls = found.timed.milliseconds
        replayed = ("tokenisation",) if found.cell.shape is None else ()
        assert tuple(calls) == (*replayed, "student", "teacher", "overhead")
        assert {len(each) for each in calls.values()} == {70}
        assert all(min(each) > 0 for each in calls.values())
        assert 10 <= found.timed.warmup_calls <= 20


def test_a_sixth_of_the_layers_is_faster_and_smaller(measured: tuple[MeasuredCell, ...]) -> None:
    """One layer against six: the whole interval lies below 1, and less memory is held."""
    for found in measured:
        calls = found.timed.milliseconds
        compared = ratio(calls["student"], calls["teacher"])
        assert compared is not None
        assert 0 < compared.low <= compared.value <= compared.high < 1
        small, large = found.memory["student"], found.memory["teacher"]
        if isinstance(small, Memory) and isinstance(large, Memory):
            assert 0 < small.loaded_bytes <= small.peak_bytes
            assert small.peak_bytes < large.peak_bytes


def test_replay_is_at_its_own_lengths(asked: Request, measured: tuple[MeasuredCell, ...]) -> None:
    """Shapes have one length; dev examples have theirs, and cutting them costs less than calls."""
    for found in measured:
        shortest, middle, longest = found.timed.lengths
        if found.cell.shape is not None:
            assert shortest == middle == longest == found.cell.shape.length
            continue
        assert 3 < shortest < longest <= 48
        tokenisation = np.median(found.timed.milliseconds["tokenisation"])
        assert 0 < tokenisation < np.median(found.timed.milliseconds["teacher"])
    assert asked.replay is not None


def test_report_survives_its_own_json(measured: tuple[MeasuredCell, ...]) -> None:
    """Written and read again a report is the same."""
    report = Report(cells=measured)
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_refusals_of_all_cells_arrive_at_once(asked: Request) -> None:
    """What cannot be measured is told with its cell, in four parts, not as a traceback."""
    cells = tuple(
        BenchCell(runtime="onnx-fp32", shape=InputShape(batch=1, length=n)) for n in (65, 8, 66)
    )
    with pytest.raises(MeasurementError) as caught:
        run_isolated(_small(asked, cells=cells))
    assert str(caught.value) == "\n".join(
        f"onnx-fp32 1x{length}: {asked.student.folder}: length: {length} tokens\n"
        "  allowed: 1 to 64, the number of positions of this checkpoint\n"
        "  fix: measure shorter inputs"
        for length in (65, 66)
    )


def test_cell_that_takes_too_long_is_named(asked: Request) -> None:
    """Its process is stopped."""
    with pytest.raises(MeasurementError) as caught:
        run_isolated(
            _small(asked, plan=TimingPlan(samples=10**9, seconds=3600), timeout_seconds=0.01)
        )  # fmt: skip
    assert str(caught.value) == (
        "onnx-fp32 1x8: measuring process: not done after 0.01 s; it was stopped\n"
        "  allowed: a result within timeout_seconds\n"
        "  fix: raise timeout_seconds, or reduce samples or shapes"
    )


def test_damaged_file_is_reported_with_its_cell(asked: Request, tmp_path: Path) -> None:
    """An exception of the runtime is no traceback of ours."""
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    student = asked.student.model_copy(update={"onnx": {"fp32": broken}})
    with pytest.raises(MeasurementError) as caught:
        run_isolated(_small(asked, student=student))
    (problem,) = caught.value.problems
    assert problem.where == "onnx-fp32 1x8: measuring process"
    assert problem.given.startswith("ended with exit code 1\n    ")
    assert "InvalidProtobuf" in problem.given
    assert problem.allowed == "a result"
    assert problem.remedy == "see the output above; a killed process may have run out of memory"


def test_threads_are_pinned_before_the_engine_starts(
    asked: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine sees the threads asked for and passive waiting, whatever the parent has."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    _answer(
        monkeypatch,
        "import os, sys; sys.exit(' '.join(os.environ[name] for name in "
        "('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OMP_WAIT_POLICY', 'HF_HUB_OFFLINE')))",
    )
    with pytest.raises(MeasurementError, match="ended with exit code 1\n    3 3 PASSIVE 1\n"):
        run_isolated(_small(asked, threads=3))


def test_engine_runs_the_code_that_asked(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not another `zoo` that lies where the command was started."""
    other = tmp_path / "zoo"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit('another zoo')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    (found,) = run_isolated(_small(asked))
    assert found.cell == _SMALL


def test_crashed_engine_is_reported_with_its_last_lines(
    asked: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of what it printed stands under the exit code."""
    _answer(monkeypatch, "import sys; [print(n, file=sys.stderr) for n in range(40)]; sys.exit(9)")
    with pytest.raises(MeasurementError) as caught:
        run_isolated(_small(asked))
    tail = "".join(f"\n    {n}" for n in range(25, 40))
    assert str(caught.value) == (
        f"engine of onnx-fp32 1x8: ended with exit code 9{tail}\n"
        "  allowed: exit code 0 and a report\n"
        "  fix: see the output above; check that no other version of the zoo is installed"
    )


def test_answer_that_is_no_report_is_refused(
    asked: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer with an unknown key or no JSON at all is shown, not guessed at."""
    _answer(monkeypatch, 'print(\'{"cells": [], "extra": 1}\')')
    with pytest.raises(MeasurementError) as caught:
        run_isolated(_small(asked))
    assert str(caught.value) == (
        'engine of onnx-fp32 1x8: its answer is no report: \'{"cells": [], "extra": 1}\\n\'\n'
        "  allowed: exit code 0 and a report\n"
        "  fix: see the output above; check that no other version of the zoo is installed"
    )


def test_all_missing_files_are_named_before_anything_starts(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configuration, tokenizer (of a replay) and exports are told at once."""
    monkeypatch.setattr(isolate, "_ENGINE", ("no such program",))
    gone = TimedModel(entry="pocket/gone", folder=tmp_path, onnx={"fp32": tmp_path / "gone.onnx"})
    cells = (_SMALL, BenchCell(runtime="onnx-fp32", shape=None))
    with pytest.raises(MeasurementError) as caught:
        run_isolated(_small(asked, cells=cells, teacher=gone))
    assert str(caught.value) == "\n".join(
        f"{tmp_path / name}: file not found\n  fix: build it with `zoo run pocket/gone`;"
        " ONNX files are those listed in the suite's bench.export.precisions"
        for name in ("config.json", "tokenizer.json", "gone.onnx")
    )


@pytest.mark.parametrize(
    ("runtime", "device", "only"),
    [
        ("onnx-int8", "cuda", "cpu"),
        ("onnx-fp16", "cpu", "cuda"),
        ("tensorrt-fp32", "cpu", "cuda"),
        ("tensorrt-fp16", "cpu", "cuda"),
    ],
)
def test_runtime_on_the_wrong_device_is_refused(
    asked: Request, runtime: Runtime, device: str, only: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would silently run elsewhere in part is not measured as if it did not."""
    monkeypatch.setattr(isolate, "_ENGINE", ("no such program",))
    cell = BenchCell(runtime=runtime, shape=InputShape(batch=1, length=8))
    files = dict.fromkeys(("fp32", "fp16", "int8"), asked.student.onnx["fp32"])
    models = {
        who: getattr(asked, who).model_copy(update={"onnx": files})
        for who in ("student", "teacher")
    }
    with pytest.raises(MeasurementError) as caught:
        run_isolated(_small(asked, cells=(cell,), device=device, **models))
    assert str(caught.value) == (
        f"runtimes: {runtime} on device {device}\n  allowed: {runtime} on device {only}\n"
        f"  fix: drop {runtime}, or measure it on device {only}"
    )


@pytest.mark.parametrize(
    "module", ["zoo.latency.isolate", "zoo.latency.time_runs", "zoo.latency.engine"]
)
def test_parent_and_engine_import_no_heavy_library(module: str) -> None:
    """Asking loads no library that computes; the engine loads one for its cells alone."""
    program = (
        f"import sys, {module}\n"
        "print(sorted({'torch', 'transformers', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_cell_of_onnx_runtime_imports_no_other(asked: Request) -> None:
    """Neither PyTorch nor transformers is in its process."""
    program = (
        "import sys\nfrom zoo.latency.cell import time_cell\n"
        "from zoo.latency.report import Request\n"
        "asked = Request.model_validate_json(sys.stdin.read())\n"
        "time_cell(asked, asked.cells[0])\n"
        "print(sorted({'torch', 'transformers', 'onnxruntime'} & set(sys.modules)))"
    )
    cells = (BenchCell(runtime="onnx-fp32", shape=None),)
    request = _small(asked, cells=cells).model_dump_json().encode()
    done = subprocess.run(
        [sys.executable, "-c", program], input=request, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"['onnxruntime']"
