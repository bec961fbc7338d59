"""Teachers from elsewhere are taken only as declared."""

from pathlib import Path

import pytest
import torch

from tests import tiny
from zoo.errors import CheckpointError
from zoo.models.anatomy import anatomy_of, encoder_of, layers_of, word_head
from zoo.models.weights import weights_sha256
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
    return FolderSource(path="models/it", sha256=weights_sha256(folder), shape=shape)


def test_a_declared_folder_is_loaded(folder: Path) -> None:
    """Right bytes, right shape: the model and its tokenizer, with nothing made up."""
    brought = fetch_source(source(folder))
    assert tiny.same_weights(brought.model, tiny.model(seed=4))
    assert brought.tokenizer.get_vocab() == tiny.tokenizer().get_vocab()
    assert brought.invented == frozenset()


def test_other_bytes_are_refused(folder: Path) -> None:
    """The message has both digests."""
    declared = source(folder)
    tiny.model(seed=5).save_pretrained(folder)
    with pytest.raises(CheckpointError) as raised:
        fetch_source(declared)
    assert str(raised.value) == (
        f"{folder}/model.safetensors: its sha256 is {source(folder).sha256}\n"
        f"  allowed: {declared.sha256}\n"
        "  fix: download the declared file again, or declare this one"
    )


def test_another_shape_is_refused(folder: Path) -> None:
    """Every field that differs, declared and found."""
    declared = tiny.STUDENT.model_copy(update={"layers": 3, "positions": 32})
    with pytest.raises(CheckpointError) as raised:
        fetch_source(source(folder, declared))
    assert str(raised.value) == (
        f"{folder}: its shape differs from the declared one; layers: declared 3, found 2; "
        "positions: declared 32, found 64\n  fix: correct `source.shape` in the teacher's spec"
    )


def test_several_files_are_named_by_what_sha256sum_prints(folder: Path) -> None:
    """The declared sha256 is that of its lines; another is told with the index."""
    (folder / "model.safetensors").unlink()
    tiny.model(seed=4).save_pretrained(folder, max_shard_size="60KB")
    declared = source(folder)
    assert tiny.same_weights(fetch_source(declared).model, tiny.model(seed=4))
    other = declared.model_copy(update={"sha256": "a" * 64})
    with pytest.raises(CheckpointError) as raised:
        fetch_source(other)
    assert str(raised.value) == (
        f"{folder}/model.safetensors.index.json: the sha256 of what `sha256sum"
        f" model-*.safetensors` prints is {declared.sha256}\n"
        f"  allowed: {'a' * 64}\n"
        "  fix: download the declared file again, or declare this one"
    )


def test_a_missing_folder_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ZOO_DATA and without."""
    declared = source(folder)
    folder.rename(folder.parent / "elsewhere")
    with pytest.raises(CheckpointError) as raised:
        fetch_source(declared)
    assert str(raised.value) == (
        f"{folder}: there is no such folder\n"
        "  allowed: a model folder below $ZOO_DATA\n  fix: set ZOO_DATA, or copy it there"
    )
    monkeypatch.delenv("ZOO_DATA")
    with pytest.raises(CheckpointError, match=r"^models/it: ZOO_DATA is not set\n"):
        fetch_source(declared)


def test_weights_that_are_no_numbers_are_refused(folder: Path) -> None:
    """Beside all else that is wrong with the folder."""
    model = tiny.model(seed=4)
    with torch.no_grad():
        layers_of(model)[0].get_parameter("output.dense.weight")[0, 0] = float("nan")
        layers_of(model)[1].get_parameter("output.dense.bias")[3] = float("inf")
    model.save_pretrained(folder)
    declared = tiny.STUDENT.model_copy(update={"layers": 3})
    with pytest.raises(CheckpointError) as raised:
        fetch_source(source(folder, declared))
    assert str(raised.value) == (
        f"{folder}: its shape differs from the declared one; layers: declared 3, found 2\n"
        "  fix: correct `source.shape` in the teacher's spec\n"
        f"{folder}: NaN or infinity in 2 tensors, first"
        " bert.encoder.layer.0.output.dense.weight\n"
        "  allowed: finite weights\n"
        "  fix: download the weights again, or use an earlier checkpoint without them"
    )


@pytest.mark.parametrize("types", [1, 4])
def test_other_token_types_are_declared(folder: Path, types: int) -> None:
    """Refused where the spec does not say so, and taken where it does."""
    shape = tiny.STUDENT.model_copy(update={"token_types": types})
    tiny.model(shape, seed=4).save_pretrained(folder)
    with pytest.raises(CheckpointError) as raised:
        fetch_source(source(folder))
    assert str(raised.value) == (
        f"{folder}: its shape differs from the declared one; token_types: declared 2, "
        f"found {types}\n"
        "  fix: correct `source.shape` in the teacher's spec"
    )
    model = fetch_source(source(folder, shape)).model
    assert model.config.type_vocab_size == types


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_what_transformers_makes_up_is_known(folder: Path, family: str) -> None:
    """A folder without the word head, as of a classifier, and one with a part of it."""
    shape = Shape.model_validate({**tiny.STUDENT.model_dump(), "family": family})
    model = tiny.model(shape, "sentiment", seed=4)
    model.config.pad_token_id = 0
    model.save_pretrained(folder)
    brought = fetch_source(source(folder, shape))
    assert brought.invented >= word_head(brought.model)
    body = {name for name, _ in encoder_of(brought.model).named_parameters()}
    assert not any(name.partition(".")[2] in body for name in brought.invented)
    half = tiny.model(shape, seed=4)
    half.config.pad_token_id = 0
    norm = f"{anatomy_of(half).head_norm}.weight"
    kept = {name: tensor for name, tensor in half.state_dict().items() if name != norm}
    half.save_pretrained(folder, state_dict=kept)
    assert fetch_source(source(folder, shape)).invented == word_head(half)


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
    assert message.startswith(f"nobody/nothing at {'0' * 40}: cannot be downloaded from the hub: ")
    assert message.endswith(
        "  allowed: an existing model and revision, and access to the hub\n"
        "  fix: go online, or declare `kind: folder`"
    )
