"""What this machine has of every kind of input, and what the hub is asked for."""

from pathlib import Path

import pytest

from tests import tiny
from zoo.data.at_hand import holdings, is_on_hub, require_intact
from zoo.data.places import Holding
from zoo.errors import CheckpointError
from zoo.models.weights import weights_sha256
from zoo.spec.corpus import FolderCorpus, HubCorpus
from zoo.spec.data import FolderData, SuiteData
from zoo.spec.jobs import CorpusInput, FileInput, Input, ModelInput, TaskInput
from zoo.spec.task import TASKS
from zoo.spec.teacher import FolderSource, HubSource

PIN = SuiteData().of(TASKS["sst2"])
HUB = HubSource(id="some/model", revision="0" * 40, shape=tiny.STUDENT)
DECLARED = ("config.json", "model.safetensors", "tokenizer.json")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`$ZOO_DATA`, empty."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    return tmp_path


def only(given: Input) -> Holding:
    (found,) = holdings(given)
    return found


def put(path: Path, content: bytes = b"something") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("given", "file"),
    [
        (TaskInput(task="sst2", split="dev", data=PIN), "glue/SST-2/dev.tsv"),
        (TaskInput(task="sst2", split="dev", data=FolderData(path="my")), "my/dev.tsv"),
        (FileInput(path="vectors/small.txt"), "vectors/small.txt"),
        (CorpusInput(corpus=FolderCorpus(path="corpus")), "corpus/a.txt.xz"),
        (CorpusInput(corpus=FolderCorpus(path="corpus/b.txt")), "corpus/b.txt"),
    ],
)
def test_files_below_the_folder_of_data_are_found(data: Path, given: Input, file: str) -> None:
    """With ZOO_DATA set the hub is asked for none of them."""
    assert (only(given).files, only(given).lacking) == ({}, "not there")
    assert only(given).remedy.startswith("put ")
    path = put(data / file)
    assert only(given).files == {path.name: path}
    assert not is_on_hub(given)


def test_without_a_folder_of_data_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_DATA", raising=False)
    for given, place in (
        (FileInput(path="vectors/small.txt"), "vectors/small.txt"),
        (CorpusInput(corpus=FolderCorpus(path="corpus")), "corpus"),
        (ModelInput(source=FolderSource(path="m", sha256="a" * 64, shape=tiny.STUDENT)), "m"),
    ):
        remedy = f"set ZOO_DATA to a folder with {place}"
        assert only(given) == Holding(
            f"$ZOO_DATA/{place}", lacking="ZOO_DATA is not set", remedy=remedy
        )
    own = only(TaskInput(task="sst2", split="dev", data=FolderData(path="my")))
    assert (own.place, own.lacking) == ("sst2", "ZOO_DATA is not set")


def test_a_split_in_the_cache_of_datasets_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its commit; another split beside it is not it."""
    monkeypatch.delenv("ZOO_DATA", raising=False)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    given = TaskInput(task="sst2", split="dev", data=PIN)
    assert is_on_hub(given)
    folder = tmp_path / "nyu-mll___glue/sst2/0.0.0" / SuiteData().glue
    put(folder / "glue-train.arrow")
    assert only(given) == Holding(
        "the cache of datasets, nyu-mll/glue",
        lacking="not there",
        remedy="set ZOO_DATA to a folder that has the data",
    )
    path = put(folder / "glue-validation.arrow")
    assert only(given).files == {path.name: path}


def test_a_corpus_of_the_hub_is_nowhere_else() -> None:
    corpus = HubCorpus(id="some/text", revision="0" * 40, config="c")
    given = CorpusInput(corpus=corpus)
    assert only(given) == Holding("the hub, some/text", lacking="it is streamed, never kept")
    assert is_on_hub(given)


def test_models_are_found_whole(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder, and in the cache of the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(data / "cache"))
    source = FolderSource(path="m", sha256="a" * 64, shape=tiny.STUDENT)
    given = ModelInput(source=source)
    assert only(given).lacking == "there is no such folder"
    assert only(given).remedy == f"copy the model to {data}/m"
    tiny.model().save_pretrained(data / "m")
    assert set(only(given).files) == {"config.json", "model.safetensors"}
    cached = ModelInput(source=HUB)
    assert only(cached).lacking == "it lacks config.json"
    assert is_on_hub(cached)
    snapshot = data / "cache/models--some--model/snapshots" / HUB.revision
    put(snapshot / "config.json")
    assert only(cached).lacking == "there is no model.safetensors here"
    put(snapshot / "model.safetensors")
    assert set(only(cached).files) == {"config.json", "model.safetensors"}
    whole = HUB.model_copy(update={"files": dict.fromkeys(DECLARED, "a" * 64)})
    (declared,) = holdings(ModelInput(source=whole))
    assert declared.lacking == "it lacks tokenizer.json"


def test_declared_hashes_are_checked(data: Path) -> None:
    """Of a folder's weights, and of every declared file; where none is declared nothing is."""
    put(data / "a.txt")
    require_intact(FileInput(path="a.txt"), only(FileInput(path="a.txt")))
    tiny.model().save_pretrained(data / "m")
    right = FolderSource(path="m", sha256=weights_sha256(data / "m"), shape=tiny.STUDENT)
    given = ModelInput(source=right)
    require_intact(given, only(given))
    wrong = ModelInput(source=right.model_copy(update={"sha256": "a" * 64}))
    with pytest.raises(CheckpointError) as raised:
        require_intact(wrong, only(wrong))
    assert str(raised.value) == (
        f"{data}/m: the sha256 of its weights is {right.sha256}\n"
        f"  allowed: {'a' * 64}\n"
        "  fix: download the declared file again, or declare this one"
    )
    named = ModelInput(source=HUB.model_copy(update={"files": dict.fromkeys(DECLARED, "a" * 64)}))
    holding = Holding("somewhere", {"config.json": data / "m/config.json"})
    with pytest.raises(CheckpointError, match="found in somewhere"):
        require_intact(named, holding)
