"""Data and models that users bring are followed by DVC, by digests and by the board."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny
from tests.pipeline.building import Building, building
from tests.pipeline.conftest import KD, SUITE, make_project
from zoo.models.checkpoint import save_checkpoint
from zoo.models.identity import IDENTITY_FILE, Identity, read_identity
from zoo.paths import file_sha256
from zoo.records.store import read_records

WORDS = ["cat", "dog", "bird", "sat", "ran", "good", "bad", "great"]
TEACHER = """\
source:
  kind: folder
  path: models/m
  sha256: {sha256}
  shape: {{layers: 2, hidden: 32, heads: 4, intermediate: 64, vocabulary: 600, positions: 64}}
optimise: {{steps: 4, learning_rate: 1.0e-3, batch_size: 16, dropout: 0.0}}
"""
TRAINED = ["t/train", "t/score", "t/gate", "t/export"]
STUDENT = ["kd/train", "kd/score", "kd/export", "kd/latency", "board/board"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """SST-2 of 48 and 24 sentences, and a model of two layers."""
    dice, folder = random.Random(0), tmp_path / "data"
    (folder / "glue/SST-2").mkdir(parents=True)
    for split, count in (("train", 48), ("dev", 24)):
        rows = [f"{' '.join(dice.choices(WORDS, k=5))}\t{n % 2}\n" for n in range(count)]
        (folder / f"glue/SST-2/{split}.tsv").write_text("".join(["sentence\tlabel\n", *rows]))
    about = Identity(
        suite="x",
        entry="x",
        stage="pretrained",
        seed=0,
        declared="0" * 64,
        digest="0" * 64,
        inputs={},
    )
    save_checkpoint(folder / "models/m", tiny.model(), tiny.tokenizer(), about)
    (folder / "models/m" / IDENTITY_FILE).unlink()
    return folder


@pytest.fixture
def dvc(data: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Building]:
    suite = SUITE.replace("twin: finetune\n", "").replace(
        "sentiment: {train: 48, dev: 32", "sst2: {"
    )
    suite = suite.replace("{, max", "{max")
    teacher = TEACHER.format(sha256=file_sha256(data / "models/m/model.safetensors"))
    files = {
        "suite.yaml": suite,
        "teachers/t.yaml": teacher,
        "kd.yaml": KD.replace("teacher: teacher", "teacher: t"),
    }
    project = make_project(tmp_path / "project", files)
    with building(project, tmp_path_factory.mktemp("zoo")) as made:
        yield made


def digests(dvc: Building) -> dict[str, str]:
    """Of the teacher's and the student's checkpoint."""
    return {
        entry: read_identity(dvc.project.entry("tiny", entry).checkpoint("sst2", 1)).digest
        for entry in ("t", "kd")
    }


def built(dvc: Building, data: Path) -> list[str]:
    """The stages that a build ran beside the look at what is read."""
    assert dvc.repro(ZOO_DATA=str(data)) == 0
    ran = dvc.ran()
    assert ran[0] == "inputs/inputs"
    return sorted(ran[1:])


def test_what_is_read_decides_what_is_built(dvc: Building, data: Path) -> None:
    """Nothing twice; other examples or another tokenizer all that is made of them, and no more."""
    assert built(dvc, data) == sorted(["t/pretrain", *TRAINED, *STUDENT])
    before = digests(dvc)
    assert built(dvc, data) == []

    train = data / "glue/SST-2/train.tsv"
    rows = train.read_text()
    train.write_text("".join(rows.splitlines(keepends=True)[:17]))
    dry = dvc.run(str(dvc.scripts / "zoo"), "run", "tiny", "--dry-run", ZOO_DATA=str(data))
    assert [line.split("/")[1] for line in dry.stdout.splitlines()[1:]] == [
        place.replace("/", " ") for place in ("inputs/inputs", *TRAINED, *STUDENT)
    ]
    assert built(dvc, data) == sorted([*TRAINED, *STUDENT])
    fewer = digests(dvc)
    assert not set(fewer.values()) & set(before.values())
    records = read_records(dvc.project.build / "tiny")
    assert {r.examples for r in records if r.kind == "training"} == {16}

    dev = data / "glue/SST-2/dev.tsv"
    dev.write_text("".join(dev.read_text().splitlines(keepends=True)[:13]))
    measured = ["t/score", "t/export", "kd/score", "kd/export", "kd/latency", "board/board"]
    assert set(built(dvc, data)) - {"t/gate"} == set(measured)
    assert digests(dvc) == fewer

    # A line end that no reader sees builds again, and ends with the same digest.
    train.write_text(train.read_text().replace("\n", "\r\n"))
    assert "kd/train" in built(dvc, data)
    assert digests(dvc) == fewer

    tokenizer = data / "models/m/tokenizer.json"
    content = json.loads(tokenizer.read_text())
    pieces = content["model"]["vocab"]
    first, second = (piece for piece in list(pieces)[100:102])
    pieces[first], pieces[second] = pieces[second], pieces[first]
    tokenizer.write_text(json.dumps(content))
    config = data / "models/m/config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"hidden_act": "relu"}))
    assert "t/pretrain" in built(dvc, data)
    assert not set(digests(dvc).values()) & set(fewer.values())

    assert dvc.repro() == 0  # without ZOO_DATA what is built stands
    assert dvc.ran() == ["inputs/inputs"]
