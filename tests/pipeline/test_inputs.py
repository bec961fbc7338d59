"""What a suite reads and did not make is looked at before every build."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from zoo.data.inputs import changed_inputs, current_inputs, look_at_inputs
from zoo.paths import Project
from zoo.pipeline.compile import compile_suite
from zoo.pipeline.inputs import inputs_job
from zoo.pipeline.pending import pending
from zoo.pipeline.sync import pipeline_files
from zoo.resolve.entry import read_suites
from zoo.spec.jobs import FileInput, InputsJob, ModelInput, TaskInput
from zoo.spec.load import BOARD_PIPELINE
from zoo.spec.shape import Shape
from zoo.spec.teacher import HubSource

CHECKOUT = Project(Path(__file__).parents[2])
SUITE = """\
seeds: [1]
tasks:
  sst2: {max_length: 32}
  sentiment: {max_length: 32}
corpus: {kind: folder, path: corpus}
corpus_optimise: {steps: 2, max_length: 32}
optimise: {epochs: 1}
bench: {shapes: [1x16]}
augment: {word_vectors: vectors/small.txt}
"""
TEACHER = """\
source:
  kind: folder
  path: models/m
  sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  shape: {layers: 2, hidden: 32, heads: 2, intermediate: 64, vocabulary: 92, positions: 64}
optimise: {epochs: 1}
"""
TINYBERT = """\
teacher: t
student: {layers: 1, start: fresh}
method: {name: tinybert}
"""
FILES = {
    "glue/SST-2/train.tsv": "sentence\tlabel\na\t1\n",
    "glue/SST-2/dev.tsv": "sentence\tlabel\nb\t0\n",
    "corpus/a.txt": "a text\n",
    "models/m/config.json": "{}",
    "models/m/model.safetensors": "weights",
    "models/m/tokenizer.json": "{}",
    "vectors/small.txt": "a 0.1\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A suite that reads a model, a task, a corpus and word vectors below `$ZOO_DATA`."""
    data = tmp_path / "data"
    specs = {"suite.yaml": SUITE, "teachers/t.yaml": TEACHER, "tiny.yaml": TINYBERT}
    written = {f"project/specs/s/{name}": text for name, text in specs.items()}
    for name, text in (written | {f"data/{name}": text for name, text in FILES.items()}).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("ZOO_DATA", str(data))
    return Project(tmp_path / "project")


@pytest.fixture
def job(project: Project) -> InputsJob:
    return inputs_job(read_suites(project)["s"])


def test_everything_that_is_read_has_a_name(job: InputsJob) -> None:
    """And nothing that the zoo makes itself: generated examples, a pretrained teacher."""
    assert list(job.inputs) == [
        "corpus",
        "sst2/dev",
        "sst2/train",
        "vectors-vectors.small.txt",
        "weights-of-t",
    ]
    assert isinstance(job.inputs["weights-of-t"], ModelInput)
    assert isinstance(job.inputs["sst2/dev"], TaskInput)
    assert isinstance(job.inputs["vectors-vectors.small.txt"], FileInput)


def test_a_generated_suite_has_no_inputs() -> None:
    loaded = read_suites(CHECKOUT)["pocket"]
    assert inputs_job(loaded).inputs == {}
    assert compile_suite(loaded)[0].entry == "teacher-4l"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("glue/SST-2/train.tsv", "sst2/train"),
        ("glue/SST-2/dev.tsv", "sst2/dev"),
        ("corpus/a.txt", "corpus"),
        ("corpus/b.txt", "corpus"),
        ("models/m/config.json", "weights-of-t"),
        ("models/m/tokenizer.json", "weights-of-t"),
        ("models/m/vocab.txt", "weights-of-t"),
        ("models/m/model.safetensors", "weights-of-t"),
        ("vectors/small.txt", "vectors-vectors.small.txt"),
    ],
)
def test_a_change_of_bytes_is_a_change_of_its_input(
    project: Project, job: InputsJob, file: str, name: str
) -> None:
    """And of no other; a file that plays no part changes nothing."""
    assert changed_inputs(project, job) == list(job.inputs)
    look_at_inputs(project, job)
    assert changed_inputs(project, job) == []
    path = project.root.parent / "data" / file
    (path.parent / "README.md").write_text("more")
    assert changed_inputs(project, job) == []
    path.write_text("other")
    assert changed_inputs(project, job) == [name]
    look_at_inputs(project, job)
    assert changed_inputs(project, job) == []


def test_what_cannot_be_reached_is_taken_as_unchanged(
    project: Project,
    job: InputsJob,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Once it was reached; it is said, and what is built of it stands."""
    look_at_inputs(project, job)
    before = current_inputs(project, job)
    (project.root.parent / "data/glue/SST-2/train.tsv").unlink()
    assert changed_inputs(project, job) == []
    assert capsys.readouterr().err == (
        "s: not reachable, taken as unchanged: sst2/train (is ZOO_DATA set?)\n"
    )
    monkeypatch.delenv("ZOO_DATA")
    assert current_inputs(project, job) == before


def test_what_the_hub_holds_is_named_by_its_commit(
    project: Project, job: InputsJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no file has ever been there; nothing is fetched to look."""
    monkeypatch.delenv("ZOO_DATA")
    found = current_inputs(project, job)
    revision = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
    assert found.pop("sst2/train") == f"hub sst2 train@{revision}\n"
    assert found.pop("sst2/dev") == f"hub sst2 dev@{revision}\n"
    assert set(found.values()) == {"not to be reached\n"}
    look_at_inputs(project, job)
    assert changed_inputs(project, job) == []


def test_what_was_never_reached_says_so(
    project: Project, job: InputsJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty := project.root / "empty").mkdir()
    monkeypatch.setenv("ZOO_DATA", str(empty))
    found = current_inputs(project, job)
    assert {v for k, v in found.items() if "sst2" not in k} == {"not to be reached\n"}


def test_stages_depend_on_what_they_read(project: Project) -> None:
    """Training on the training examples, measuring on all splits, a transfer on the corpus."""
    files = pipeline_files(read_suites(project))
    read = {
        f"{owner} {name}": [
            path.removeprefix("build/s/inputs/").removesuffix(".txt")
            for path in stage["deps"]
            if path.startswith("build/s/inputs/")
        ]
        for owner in ("t", "tiny")
        for name, stage in yaml.safe_load(files[f"pipelines/s/{owner}/dvc.yaml"])["stages"].items()
    }
    splits = ["sst2"]  # the folder of all that is looked at of a task
    assert read == {
        "t pretrain": ["weights-of-t"],
        "t train-sst2-1": ["sst2/train"],
        "t train-sentiment-1": [],
        "t score": splits,
        "t gate": [],
        "t export": splits,
        "tiny transfer": ["corpus"],
        "tiny train-sst2-1": ["sst2/train", "vectors-vectors.small.txt"],
        "tiny train-sentiment-1": ["vectors-vectors.small.txt"],
        "tiny score": splits,
        "tiny export": splits,
        "tiny latency": splits,
    }


def test_the_look_is_run_by_every_build(project: Project) -> None:
    files = pipeline_files(read_suites(project))
    stage: dict[str, Any] = yaml.safe_load(files["pipelines/s/inputs/dvc.yaml"])["stages"]["inputs"]
    assert stage["always_changed"] is True
    assert stage["cmd"] == "zoo stage s/inputs inputs"
    assert stage["outs"] == [
        f"build/s/inputs/{name}.txt"
        for name in (
            "corpus",
            "sst2/dev",
            "sst2/train",
            "vectors-vectors.small.txt",
            "weights-of-t",
        )
    ]


def test_a_dry_run_follows_a_changed_input(
    project: Project, job: InputsJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is measured on the dev examples, and what comes of that; not what reads no example."""
    monkeypatch.setattr("zoo.pipeline.pending._changed", lambda *_: set())
    suite = read_suites(project)["s"]
    look_at_inputs(project, job)
    assert list(pending(project, suite, BOARD_PIPELINE)) == []
    (project.root.parent / "data/glue/SST-2/dev.tsv").write_text("other")
    found = [*map(str, pending(project, suite, BOARD_PIPELINE))]
    measuring = {f"s/{e} {name}" for e in ("t", "tiny") for name in ("score", "export")}
    assert measuring | {"s/t gate", "s/tiny latency", "s/board board"} <= set(found)
    assert not {"s/t pretrain", "s/t train-sst2-1", "s/tiny transfer"} & set(found)


def test_declared_files_are_what_they_are_wherever_they_lie(project: Project) -> None:
    """Nothing is looked at: neither a folder nor the hub can change them."""
    files = {"tokenizer.json": "b" * 64, "config.json": "a" * 64, "model.safetensors": "c" * 64}
    shape = Shape(layers=2, hidden=32, heads=2, intermediate=64, vocabulary=92)
    source = HubSource(id="some/model", revision="d" * 40, files=files, shape=shape)
    job = InputsJob(suite="s", entry="inputs", inputs={"it": ModelInput(source=source)})
    told = "".join(f"{files[name]}  {name}\n" for name in sorted(files))
    assert current_inputs(project, job) == {"it": told}
