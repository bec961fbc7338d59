"""Teachers from elsewhere are taken only as declared."""

import hashlib
from pathlib import Path

import pytest

from tests import tiny
from zoo.errors import CheckpointError
from zoo.spec.shape import Shape
from zoo.spec.teacher import FolderSource, HubSource
from zoo.training.fetch import fetch_source


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder below ZOO_DATA."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    tiny.model(seed=4).save_pretrained(tmp_path / "models" / "it")
    tiny.tokenizer().save_pretrained(tmp_path / "models" / "it")
    return tmp_path / "models" / "it"


def source(folder: Path, shape: Shape = tiny.STUDENT) -> FolderSource:
    content = (folder / "model.safetensors").read_bytes()
    return FolderSource(path="models/it", sha256=hashlib.sha256(content).hexdigest(), shape=shape)


def test_a_declared_folder_is_loaded(folder: Path) -> None:
    """Right bytes, right shape: the model and its tokenizer."""
    model, tokenizer = fetch_source(source(folder))
    assert tiny.same_weights(model, tiny.model(seed=4))
    assert tokenizer.get_vocab() == tiny.tokenizer().get_vocab()


def test_other_bytes_are_refused(folder: Path) -> None:
    """The message has both digests."""
    declared = source(folder)
    tiny.model(seed=5).save_pretrained(folder)
    with pytest.raises(CheckpointError) as raised:
        fetch_source(declared)
    assert str(raised.value) == (
        f"{folder}/model.safetensors: its sha256 is {source(folder).sha256}\n"
        f"  allowed: {declared.sha256}\n"
        "  do: fetch the declared file again, or declare this one"
    )


def test_another_shape_is_refused(folder: Path) -> None:
    """Every field that differs, declared and found."""
    declared = tiny.STUDENT.model_copy(update={"layers": 3, "positions": 32})
    with pytest.raises(CheckpointError) as raised:
        fetch_source(source(folder, declared))
    assert str(raised.value) == (
        f"{folder}: its shape is not the declared one; layers: declared 3, found 2; positions:"
        " declared 32, found 64\n  do: mend `source.shape` in the teacher's spec"
    )


def test_a_missing_folder_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ZOO_DATA and without."""
    declared = source(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError) as raised:
        fetch_source(declared)
    assert str(raised.value) == (
        f"{folder}: there is no model.safetensors here\n"
        "  allowed: a model folder below $ZOO_DATA\n  do: set ZOO_DATA, or copy it there"
    )
    monkeypatch.delenv("ZOO_DATA")
    with pytest.raises(CheckpointError, match=r"^models/it: ZOO_DATA is not set\n"):
        fetch_source(declared)


def test_offline_the_hub_is_given_up_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked and nobody waits; the message names model, revision and the way out."""

    def unasked(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("time.sleep", unasked)
    monkeypatch.setattr("socket.getaddrinfo", unasked)
    monkeypatch.setattr("socket.socket.connect", unasked)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    declared = HubSource(id="nobody/nothing", revision="0" * 40, shape=tiny.STUDENT)
    with pytest.raises(CheckpointError) as raised:
        fetch_source(declared)
    message = str(raised.value)
    assert message.startswith(f"nobody/nothing at {'0' * 40}: cannot be fetched from the hub: ")
    assert message.endswith(
        "  allowed: a model and revision that exist, and a way to reach the hub\n"
        "  do: go online, or declare `kind: folder`"
    )
