"""Files of given weights are found below ZOO_DATA, in packages and in the hub's cache."""

import hashlib
import sys
from pathlib import Path

import pytest

from tests import packaged
from zoo.data.inputs import MODEL_FILES
from zoo.data.places import Holding, look, look_at_cache, require_declared
from zoo.errors import CheckpointError
from zoo.spec.weights import FolderPlace, HubWeights, PackagePlace

FILES = {"config.json": b"{}", "model.safetensors": b"weights", "tokenizer.json": b"[]"}
HASHES = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
FOLDER = FolderPlace(path="models/it")
PACKAGE = PackagePlace(name=packaged.NAME, version=packaged.VERSION, path=packaged.FOLDER)
PIP = "`pip install --no-deps packed-model==1.2.0`"


def holding(place: FolderPlace | PackagePlace) -> Holding:
    (found,) = look(FILES, [place])
    return found


def test_a_package_is_read_and_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = packaged.install(tmp_path / "site", FILES, monkeypatch)
    found = holding(PACKAGE)
    assert found.files == {name: folder / name for name in FILES}
    assert (found.place, found.lacking) == ("package packed-model 1.2.0", "")
    assert "packed_model" not in sys.modules


def test_a_package_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of this name, another version, and one without a file."""
    assert holding(PACKAGE) == Holding(str(PACKAGE), lacking="it is not installed", remedy=PIP)
    folder = packaged.install(tmp_path / "site", FILES, monkeypatch)
    other = PACKAGE.model_copy(update={"version": "1.3.0"})
    assert holding(other).lacking == "version 1.2.0 is installed"
    assert holding(other).remedy == "`pip install --no-deps packed-model==1.3.0`"
    (folder / "config.json").unlink()
    (folder / "vocab.txt").write_text("not listed")
    assert holding(PACKAGE).lacking == "it lacks config.json"
    (unlisted,) = look(["vocab.txt"], [PACKAGE])
    assert unlisted.lacking == "it lacks vocab.txt"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a,b,c,d,e,f\n"])
def test_a_broken_package_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    packaged.install(tmp_path, FILES, monkeypatch)
    (tmp_path / "packed_model-1.2.0.dist-info" / "RECORD").write_bytes(content)
    found = holding(PACKAGE)
    assert found.lacking.startswith("its metadata cannot be read: ")
    assert found.remedy == f"`pip uninstall packed-model`, {PIP}"


def test_a_link_out_of_a_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the right bytes too; the folder that packages are in may be a link itself."""
    packaged.install(tmp_path / "real", FILES, monkeypatch)
    (tmp_path / "site").symlink_to(tmp_path / "real")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    assert holding(PACKAGE).files
    inside = tmp_path / "real" / packaged.FOLDER
    (inside / "config.json").rename(tmp_path / "elsewhere.json")
    (inside / "config.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(CheckpointError) as raised:
        holding(PACKAGE)
    assert str(raised.value) == (
        f"{tmp_path}/site/packed_model/model/config.json: this link of package packed-model 1.2.0"
        f" leads to {tmp_path}/elsewhere.json\n"
        f"  allowed: files in {inside}\n"
        "  fix: install the package again, with its files instead of links"
    )


def test_a_folder_that_lacks_them_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_DATA", raising=False)
    assert holding(FOLDER) == Holding(
        "$ZOO_DATA/models/it",
        lacking="ZOO_DATA is not set",
        remedy="set ZOO_DATA to a folder with these files in models/it",
    )
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    folder = tmp_path / "models/it"
    assert holding(FOLDER).lacking == f"there is no folder {folder}"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(b"{}")
    assert holding(FOLDER) == Holding(
        "$ZOO_DATA/models/it",
        lacking="it lacks model.safetensors, tokenizer.json",
        remedy=f"put these files into {folder}",
    )


def test_other_bytes_are_told_with_place_file_and_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every file at once."""
    folder = packaged.install(tmp_path, FILES, monkeypatch)
    require_declared(holding(PACKAGE), HASHES)
    declared = HASHES | {"config.json": "a" * 64, "tokenizer.json": "b" * 64}
    with pytest.raises(CheckpointError) as raised:
        require_declared(holding(PACKAGE), declared)
    config, tokenizer = raised.value.problems
    assert str(config) == (
        f"{folder}/config.json: its sha256 is {HASHES['config.json']};"
        " found in package packed-model 1.2.0\n"
        f"  allowed: {'a' * 64}, as declared for config.json\n"
        "  fix: put the declared file there, or remove it from there so that the next place is"
        " asked"
    )
    assert tokenizer.where == f"{folder}/tokenizer.json"


def test_the_cache_of_the_hub_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is complete, or it lacks files; a file that the hub is known not to have is lacking."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    source = HubWeights(id="some/model", revision="c" * 40, files=HASHES)
    found = look_at_cache(source, FILES)
    assert (found.place, found.lacking) == (
        "the cache of the hub, some/model",
        "it lacks config.json, model.safetensors, tokenizer.json",
    )
    snapshot = tmp_path / "models--some--model" / "snapshots" / source.revision
    snapshot.mkdir(parents=True)
    for name, content in FILES.items():
        (snapshot / name).write_bytes(content)
    assert look_at_cache(source, FILES).files == {name: snapshot / name for name in FILES}


@pytest.mark.parametrize(
    "name",
    [
        *("config.json", "model.safetensors", "model-00001-of-00002.safetensors"),
        *("model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json"),
        *("special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt"),
    ],
)
def test_a_file_that_can_be_declared_decides_what_a_model_is(name: str) -> None:
    """One that `model_sha256` passed over would be read without being part of the identity."""
    HubWeights(id="a/b", revision="c" * 40, files=HASHES | {name: "a" * 64})
    assert any(Path(name).match(pattern) for pattern in MODEL_FILES)
