"""What travels with a build: the files that its suite reads."""

from pathlib import Path

import pytest

from benchmarks.luggage import _files_of
from zoo.errors import ZooError
from zoo.paths import file_sha256
from zoo.spec.corpus import FolderCorpus
from zoo.spec.data import FolderData
from zoo.spec.jobs import CorpusInput, FileInput, ModelInput, TaskInput
from zoo.spec.shape import Shape
from zoo.spec.teacher import FolderSource, HubSource
from zoo.spec.weights import FolderPlace

SHAPE = Shape(layers=1, hidden=32, heads=2, intermediate=64, vocabulary=64)
HUB = HubSource(id="someone/small", revision="a" * 40, shape=SHAPE)
TASK = TaskInput(task="mrpc", split="train", data=FolderData(path="glue/MRPC"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("glue/MRPC/train.tsv", "corpus/a.txt", "corpus/b.md", "vocab.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    for name in ("config.json", "model.safetensors", "vocab.txt", "notes.txt"):
        path = tmp_path / "models/small" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (TASK, ["glue/MRPC/train.tsv"]),
        (CorpusInput(corpus=FolderCorpus(path="corpus")), ["corpus/a.txt"]),
        (FileInput(path="vocab.txt"), ["vocab.txt"]),
        (
            ModelInput(source=FolderSource(path="models/small", sha256="0" * 64, shape=SHAPE)),
            [f"models/small/{name}" for name in ("config.json", "model.safetensors", "vocab.txt")],
        ),
    ],
)
def test_inputs_travel_under_their_names_below_the_data(
    root: Path, given: TaskInput, names: list[str]
) -> None:
    assert _files_of("one", given) == {name: root / name for name in names}


def test_given_weights_travel_to_the_folder_where_they_are_looked_for(root: Path) -> None:
    """From wherever they are here."""
    folder, names = root / "models/small", ("config.json", "model.safetensors", "vocab.txt")
    source = HUB.model_copy(update={"files": {name: file_sha256(folder / name) for name in names}})
    places = (FolderPlace(path="models/elsewhere"), FolderPlace(path="models/small"))
    found = _files_of("one", ModelInput(source=source, places=places))
    assert found == {f"models/elsewhere/{name}": folder / name for name in names}


def test_weights_that_only_the_hub_has_are_refused(root: Path) -> None:
    assert root.is_dir()
    with pytest.raises(ZooError) as raised:
        _files_of("weights-of-t", ModelInput(source=HUB))
    assert str(raised.value) == (
        "weights-of-t: this model can only be had from the hub\n"
        "  allowed: a source with `files` and a place `folder`"
    )


def test_a_missing_file_is_named_unless_its_task_is_optional(root: Path) -> None:
    file = root / "glue/MRPC/train.tsv"
    file.unlink()
    with pytest.raises(ZooError) as raised:
        _files_of("mrpc/train", TASK)
    assert str(raised.value) == f"mrpc/train: {file} is missing"
    assert _files_of("mrpc/train", TASK.model_copy(update={"optional": True})) == {}


def test_without_data_there_is_nothing_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_DATA", raising=False)
    with pytest.raises(ZooError) as raised:
        _files_of("vocab", FileInput(path="vocab.txt"))
    assert str(raised.value) == ("vocab: ZOO_DATA is not set\n  fix: set it to the data's folder")
