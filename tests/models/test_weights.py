"""Weights in one file or several are found, named by their bytes, or told to be missing."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests import tiny
from zoo.errors import CheckpointError
from zoo.models.build import MASKED_LM
from zoo.models.load import load_weights
from zoo.models.weights import stored_names, weights_files, weights_sha256

ALLOWED = "model.safetensors, or model.safetensors.index.json with the files that it names"


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """A model in several files."""
    tiny.model(seed=4).save_pretrained(tmp_path / "it", max_shard_size="60KB")
    return tmp_path / "it"


def refused(folder: Path) -> str:
    with pytest.raises(CheckpointError) as raised:
        load_weights(folder, MASKED_LM, seed=0)
    return str(raised.value)


def test_several_files_are_one_model(sharded: Path, tmp_path: Path) -> None:
    """The same model as in one file, under the names of that file."""
    assert len(weights_files(sharded)) > 2
    tiny.model(seed=4).save_pretrained(tmp_path / "whole")
    assert stored_names(sharded) == stored_names(tmp_path / "whole")
    assert tiny.same_weights(load_weights(sharded, MASKED_LM, seed=0), tiny.model(seed=4))


def test_the_sha256_of_several_files_is_that_of_what_sha256sum_prints(sharded: Path) -> None:
    """As a person would make it in a shell; of one file it is the file's."""
    shell = "sha256sum model-*.safetensors | sha256sum"
    told = subprocess.run(
        ["sh", "-c", shell], cwd=sharded, capture_output=True, text=True, check=True
    )
    assert weights_sha256(sharded) == told.stdout.split()[0]
    tiny.model(seed=4).save_pretrained(sharded)
    content = (sharded / "model.safetensors").read_bytes()
    assert weights_sha256(sharded) == hashlib.sha256(content).hexdigest()


def test_missing_files_are_told_all_at_once(sharded: Path) -> None:
    """The index names them; without the index nobody does."""
    files = weights_files(sharded)
    for file in files[:2]:
        file.unlink()
    index = sharded / "model.safetensors.index.json"
    assert refused(sharded) == "\n".join(
        f"{index}: it names {file.name}, which is missing\n"
        f"  allowed: {ALLOWED}\n  fix: download or build it again"
        for file in files[:2]
    )
    index.unlink()
    left = ", ".join(file.name for file in files[2:])
    assert refused(sharded) == (
        f"{sharded}: there is no model.safetensors here and no model.safetensors.index.json for"
        f" {left}\n  allowed: {ALLOWED}\n  fix: download the index too"
    )


@pytest.mark.parametrize("bytes_left", [0, 100, -100])
def test_a_file_that_is_cut_off_is_named(sharded: Path, bytes_left: int) -> None:
    """Of several, and the one of a model in one file."""
    file = weights_files(sharded)[1]
    file.write_bytes(file.read_bytes()[:bytes_left])
    assert refused(sharded).startswith(f"{file}: not a complete safetensors file: ")
    assert refused(sharded).endswith("\n  fix: download or build it again")
    (sharded / "model.safetensors").write_bytes(b"x" * 9000)
    assert refused(sharded).startswith(
        f"{sharded}/model.safetensors: not a complete safetensors file: "
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"weight_map": []}', "not an index of weights: AttributeError"),
        (b"{}", "not an index of weights: KeyError"),
        (b'{"weight_map": {}}', "it names no files"),
        (b'{"weight_map": {"a": "../x.safetensors"}}', "it names '../x.safetensors'"),
        (b'{"weight_map": {"a": "model.bin"}}', "it names 'model.bin'"),
    ],
)
def test_an_index_that_is_none_is_told(sharded: Path, content: bytes, expected: str) -> None:
    """Not JSON, another kind of it, or naming files outside the folder or of another format."""
    index = sharded / "model.safetensors.index.json"
    index.write_bytes(content)
    assert refused(sharded).startswith(f"{index}: {expected}\n  allowed: ")


@pytest.mark.parametrize(
    ("names", "told", "remedy"),
    [
        (
            ["pytorch_model.bin"],
            "; there is pytorch_model.bin",
            "formats that can contain",
        ),
        (["tf_model.h5"], "; there is tf_model.h5", "other formats are not loaded; open the model"),
        (
            ["flax_model.msgpack", "bert_model.ckpt.index"],
            "; there is bert_model.ckpt.index, flax_model.msgpack",
            "other formats are not loaded; open the model",
        ),
        ([], "", "download or build it again"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, names: list[str], told: str, remedy: str) -> None:
    """What lies there, and how it is converted."""
    for name in names:
        (tmp_path / name).touch()
    assert refused(tmp_path).startswith(
        f"{tmp_path}: there is no model.safetensors here{told}\n  allowed: {ALLOWED}\n"
        f"  fix: {remedy}"
    )


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """Rather than looked for on the hub."""
    assert refused(tmp_path / "no").startswith(f"{tmp_path}/no: there is no such folder\n")


def test_the_conversion_converts(tmp_path: Path) -> None:
    """The command that the message states makes the same model of one pickled file or several."""
    model = tiny.model(seed=4)
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    state = list(model.state_dict().items())
    torch.save(dict(state[:9]), tmp_path / "pytorch_model-00001-of-00002.bin")
    torch.save(dict(state[9:]), tmp_path / "pytorch_model-00002-of-00002.bin")
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({}))
    said = re.search(r'`python -c "(.*)"`', refused(tmp_path))
    assert said
    subprocess.run([sys.executable, "-c", said[1]], cwd=tmp_path, check=True)
    assert tiny.same_weights(load_weights(tmp_path, MASKED_LM, seed=0), model)
