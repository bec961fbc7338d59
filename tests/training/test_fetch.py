"""Teachers from elsewhere are taken only as declared."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests import packaged, tiny
from tests.conftest import CHECKOUT
from zoo.data.inputs import model_sha256
from zoo.data.pieces import piece_ids
from zoo.data.places import look
from zoo.errors import CheckpointError
from zoo.models.anatomy import anatomy_of, encoder_of, layers_of, word_head
from zoo.models.weights import weights_sha256
from zoo.paths import Project, file_sha256
from zoo.resolve.entry import read_suite
from zoo.spec.shape import Shape
from zoo.spec.teacher import FolderSource, HubSource
from zoo.spec.weights import FolderPlace, PackagePlace
from zoo.training.fetch import declared_files, fetch_source, source_sha256

DECLARED = ("config.json", "model.safetensors", "tokenizer.json")
PLACES = (
    FolderPlace(path="models/it"),
    PackagePlace(name=packaged.NAME, version=packaged.VERSION, path=packaged.FOLDER),
)


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


@pytest.fixture
def declared(folder: Path) -> HubSource:
    """The model of `folder`, its files declared one by one."""
    hashes = {name: file_sha256(folder / name) for name in DECLARED}
    return HubSource(id="some/model", revision="0" * 40, files=hashes, shape=tiny.STUDENT)


def packed(site: Path, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Install the files of a folder as a package."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return packaged.install(site, files, patch)


def unasked(*_: object, **__: object) -> None:
    raise AssertionError


def test_places_are_asked_in_order(
    folder: Path, declared: HubSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one only where one has no such files; the hub last, with the declared files."""
    inside = packed(tmp_path / "site", folder, monkeypatch)
    monkeypatch.setattr("zoo.training.fetch.snapshot_download", unasked)
    assert declared_files(declared, PLACES)["config.json"] == folder / "config.json"
    assert declared_files(declared, PLACES[::-1])["config.json"] == inside / "config.json"
    shutil.move(folder, tmp_path / "hub")
    assert declared_files(declared, PLACES)["config.json"] == inside / "config.json"
    shutil.rmtree(inside)
    asked = {}

    def download(name: str, **more: object) -> str:
        asked.update(more, name=name)
        return str(tmp_path / "hub")

    monkeypatch.setattr("zoo.training.fetch.snapshot_download", download)
    found = declared_files(declared, PLACES)
    assert found == {name: tmp_path / "hub" / name for name in DECLARED}
    assert asked == {
        "name": "some/model",
        "revision": "0" * 40,
        "allow_patterns": list(DECLARED),
    }
    (tmp_path / "hub/config.json").write_text("{ }")
    with pytest.raises(CheckpointError, match=r"config\.json: its sha256 is .*; found in the hub"):
        declared_files(declared, PLACES)


def test_a_place_with_other_bytes_is_not_passed_over(
    folder: Path, declared: HubSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the next one has the right ones."""
    packed(tmp_path / "site", folder, monkeypatch)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError) as raised:
        fetch_source(declared, PLACES)
    assert str(raised.value).startswith(f"{folder}/tokenizer.json: its sha256 is 44136fa355b3678a")
    assert tiny.same_weights(fetch_source(declared, PLACES[1:]).model, tiny.model(seed=4))


def test_what_is_not_declared_is_not_read(folder: Path, declared: HubSource) -> None:
    """And is no part of the identity, which is that of a folder with the same files alone."""
    for name in ("tokenizer_config.json", "added_tokens.json", "model.safetensors.index.json"):
        (folder / name).write_text("no JSON")
    brought = fetch_source(declared, PLACES[:1])
    assert tiny.same_weights(brought.model, tiny.model(seed=4))
    assert brought.tokenizer.get_vocab() == tiny.tokenizer().get_vocab()
    for path in folder.iterdir():
        if path.name not in declared.files:
            path.unlink()
    assert source_sha256(declared) == model_sha256(folder)


def test_what_is_wrong_with_declared_files_is_told_by_the_name_of_the_model(
    declared: HubSource,
) -> None:
    """Their own folder is gone by then."""
    shape = tiny.STUDENT.model_copy(update={"layers": 3})
    with pytest.raises(CheckpointError) as raised:
        fetch_source(declared.model_copy(update={"shape": shape}), PLACES)
    assert str(raised.value) == (
        "some/model: its shape differs from the declared one; layers: declared 3, found 2\n"
        "  fix: correct `source.shape` in the teacher's spec"
    )


def test_files_that_no_place_has_are_told_with_every_place(
    declared: HubSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why each does not have them, and what helps."""
    monkeypatch.delenv("ZOO_DATA")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(CheckpointError) as raised:
        fetch_source(declared, PLACES)
    given, allowed, remedy = str(raised.value).splitlines()
    assert given.startswith(
        f"some/model at {'0' * 40}: $ZOO_DATA/models/it: ZOO_DATA is not set;"
        " package packed-model 1.2.0: it is not installed; the hub, some/model: "
    )
    assert allowed == (
        "  allowed: config.json, model.safetensors, tokenizer.json, as declared, in one of these"
        " places"
    )
    assert remedy == (
        "  fix: set ZOO_DATA to a folder with these files in models/it,"
        " or `pip install --no-deps packed-model==1.2.0`, or go online"
    )


def test_a_file_that_the_hub_lacks_is_told(
    folder: Path, declared: HubSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "tokenizer.json").unlink()
    monkeypatch.setattr("zoo.training.fetch.snapshot_download", lambda *_, **__: str(folder))
    with pytest.raises(CheckpointError) as raised:
        fetch_source(declared)
    assert str(raised.value) == (
        f"some/model at {'0' * 40}: the hub, some/model: there is no tokenizer.json at {'0' * 40}\n"
        "  allowed: config.json, model.safetensors, tokenizer.json, as declared, in one of these"
        " places\n"
        "  fix: correct `files`, or go online"
    )


def test_the_teacher_of_mini_is_what_its_package_holds() -> None:
    """Its shape, its tokenizer, which the package sets to cut at 128 pieces, and no word head."""
    teacher = read_suite(Project(Path(CHECKOUT)), "mini").entries["minilm-6l"]
    source, packages = teacher.recipe.teacher.source, teacher.places[1:]
    assert isinstance(source, HubSource)
    (package,) = look(source.files, packages)
    if not package.files:
        pytest.skip(f"{package.place}: {package.lacking}; {package.remedy}")
    stated = json.loads(package.files["tokenizer.json"].read_text(encoding="utf-8"))
    assert stated["truncation"]["max_length"] == 128
    brought = fetch_source(source, packages)
    (ids,) = piece_ids(["word " * 300], brought.tokenizer)
    assert ids == [2773] * 300
    assert word_head(brought.model) <= brought.invented
