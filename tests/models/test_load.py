"""Model folders are loaded as their files say, or refused with the file and what to do."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import tiny
from zoo.errors import CheckpointError
from zoo.models.build import MASKED_LM, Head
from zoo.models.load import load_weights, loaded_weights
from zoo.spec.task import TASKS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model as transformers saves it."""
    tiny.model(seed=4).save_pretrained(tmp_path / "it")
    return tmp_path / "it"


def state(folder: Path, **settings: Any) -> None:
    """Let config.json say this."""
    stated = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(stated | settings))


def rewrite(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def refused(folder: Path) -> str:
    with pytest.raises(CheckpointError) as raised:
        load_weights(folder, MASKED_LM, seed=0)
    return str(raised.value)


def test_a_gap_in_the_encoder_is_an_error(folder: Path) -> None:
    """transformers would fill it with random weights and only warn."""
    tensors = tensors_of(folder)
    rewrite(
        folder,
        {name: t for name, t in tensors.items() if ".layer.1.attention.self." not in name},
    )
    assert refused(folder) == (
        f"{folder}: 6 encoder tensors are missing from its weights, first"
        " bert.encoder.layer.1.attention.self.key.bias\n"
        "  allowed: weights that fit config.json\n"
        "  fix: download or build it again"
    )


def test_layers_beyond_the_configuration_are_an_error(folder: Path) -> None:
    """transformers would compute without them and only warn; heads may be left over."""
    state(folder, num_hidden_layers=1)
    assert refused(folder) == (
        f"{folder}: its weights contain 16 encoder tensors that config.json does not describe, "
        "first bert.encoder.layer.1.attention.output.LayerNorm.bias\n"
        "  allowed: weights that fit config.json\n"
        "  fix: correct config.json"
    )


@pytest.mark.parametrize(
    "more",
    [
        "bert.encoder.layer.0.attention.self.distance_embedding.weight",
        "encoder.layer.7.output.dense.bias",
        "bert.encoder.layer.0.crossattention.self.query.bias",
        "bert.embeddings.extra_embeddings.weight",
    ],
)
def test_any_more_of_an_encoder_is_an_error(folder: Path, more: str) -> None:
    """Relative positions, layers saved without a prefix, cross attention, other tables."""
    rewrite(folder, {**tensors_of(folder), more: torch.zeros(3)})
    assert refused(folder).startswith(f"{folder}: its weights contain 1 encoder tensors that")


def test_numbers_that_old_checkpoints_store_are_no_part_of_it(folder: Path) -> None:
    """Position ids are counted, not learnt; other heads are none of our business."""
    more = {
        "bert.embeddings.position_ids": torch.arange(64)[None],
        "classifier.weight": torch.zeros(3, 32),
        "cls.seq_relationship.weight": torch.zeros(2, 32),
    }
    rewrite(folder, tensors_of(folder) | more)
    assert tiny.same_weights(load_weights(folder, MASKED_LM, seed=0), tiny.model(seed=4))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_float_are_computed_in_float32(folder: Path, dtype: torch.dtype) -> None:
    """Their numbers are kept, their type is not."""
    tensors = {name: tensor.to(dtype) for name, tensor in tensors_of(folder).items()}
    rewrite(folder, tensors)
    state(folder, dtype=str(dtype).removeprefix("torch."))
    for name, parameter in load_weights(folder, MASKED_LM, seed=0).named_parameters():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, tensors[name].float()), name


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[]", "the file holds a list\n  allowed: an object\n  fix: download or build it again"),
        (
            '"bert"',
            "the file holds a text\n  allowed: an object\n  fix: download or build it again",
        ),
        ('{"a": ' + "[" * 99_999, "nested too deeply\n  allowed: at most 64 levels"),
        ('{"a": 1' + "0" * 5_000 + "}", "a number of 5,001 digits\n  allowed: at most 300"),
        (
            "{}",
            (
                "model_type: is missing\n  allowed: bert, distilbert, electra, roberta\n"
                "  fix: set the family of these weights"
            ),
        ),
        (
            '{"model_type": "gpt2"}',
            (
                "model_type: is 'gpt2', an unsupported family\n"
                "  allowed: bert, distilbert, electra, roberta"
            ),
        ),
        (None, "there is no such file\n  fix: download or build it again"),
    ],
)
def test_a_configuration_that_is_none_is_told(
    folder: Path, content: str | None, expected: str
) -> None:
    """Not JSON, another kind of it, without a family or of an unknown one, or missing."""
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_text(content)
    assert refused(folder).startswith(f"{folder}/config.json: {expected}")


def test_what_transformers_would_misread_is_refused_all_at_once(folder: Path) -> None:
    """Positions of another kind, decoders, quantised weights, unknown activations."""
    state(
        folder,
        position_embedding_type="relative_key",
        is_decoder=True,
        add_cross_attention=True,
        quantization_config={"quant_method": "x"},
        hidden_act="gleu",
    )
    other = "use another model: these layers are unsupported"
    assert refused(folder) == (
        f"{folder}/config.json: position_embedding_type: is 'relative_key'\n"
        "  allowed: absolute: transformers would load these weights as such, and compute something "
        f"else\n  fix: {other}\n"
        f"{folder}/config.json: is_decoder: is True\n  allowed: false: an encoder\n  fix: {other}\n"
        f"{folder}/config.json: add_cross_attention: is True\n  allowed: false: an encoder\n"
        f"  fix: {other}\n"
        f"{folder}/config.json: quantization_config: is {{'quant_method': 'x'}}\n"
        "  allowed: weights of 16, 32 or 64 bits\n"
        "  fix: use the model from before quantisation\n"
        f"{folder}/config.json: hidden_act: is 'gleu'\n"
        "  allowed: an activation of transformers, such as gelu, gelu_new, relu or silu\n"
        "  fix: correct its name"
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_size": "32"},
        {"hidden_size": None},
        {"hidden_size": 48},
        {"num_attention_heads": 3},
        {"pad_token_id": 5000},
    ],
)
def test_settings_that_fit_no_model_are_told(folder: Path, settings: dict[str, Any]) -> None:
    """Whatever transformers raises."""
    state(folder, **settings)
    assert refused(folder).startswith(f"{folder}: this model cannot be loaded: ")
    assert refused(folder).endswith("\n  fix: download or build it again")


def test_the_names_of_random_parameters_are_told(folder: Path) -> None:
    """Of a head that the folder lacks, and of nothing else."""
    loaded = loaded_weights(folder, Head(TASKS["sentiment"]), seed=0)
    assert loaded.invented == {
        *("bert.pooler.dense.weight", "bert.pooler.dense.bias"),
        *("classifier.weight", "classifier.bias"),
    }
    assert loaded_weights(folder, MASKED_LM, seed=0).invented == frozenset()
