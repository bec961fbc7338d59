"""A checkpoint is taken only for what it is, with the bytes it was saved with."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import tiny
from tests.made import HASH, identity
from zoo.errors import CheckpointError
from zoo.models.build import Head
from zoo.models.checkpoint import load_checkpoint, save_checkpoint
from zoo.models.identity import IDENTITY_FILE, Wanted, read_identity, verified
from zoo.paths import file_sha256
from zoo.spec.task import TASKS

WANTED = Wanted("s", "e", "trained", HASH, "sentiment", 1)
REBUILD = "  fix: build it with `zoo run`, or `dvc checkout --force` to restore it"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of `s/e`, beside one of another entry."""
    for name, seed in (("e", 1), ("other", 2)):
        made = identity(name, "trained", task="sentiment", seed=seed)
        save_checkpoint(
            tmp_path / name, tiny.model(task="sentiment", seed=seed), tiny.tokenizer(), made
        )
    return tmp_path / "e"


def take_weights(folder: Path) -> None:
    shutil.copy(folder.parent / "other/model.safetensors", folder)


def lose_numbers(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    next(iter(weights.values())).fill_(torch.nan)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def reverse_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    content["model"]["vocab"] = dict(zip(vocabulary, reversed(vocabulary.values()), strict=True))
    path.write_text(json.dumps(content))


def configure(**change: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

    return edit


def lose_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def add_a_template(folder: Path) -> None:
    (folder / "added_tokens.json").write_text("{}")


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (take_weights, "model.safetensors has changed"),
        (lose_numbers, "model.safetensors has changed"),
        (reverse_tokenizer, "tokenizer.json has changed"),
        (configure(layer_norm_eps=0.5), "config.json has changed"),
        (configure(num_attention_heads=2), "config.json has changed"),
        (lose_tokenizer, "tokenizer.json is missing"),
        (add_a_template, "added_tokens.json was added"),
    ],
)
def test_other_bytes_are_refused(folder: Path, tamper: Callable[[Path], None], told: str) -> None:
    """Whatever was changed since it was saved, by name; nothing of it is loaded."""
    verified(folder, WANTED)
    tamper(folder)
    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(folder, Head(TASKS["sentiment"]), WANTED)
    assert str(refused.value) == (
        f"{folder}: its files have changed since it was saved: {told}\n"
        f"  allowed: the files whose sha256 are listed in its zoo.json\n{REBUILD}"
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"suite": "t"}, ("suite t", "suite s")),
        ({"entry": "f"}, ("entry f", "entry e")),
        ({"seed": 2}, ("seed 2", "seed 1")),
        ({"task": "inference"}, ("task inference", "task sentiment")),
        ({"stage": "transferred"}, ("stage transferred", "stage trained")),
        (
            {"declared": "d" * 64},
            (f"declared {'d' * 12}...", f"declared {'0' * 12}..."),
        ),
    ],
)
def test_another_checkpoint_is_refused(
    folder: Path, change: dict[str, object], told: tuple[str, str]
) -> None:
    """One whose zoo.json says another place, run or spec than whoever reads it expects."""
    path = folder / IDENTITY_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    found, wanted = told
    with pytest.raises(CheckpointError) as refused:
        verified(folder, WANTED)
    assert str(refused.value) == (
        f"{folder}: this is a different checkpoint: {found}\n"
        f"  allowed: {wanted}\n"
        "  fix: its spec has changed, or it was copied here; rebuild it with `zoo run`, or with "
        "`dvc repro --force` if DVC considers it up to date"
    )


def test_a_whole_folder_of_another_entry_is_refused(folder: Path) -> None:
    """Its manifest is right; it is not the one that was asked for."""
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "other", folder)
    with pytest.raises(
        CheckpointError, match="this is a different checkpoint: entry other, seed 2"
    ):
        verified(folder, WANTED)


def test_an_identity_of_another_schema_is_refused(folder: Path) -> None:
    path = folder / IDENTITY_FILE
    for version in (1, 99):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": version}))
        with pytest.raises(CheckpointError, match="not an identity of a checkpoint"):
            verified(folder)


def test_every_file_is_named_by_its_hash(folder: Path) -> None:
    stated = read_identity(folder)
    names = {path.name for path in folder.iterdir()} - {IDENTITY_FILE}
    assert set(stated.files) == names
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert stated.weights_sha256 == file_sha256(folder / "model.safetensors")
