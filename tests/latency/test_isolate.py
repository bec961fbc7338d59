import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.errors import MeasurementError
from zoo.latency import child, isolate
from zoo.latency.isolate import run_isolated
from zoo.latency.machine import cpu_governor, instruction_sets
from zoo.latency.measure import Plan, percentile
from zoo.latency.report import Report, Request, Shape, Subject

_PLAN = Plan(samples=70, seconds=5.0, warmup_max_rounds=20)


@pytest.fixture(scope="module")
def request_(student: Subject, teacher: Subject) -> Request:
    return Request(
        student=student,
        teacher=teacher,
        runtimes=("torch-fp32", "onnx-int8"),
        shapes=(Shape(batch=1, length=16), Shape(batch=4, length=8)),
        plan=_PLAN,
        timeout_seconds=60,
    )


@pytest.fixture(scope="module")
def report(request_: Request) -> Report:
    return run_isolated(request_)


def _answer(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(isolate, "_CHILD", (sys.executable, "-c", program))


def test_every_cell_is_measured_once(report: Report) -> None:
    """Both models in each runtime at each shape are there, in the order they took turns."""
    assert [(cell.batch, cell.length, cell.runtime, cell.who) for cell in report.cells] == [
        (batch, length, runtime, who)
        for batch, length in ((1, 16), (4, 8))
        for runtime in ("torch-fp32", "onnx-int8")
        for who in ("student", "teacher")
    ]


def test_cells_hold_raw_samples_and_what_may_be_said_of_them(report: Report) -> None:
    """Raw samples are kept; p50 and p90 follow from them, p95 and p99 are refused at 70."""
    for cell in report.cells:
        assert len(cell.latency_ms) == 70
        assert min(cell.latency_ms) > 0
        assert cell.latency_ms_p50 == percentile(cell.latency_ms, 50) is not None
        assert cell.latency_ms_p90 == percentile(cell.latency_ms, 90) is not None
        assert cell.latency_ms_p95 is None
        assert cell.latency_ms_p99 is None
        assert 10 <= cell.warmup_calls <= 20 or cell.settled is False
        torch = cell.runtime.startswith("torch")
        assert cell.provider == ("cpu" if torch else "CPUExecutionProvider")


def test_a_sixth_of_the_layers_is_faster(report: Report) -> None:
    """One layer against six: the ratio and its whole interval lie below 1 in every runtime."""
    assert [(entry.batch, entry.length, entry.runtime) for entry in report.comparisons] == [
        (1, 16, "torch-fp32"),
        (1, 16, "onnx-int8"),
        (4, 8, "torch-fp32"),
        (4, 8, "onnx-int8"),
    ]
    for entry in report.comparisons:
        assert None not in (entry.low, entry.value, entry.high)
        assert 0 < entry.low <= entry.value <= entry.high < 1


def test_circumstances_are_told(report: Report) -> None:
    """Threads, load, clock policy and instruction sets stand beside the numbers."""
    told = report.circumstances
    assert told.threads == 1
    assert all(load >= 0 for load in (*told.load_average_before, *told.load_average_after))
    assert told.cpu_governor == cpu_governor()
    assert told.instruction_sets == instruction_sets()


def test_report_survives_its_own_json(report: Report) -> None:
    """Written and read again a report is the same."""
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_too_few_samples_are_refused_not_invented(request_: Request) -> None:
    """With five samples the raw numbers are there and nothing is concluded from them."""
    few = request_.model_copy(
        update={
            "plan": Plan(samples=5, warmup_max_rounds=2),
            "runtimes": ("torch-bf16",),
            "shapes": (Shape(batch=1, length=8),),
        }
    )
    found = child.report(few)
    assert [len(cell.latency_ms) for cell in found.cells] == [5, 5]
    assert [cell.latency_ms_p50 for cell in found.cells] == [None, None]
    assert [cell.settled for cell in found.cells] == [False, False]
    (comparison,) = found.comparisons
    assert (comparison.value, comparison.low, comparison.high) == (None, None, None)


def test_refusal_of_the_child_arrives_whole(request_: Request) -> None:
    """What the child cannot measure is told in four parts, not as a traceback."""
    long = request_.model_copy(update={"shapes": (Shape(batch=1, length=65),)})
    with pytest.raises(MeasurementError) as caught:
        run_isolated(long)
    assert str(caught.value) == (
        f"{request_.student.folder}: length: 65 pieces\n"
        "  allowed: 1 to 64, the positions of this checkpoint\n"
        "  do: measure shorter inputs"
    )


def test_threads_are_pinned_before_the_child_starts(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child sees the threads asked for and passive waiting, whatever the parent has."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    _answer(
        monkeypatch,
        "import os, sys; sys.exit(' '.join(os.environ[name] for name in "
        "('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OMP_WAIT_POLICY', 'HF_HUB_OFFLINE')))",
    )
    with pytest.raises(MeasurementError, match="\n    2 2 PASSIVE 1\n"):
        run_isolated(request_.model_copy(update={"threads": 2}))
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_dead_child_is_reported_with_the_end_of_its_words(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last 15 lines of standard error stand in the message, and the exit code."""
    _answer(
        monkeypatch,
        "import sys; print(*range(100), sep='\\n', file=sys.stderr); sys.exit(9)",
    )
    tail = "".join(f"\n    {number}" for number in range(85, 100))
    with pytest.raises(MeasurementError) as caught:
        run_isolated(request_)
    assert str(caught.value) == (
        f"measuring process: ended with exit code 9{tail}\n"
        "  allowed: exit code 0 and a report\n"
        "  do: see the lines above; a killed process may have run out of memory"
    )


def test_killed_child_is_reported_with_its_signal(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that the system killed is told apart from one that gave up."""
    _answer(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(MeasurementError, match="measuring process: was killed by signal 9\n"):
        run_isolated(request_)


def test_late_child_is_stopped(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that outlives its time is stopped, and what it said so far is shown."""
    program = "import sys, time; print('loading', file=sys.stderr, flush=True); time.sleep(60)"
    _answer(monkeypatch, program)
    with pytest.raises(MeasurementError) as caught:
        run_isolated(request_.model_copy(update={"timeout_seconds": 0.5}))
    assert str(caught.value) == (
        "measuring process: not done after 0.5 s; it was stopped\n    loading\n"
        "  allowed: a report within timeout_seconds\n"
        "  do: raise the time limit, or ask for fewer samples, shapes or runtimes"
    )


def test_answer_that_is_no_report_is_refused(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer with an unknown key or no JSON at all is shown, not guessed at."""
    _answer(monkeypatch, 'print(\'{"cells": [], "extra": 1}\')')
    with pytest.raises(MeasurementError) as caught:
        run_isolated(request_)
    assert str(caught.value) == (
        'measuring process: its answer is no report: \'{"cells": [], "extra": 1}\\n\'\n'
        "  allowed: one JSON report on standard output\n"
        "  do: check that parent and child run the same version of the zoo"
    )


def test_all_missing_files_are_named_before_a_child_starts(
    student: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders, files and entries that are missing are told at once."""
    monkeypatch.setattr(isolate, "_CHILD", ("no such program",))
    gone = Subject(folder=tmp_path, onnx={"onnx-fp32": tmp_path / "gone.onnx"})
    request = Request(
        student=student,
        teacher=gone,
        runtimes=("onnx-fp32", "onnx-int8"),
        shapes=(Shape(batch=1, length=8),),
    )
    with pytest.raises(MeasurementError) as caught:
        run_isolated(request)
    no_entry = (
        f"{tmp_path}: teacher.onnx: no file for onnx-int8\n"
        "  allowed: a file for each ONNX runtime that is asked for\n"
        "  do: export the model first, or leave this runtime out"
    )
    missing = "this file does not exist\n  do: build the checkpoint and export it first"
    assert sorted(str(problem) for problem in caught.value.problems) == sorted(
        [
            no_entry,
            f"{tmp_path / 'config.json'}: teacher: {missing}",
            f"{tmp_path / 'gone.onnx'}: teacher: {missing}",
        ]
    )


def test_int8_on_cuda_is_refused(request_: Request) -> None:
    """What would silently run on the CPU in part is not measured as CUDA."""
    with pytest.raises(MeasurementError) as caught:
        run_isolated(request_.model_copy(update={"device": "cuda"}))
    assert str(caught.value) == (
        "runtimes: onnx-int8 on device cuda\n  allowed: onnx-int8 on device cpu\n"
        "  do: leave onnx-int8 out, or measure it on the CPU"
    )


def test_parent_imports_no_heavy_library() -> None:
    """Asking for a measurement loads neither torch nor transformers nor onnxruntime."""
    program = (
        "import sys, zoo.latency.isolate\n"
        "print({'torch', 'transformers', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"set()"


def test_what_the_machine_does_not_tell_is_not_available(tmp_path: Path) -> None:
    """Files that are absent or say nothing of flags give words, not an empty list."""
    assert cpu_governor(tmp_path / "none") == "not available"
    assert instruction_sets(tmp_path / "none") == "not available"
    cpu = tmp_path / "cpuinfo"
    cpu.write_text("processor\t: 0\nBogoMIPS\t: 50\n")
    assert instruction_sets(cpu) == "not available"


def test_machine_is_read_where_it_tells(tmp_path: Path) -> None:
    """Flags are whole words of the first core; the governor is one word."""
    cpu, governor = tmp_path / "cpuinfo", tmp_path / "governor"
    cpu.write_text("flags\t\t: fpu avx2 avx512f avx512_vnni_not amx_int8\nflags : sse\n")
    governor.write_text("performance\n")
    assert instruction_sets(cpu) == ("avx2", "avx512f", "amx_int8")
    assert cpu_governor(governor) == "performance"
    cpu.write_text("flags\t\t: fpu sse\n")
    assert instruction_sets(cpu) == ()
