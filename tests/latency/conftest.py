"""Two small random models on disk, each as a checkpoint and as ONNX files."""

import warnings
from pathlib import Path

import pytest
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import PreTrainedModel

from tests import tiny
from zoo.latency.report import Subject

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


def write_subject(folder: Path, layers: int, hidden: int = 32) -> Subject:
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
    return Subject(entry=f"pocket/of-{layers}", folder=folder, onnx={"fp32": fp32, "int8": int8})


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A model of one layer."""
    return write_subject(tmp_path_factory.mktemp("student"), 1)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A model of six layers."""
    return write_subject(tmp_path_factory.mktemp("teacher"), 6)
