"""`zoo doctor` tells what a machine has, and what to do about what it lacks."""

import json
import urllib.error
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from tests import packaged
from zoo.cli import doctor as verb
from zoo.cli.doctor import doctor
from zoo.paths import file_sha256

FILES = {"config.json": b"{}", "model.safetensors": b"weights", "vocab.txt": b"a"}
SUITE = """\
seeds: [1]
tasks:
  sst2: {max_length: 32}
bench: {shapes: [1x16]}
"""
TEACHER = """\
source:
  kind: hub
  id: some/model
  revision: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  files: {files}
  places:
    - {{kind: folder, path: models/it}}
    - {{kind: package, name: packed-model, version: 1.2.0, path: packed_model/model}}
  shape: {{layers: 2, hidden: 32, heads: 2, intermediate: 64, vocabulary: 92, positions: 64}}
optimise: {{epochs: 1}}
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`$ZOO_DATA` with a task's files, beside a project whose teacher is in a package; offline."""
    folder = tmp_path / "data"
    for split in ("train", "dev"):
        path = folder / f"glue/SST-2/{split}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("sentence\tlabel\na\t1\n")
    inside = packaged.install(tmp_path / "site", FILES, monkeypatch)
    hashes = {name: file_sha256(inside / name) for name in FILES}
    specs = tmp_path / "project/specs/s"
    (specs / "teachers").mkdir(parents=True)
    (specs / "suite.yaml").write_text(SUITE)
    (specs / "teachers/t.yaml").write_text(TEACHER.format(files=json.dumps(hashes)))
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("ZOO_DATA", str(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return folder


def told(suite: str | None = "s", *, verify: bool = False) -> tuple[dict[str, Any], int]:
    """What is told, by part and name."""
    text, code = doctor(suite, verify=verify, as_json=True)
    return {f"{each['part']} {each['name']}": each for each in json.loads(text)}, code


def test_a_suite_that_has_all_is_fine(data: Path) -> None:
    """Every input with its places and sizes."""
    text, code = doctor("s", verify=True, as_json=False)
    assert code == 0
    assert text.startswith("machine\n  python: 3.")
    assert text.endswith(
        "\ns\n"
        f"  sst2/dev: {data}/glue/SST-2/dev.tsv: 0.0 MB\n"
        f"  sst2/train: {data}/glue/SST-2/train.tsv: 0.0 MB\n"
        f"  weights-of-t: $ZOO_DATA/models/it: there is no folder {data}/models/it;"
        " package packed-model 1.2.0: 0.0 MB;"
        " the cache of the hub, some/model: it lacks config.json, model.safetensors, vocab.txt"
    )


def test_an_optional_task_that_is_absent_is_no_fault(data: Path) -> None:
    """Builds skip it; what to do about it is told all the same."""
    Path("specs/s/suite.yaml").write_text(
        SUITE.replace("bench:", "  rte: {max_length: 32, optional: true}\nbench:")
    )
    found, code = told()
    assert code == 0
    assert found["s rte/train"]["state"] == "note"
    assert found["s rte/train"]["found"].endswith("; optional: builds skip it")
    assert str(data / "glue/RTE/train.tsv") in found["s rte/train"]["found"]
    assert found["s rte/train"]["remedy"] == "put the file there"


def test_absent_adversarial_examples_are_no_fault(data: Path) -> None:
    """As an optional task."""
    line = "robustness: {adversarial: {path: advglue/dev.json}}\nbench:"
    Path("specs/s/suite.yaml").write_text(SUITE.replace("bench:", line))
    found, code = told()
    assert (code, found["s adversarial"]["state"]) == (0, "note")
    file = f"{data}/advglue/dev.json"
    assert found["s adversarial"]["found"] == f"{file}: not there; optional: builds skip it"


def test_what_a_suite_lacks_is_told_with_its_remedy(data: Path, tmp_path: Path) -> None:
    """The exit code is 1 where one suite was asked about."""
    (data / "glue/SST-2/dev.tsv").unlink()
    (tmp_path / "site" / packaged.FOLDER / "vocab.txt").unlink()
    found, code = told()
    assert code == 1
    assert found["s sst2/dev"]["state"] == "missing"
    assert found["s sst2/dev"]["remedy"] == "put the file there"
    assert found["s sst2/train"]["state"] == "fine"
    assert found["s weights-of-t"]["state"] == "missing"
    assert found["s weights-of-t"]["remedy"] == (
        f"put these files into {data}/models/it,"
        " or `pip install --no-deps packed-model==1.2.0`, or unset HF_HUB_OFFLINE"
    )
    text, code = doctor(None, verify=False, as_json=False)
    assert code == 0
    assert (
        f"! sst2/dev: {data}/glue/SST-2/dev.tsv: not there\n    fix: put the file there\n" in text
    )


def test_other_bytes_are_told_where_they_are_asked_about(data: Path, tmp_path: Path) -> None:
    """Their presence and size alone say nothing of it."""
    file = tmp_path / "site" / packaged.FOLDER / "vocab.txt"
    file.write_bytes(b"b")
    assert told()[1] == 0
    found, code = told(verify=True)
    weights = found["s weights-of-t"]
    assert (code, weights["state"]) == (1, "missing")
    assert weights["found"].startswith(f"{file}: its sha256 is 3e23e8160039594a")
    assert weights["remedy"].startswith("put the declared file there")
    assert data.is_dir()


def test_what_the_hub_has_is_not_missing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it answers, if only by an error; where it does not, the reason is told."""
    monkeypatch.delenv("ZOO_DATA")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)

    def answer(request: Any, **_: object) -> None:
        raise urllib.error.HTTPError(request.full_url, 405, "no HEAD", Message(), None)

    monkeypatch.setattr(verb.urllib.request, "urlopen", answer)
    found, code = told()
    assert code == 0
    assert found["machine hub"]["found"] == "https://huggingface.co answers"
    assert found["s sst2/dev"]["found"] == (
        "will be downloaded from the hub (the cache of datasets, nyu-mll/glue: not there)"
    )

    monkeypatch.setenv("ZOO_DATA", str(data / "glue"))
    found, code = told()
    assert (code, found["s sst2/dev"]["state"]) == (1, "missing")
    assert found["s sst2/dev"]["remedy"] == "put the file there"
    monkeypatch.delenv("ZOO_DATA")

    def silence(*_: object, **__: object) -> None:
        message = "no route"
        raise OSError(message)

    monkeypatch.setattr(verb.urllib.request, "urlopen", silence)
    found, code = told()
    assert code == 1
    assert found["machine hub"] == {
        "part": "machine",
        "name": "hub",
        "found": "https://huggingface.co does not answer: no route",
        "state": "note",
        "remedy": "go online",
    }
    assert (
        found["s sst2/dev"]["remedy"] == "set ZOO_DATA to a folder that has the data, or go online"
    )
    assert data.is_dir()


def test_the_machine_is_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions are held against the constraints; DVC's remote is named."""
    project = Path.cwd()
    found, _ = told()
    assert found["machine libraries"]["found"] == "not compared: there is no constraints.txt"
    assert found["machine dvc"]["remedy"] == "`dvc init`"
    assert found["machine ZOO_DATA"]["found"] == str(data)
    assert found["machine hub"]["remedy"] == "unset HF_HUB_OFFLINE"
    for name in ("python", "processor", "bf16", "int8", "device", "memory", "disk"):
        assert found[f"machine {name}"]["found"]
    monkeypatch.setattr(verb, "version", {"torch": "2.0+cpu", "dvc": "3.1"}.__getitem__)
    (project / "constraints.txt").write_text("# known\ntorch==2.0\ndvc==3.1\n")
    (project / ".dvc").mkdir()
    found, _ = told()
    assert found["machine libraries"]["found"] == "torch 2.0; all as in constraints.txt"
    assert found["machine dvc"]["found"] == "3.1, no remote: builds stay on this machine"
    (project / "constraints.txt").write_text("torch==2.1\ndvc==3.1\n")
    (project / ".dvc/config").write_text(
        "[core]\nremote = near\n['remote \"near\"']\nurl = /tmp/x\n"
    )
    found, _ = told()
    assert (found["machine libraries"]["found"], found["machine libraries"]["state"]) == (
        "torch 2.0, not 2.1",
        "note",
    )
    assert found["machine dvc"]["found"] == "3.1, remote near"
    (project / ".dvc/config").write_text("[core\n")
    found, _ = told()
    assert found["machine dvc"]["remedy"] == "correct .dvc/config"


@pytest.mark.parametrize(
    ("sets", "bf16", "int8"),
    [
        (("avx2", "amx_bf16", "amx_int8"), "amx_bf16", "amx_int8"),
        (("avx2",), "no instructions of the", "no instructions of the"),
        (None, "unknown: the system", "unknown: the system"),
    ],
)
def test_instruction_sets_of_low_precisions_are_told(
    sets: tuple[str, ...] | None, bf16: str, int8: str
) -> None:
    first, second = verb._instructions(sets)
    assert first.found.startswith(bf16)
    assert second.found.startswith(int8)
