"""Every row of the table of runtimes keeps the same promises; none is named here."""

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from tests.latency.conftest import write_subject
from zoo.export.half import halve
from zoo.export.quantise import quantise_int8_static
from zoo.latency import onnx_runner
from zoo.latency.inputs import Arrays, drawn_inputs
from zoo.latency.isolate import is_installed, refused
from zoo.latency.library import library_of
from zoo.latency.report import InputShape, TimedModel
from zoo.latency.torch_runner import load_torch
from zoo.spec.bench import COMPILED, ONNX, RUNTIMES, TENSORRT, Device, Runtime, RuntimeName

ROOT = Path(__file__).parents[2]
ERROR = {"fp32": 1e-5, "bf16": 0.03, "fp16": 0.01, "int8": 0.05}
"""Largest difference of logits by precision, as a share of the largest one."""
PROVIDERS = {ONNX: onnx_runner.CUDA_PROVIDER, TENSORRT: onnx_runner.TENSORRT_PROVIDER}
"""What ONNX Runtime must have been built with to run on a GPU."""
SHAPES = (InputShape(batch=2, length=16), InputShape(batch=2, length=9))


def case(runtime: Runtime, device: Device) -> object:
    """A runtime on a device that it runs on."""
    marks = [pytest.mark.slow] if runtime.engine == COMPILED else []
    marks += [pytest.mark.gpu] if device == "cuda" else []
    return pytest.param(runtime, device, marks=marks, id=f"{runtime.name}-{device}")


every_runtime = pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES)
every_case = pytest.mark.parametrize(
    ("runtime", "device"),
    [case(runtime, device) for runtime in RUNTIMES.values() for device in runtime.devices],
)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> TimedModel:
    """A model of two layers, with a file for every precision that a runtime opens."""
    made = write_subject(tmp_path_factory.mktemp("subject"), 2)
    full = made.onnx["fp32"]
    more = {name: made.folder / f"{name}.onnx" for name in ("fp16", "int8-static")}
    halve(full, more["fp16"])
    shown = [drawn_inputs(made.folder, shape, seed) for shape in SHAPES for seed in range(8)]
    quantise_int8_static(full, more["int8-static"], shown)
    return made.model_copy(update={"onnx": made.onnx | more})


def answer(folder: Path, call: Arrays) -> np.ndarray:
    """PyTorch's logits in fp32, outside of the harness."""
    model = load_torch(folder, torch.float32).eval()
    with torch.no_grad():
        return model(
            **{name: torch.from_numpy(array) for name, array in call.items()}
        ).logits.numpy()


@every_case
def test_what_is_timed_answers_like_the_checkpoint(
    subject: TimedModel, runtime: Runtime, device: Device
) -> None:
    """Each input in its turn, within what the precision costs; and it says what ran it."""
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    if not is_installed(runtime.engine):
        remedy = f"pip install '{runtime.engine.requirement}'"
        pytest.skip(f"{runtime.engine.package} is not installed: {remedy}")
    provider = PROVIDERS.get(runtime.engine)
    if device == "cuda" and provider not in (None, *onnxruntime.get_available_providers()):
        pytest.skip(f"this build of ONNX Runtime has no {provider}")
    inputs = [drawn_inputs(subject.folder, shape, seed=3) for shape in SHAPES]
    model = library_of(runtime.engine).load(runtime, subject.source(runtime), inputs, device, 1)
    for turn in (0, 1, 2):
        expected = answer(subject.folder, inputs[turn % 2])
        (logits,) = model.logits(turn)
        error = np.abs(logits - expected).max() / np.abs(expected).max()
        assert error <= ERROR[runtime.precision]
        assert model(turn) is None
    assert model.provider
    assert model.attention
    assert device == "cuda" or model.gpu is None


@every_runtime
def test_a_row_is_known_by_its_name(runtime: Runtime) -> None:
    """In specs and records, and nothing near it is."""
    names = TypeAdapter(RuntimeName)
    assert RUNTIMES[names.validate_python(runtime.name)] is runtime
    with pytest.raises(ValidationError):
        names.validate_python(f"{runtime.name}0")


@every_runtime
def test_a_library_that_is_not_installed_is_told(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is started: what is missing, what can be timed here, what to install."""
    package, (device, *_) = runtime.engine.package, runtime.devices
    assert refused(runtime.name, device) is None or not is_installed(runtime.engine)
    monkeypatch.setitem(sys.modules, package, None)
    here = [
        row.name
        for row in RUNTIMES.values()
        if device in row.devices and row.engine.package != package and is_installed(row.engine)
    ]
    assert str(refused(runtime.name, device)) == (
        f"runtimes: {runtime.name}: {package} is not installed\n  allowed: {', '.join(here)}\n"
        f"  fix: pip install '{runtime.engine.requirement}', or drop {runtime.name}"
    )


@every_runtime
def test_what_pip_is_told_to_install_brings_the_package(runtime: Runtime) -> None:
    """With the extra that is named, or with every installation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = runtime.engine.extra
    lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
    assert runtime.engine.package in {re.split(r"[<>=]", line)[0] for line in lines}
