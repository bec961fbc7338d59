"""Two small random models on disk, as checkpoints, as ONNX files and as built entries."""

import shutil
import warnings
from pathlib import Path

import pytest
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import PreTrainedModel

from tests import tiny
from tests.made import HASH, hold_again, identity, keep_job
from zoo.export.manifest import ExportedRun, write_manifest
from zoo.latency.report import TimedModel
from zoo.models.identity import IDENTITY_FILE
from zoo.paths import Project, onnx_name
from zoo.spec.bench import Bench
from zoo.spec.jobs import Job
from zoo.spec.measuring import LatencyJob

TASK = "inference"


def write_onnx(model: PreTrainedModel, file: Path) -> None:
    """The plainest export there is: that of the zoo is tested elsewhere."""
    names = ("input_ids", "attention_mask", "token_type_ids")

    class Positional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            return self.model(**dict(zip(names, tensors, strict=True))).logits

    sample = torch.ones(2, 7, dtype=torch.long)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Positional().eval(),
            (sample, sample, sample * 0),
            file,
            input_names=names,
            output_names=("logits",),
            dynamic_axes={name: {0: "batch", 1: "length"} for name in names},
            dynamo=False,
        )


def write_subject(folder: Path, layers: int, hidden: int = 32) -> TimedModel:
    """A random model of so many layers with its tokenizer, in PyTorch and ONNX."""
    shape = tiny.STUDENT.model_copy(
        update={"layers": layers, "hidden": hidden, "intermediate": 4 * hidden}
    )
    model = tiny.model(shape, TASK).eval()
    model.set_attn_implementation("eager")
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    fp32, int8 = folder / "fp32.onnx", folder / "int8.onnx"
    write_onnx(model, fp32)
    quantize_dynamic(fp32, int8, weight_type=QuantType.QInt8)
    return TimedModel(entry=f"pocket/of-{layers}", folder=folder, onnx={"fp32": fp32, "int8": int8})


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> TimedModel:
    """A model of one layer."""
    return write_subject(tmp_path_factory.mktemp("student"), 1)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> TimedModel:
    """A model of six layers."""
    return write_subject(tmp_path_factory.mktemp("teacher"), 6)


JOB = LatencyJob(
    suite="pocket",
    entry="small",
    teacher="large",
    runs=(tiny.run(TASK),),
    beside=(tiny.run(TASK, seed=2),),
    bench=Bench(
        runtimes=("onnx-fp32", "onnx-int8"),
        shapes=("1x16", "2x64"),
        replay=9,
        samples=64,
        seconds=200.0,
    ),
)
"""Two runtimes, a shape that fits, one that is cut to the task's 48 pieces, and a replay."""


def build_project(root: Path, student: TimedModel, teacher: TimedModel, job: LatencyJob) -> Project:
    """A project where both models are built and exported, and the job is declared."""
    project = Project(root)
    project.specs.mkdir()
    for entry, run, model in (
        (job.entry, job.runs[0], student),
        (job.teacher, job.beside[0], teacher),
    ):
        folder = project.entry(job.suite, entry)
        shutil.copytree(model.folder, folder.checkpoint(run.task, run.seed))
        folder.export.mkdir()
        checkpoint = folder.checkpoint(run.task, run.seed)
        about = identity(
            entry, "trained", suite=job.suite, task=TASK, seed=run.seed, declared=run.declared
        )
        (checkpoint / IDENTITY_FILE).write_text(about.model_dump_json())
        hold_again(checkpoint)
        exported = ExportedRun(
            task=TASK, seed=run.seed, declared=run.declared, digest=HASH, weights_sha256=HASH
        )
        names = {precision: onnx_name(TASK, precision) for precision in model.onnx}
        for precision, file in model.onnx.items():
            shutil.copy(file, folder.export / names[precision])
        write_manifest(folder.export, job.suite, entry, dict.fromkeys(names.values(), exported))
    keep_job(project, "latency", job)
    keep_job(project, "score", Job(suite=job.suite, entry=job.teacher))
    return project


@pytest.fixture(scope="session")
def project(
    student: TimedModel, teacher: TimedModel, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """Both models as built entries of a project."""
    return build_project(tmp_path_factory.mktemp("project"), student, teacher, JOB)
