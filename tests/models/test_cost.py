import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from tests import tiny
from zoo.errors import CheckpointError
from zoo.models.build import Head, build
from zoo.models.cost import forward_flops, parameter_counts, stored_parameters
from zoo.spec.shape import Shape
from zoo.spec.task import TASKS

_LENGTH = 24


def test_bert_base_has_its_published_size() -> None:
    """BERT-base with two classes, on the meta device: 109,483,778 parameters."""
    with torch.device("meta"):
        model = BertForSequenceClassification(BertConfig(num_labels=2))
    counts = parameter_counts(model)
    assert counts.total == 109_483_778
    assert counts.embedding == (30522 + 512 + 2) * 768 + 2 * 768
    assert counts.non_embedding == counts.total - counts.embedding


def test_a_tied_decoder_counts_once() -> None:
    """The masked-piece head adds its transform and a bias per piece, not a second word table."""
    shape = tiny.STUDENT
    counts = parameter_counts(build(shape, Head(), seed=0))
    head = shape.hidden**2 + 3 * shape.hidden + shape.vocabulary
    assert counts.total == shape.parameters().total + head
    assert counts.embedding == shape.parameters().embedding


@pytest.mark.parametrize("task", [None, "inference", "span"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_the_file_holds_what_the_model_does(family: str, task: str | None, tmp_path: Path) -> None:
    """The header of model.safetensors counts as the model does, in every family, tied or not."""
    shape = tiny.STUDENT.model_copy(update={"family": family})
    model = build(shape, Head(TASKS[task] if task else None), seed=0)
    model.save_pretrained(tmp_path)
    counted = stored_parameters(tmp_path / "model.safetensors")
    assert counted == parameter_counts(model).total


def test_only_the_header_is_read(tmp_path: Path) -> None:
    """A file cut off behind its header is still counted."""
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "a": {"dtype": "F32", "shape": [3, 5], "data_offsets": [0, 60]},
            "b": {"dtype": "F32", "shape": [], "data_offsets": [60, 64]},
        }
    ).encode()
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    assert stored_parameters(file) == 16


@pytest.mark.parametrize(
    "content", [b"", b"\x02\0\0\0\0\0\0\0[]", b"\xff" * 64, b'\x07\0\0\0\0\0\0\0{"a":1}']
)
def test_a_foreign_file_is_refused(content: bytes, tmp_path: Path) -> None:
    """Whatever is no header says where, what is allowed and what to do."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        stored_parameters(file)
    assert str(caught.value) == (
        f"{file}: not a safetensors file: the header is unreadable\n"
        "  allowed: the model.safetensors of a checkpoint\n"
        "  fix: build the checkpoint again"
    )


def _encoder_flops(shape: Shape, length: int) -> int:
    """Written out: two operations per multiply-add, heads together as wide as the hidden states."""
    hidden, inner = shape.hidden, shape.intermediate
    query_key_value_output = 4 * 2 * length * hidden * hidden
    scores = 2 * length * length * hidden
    context = 2 * length * length * hidden
    feed_forward = 2 * 2 * length * hidden * inner
    return shape.layers * (query_key_value_output + scores + context + feed_forward)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_flops_of_a_classifier_are_those_of_a_hand_count(family: str) -> None:
    """Encoder, the pooler or its like on the first piece alone, and three classes."""
    shape = tiny.STUDENT.model_copy(update={"family": family})
    expected = _encoder_flops(shape, _LENGTH) + 2 * shape.hidden**2 + 2 * shape.hidden * 3
    assert forward_flops(tiny.model(shape, "inference"), _LENGTH) == expected


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_flops_of_a_span_model_are_those_of_a_hand_count(family: str) -> None:
    """Encoder, and a start and an end at every piece; there is no pooler."""
    shape = tiny.STUDENT.model_copy(update={"family": family})
    expected = _encoder_flops(shape, _LENGTH) + 2 * _LENGTH * shape.hidden * 2
    assert forward_flops(tiny.model(shape, "span"), _LENGTH) == expected


def test_counting_flops_leaves_the_model_alone() -> None:
    """Device, mode and attention kernel stay as they were."""
    model = tiny.model(tiny.STUDENT, "inference").train()
    model.set_attn_implementation("sdpa")
    forward_flops(model, 8)
    assert model.training
    assert model.config._attn_implementation == "sdpa"
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
