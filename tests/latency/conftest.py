"""Two tiny random models on disk, as checkpoint and as ONNX files."""

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from zoo.export.onnx import export_onnx
from zoo.export.quantise import quantise_int8
from zoo.latency.report import Subject


def _subject(folder: Path, layers: int) -> Subject:
    torch.manual_seed(layers)
    config = BertConfig(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    model = BertForSequenceClassification(config)
    model.save_pretrained(folder)
    fp32, int8 = folder / "model.onnx", folder / "model.int8.onnx"
    export_onnx(model, fp32, max_length=64, metadata={})
    quantise_int8(fp32, int8)
    return Subject(folder=folder, onnx={"onnx-fp32": fp32, "onnx-int8": int8})


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A model of one layer."""
    return _subject(tmp_path_factory.mktemp("student"), 1)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A model of six layers."""
    return _subject(tmp_path_factory.mktemp("teacher"), 6)
