"""Records on disk, and the environment they carry."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.made import HASH, latency_record
from zoo.errors import ZooError
from zoo.paths import Project
from zoo.records import environment as module
from zoo.records.attention import AttentionRecord, LayerDivergence
from zoo.records.durations import published_durations
from zoo.records.environment import capture_environment
from zoo.records.export import ExportRecord
from zoo.records.predicted import seal
from zoo.records.robustness import RobustnessRecord
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
from zoo.records.store import RECORD_KINDS, read_record, read_records
from zoo.records.text import record_text, write_record
from zoo.records.training import PhaseRecord, TrainingRecord, TransferRecord
from zoo.spec.robustness import Typos

HERE = {
    "suite": "s",
    "entry": "e",
    "task": "squad-v1.1",
    "seed": 3,
    "declared": HASH,
    "digest": "d",
    "environment": capture_environment(Path("/")),
}
RECORDS = (
    TrainingRecord(
        **HERE,
        inputs={"train": HASH},
        seconds=1.5,
        threads=1,
        examples=2,
        data_sha256="x",
        phases=(PhaseRecord(name="p", steps=1, left="budget", losses={"mlm": 0.25}),),
    ),
    ScoreRecord(
        **HERE,
        method="kd",
        teacher="t",
        twin=None,
        split="dev",
        examples=2,
        data_sha256="x",
        primary="f1",
        metrics={"f1": 0.5, "exact_match": None},
        majority={"f1": 0.1},
        constant=False,
        weights_sha256=HASH,
        predictions_sha256=HASH,
    ),
    SizeRecord(
        **HERE,
        parameters=3,
        embedding=1,
        non_embedding=2,
        checkpoint_bytes=12,
        weights_sha256=HASH,
    ),
    ExportRecord(
        **HERE,
        precision="int8",
        bytes=1,
        weights_sha256=HASH,
        file_sha256=HASH,
        max_length=8,
        compared=2,
        max_abs_error=0.5,
        flips=1,
    ),
    TransferRecord(
        **HERE,
        inputs={"train": HASH},
        seconds=1.5,
        threads=1,
        phases=(
            PhaseRecord(
                name="p", steps=1, left="budget", losses={}, report={"step": [1], "norm": [0.5]}
            ),
        ),
    ),
    latency_record(HERE | {"runtime": "onnx-int8"}),
    AttentionRecord(
        **HERE,
        teacher="t",
        weights_sha256=HASH,
        teacher_sha256=HASH,
        split="dev",
        data_sha256="0",
        rows=7,
        layers=(LayerDivergence(teacher_layer=1, heads=(0.5, 0.0)),),
    ),
    RobustnessRecord(
        **HERE,
        perturbation="typos",
        typos=Typos(share=0.2),
        split="dev",
        examples=2,
        data_sha256="x",
        primary="f1",
        metrics={"f1": 0.25, "exact_match": None},
        weights_sha256=HASH,
        predictions_sha256=HASH,
    ),
)
NAMES = (
    "training-squad-v1.1-3",
    "score-squad-v1.1-dev-3",
    "size-squad-v1.1-3",
    "export-squad-v1.1-int8-3",
    "transfer-3",
    "latency-squad-v1.1-cpu-onnx-int8-1x8-3",
    "attention-squad-v1.1-dev-3",
    "robustness-typos-squad-v1.1-dev-3",
)

FOREIGN = ": not a record: "


@pytest.mark.parametrize("record", RECORDS, ids=RECORD_KINDS)
def test_every_kind_comes_back_as_it_was(tmp_path: Path, record: Any) -> None:
    """Type, values and name; written again, the same bytes."""
    write_record(tmp_path, record)
    path = tmp_path / f"{record.name}.json"
    back = read_record(path)
    assert (type(back), back) == (type(record), record)
    assert record_text(back) == path.read_text()


def test_names_tell_kind_task_and_seed(tmp_path: Path) -> None:
    """No two kinds share one, and every kind is found again below a folder."""
    assert tuple(record.name for record in RECORDS) == NAMES
    for record in RECORDS:
        write_record(tmp_path / "deep" / record.kind, record)
    assert {record.kind for record in read_records(tmp_path)} == set(RECORD_KINDS)


def test_a_seal_is_of_what_is_written_but_the_predictions_hash() -> None:
    stated = json.loads(record_text(RECORDS[1]))
    del stated["predictions_sha256"]
    expected = hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()
    assert seal(RECORDS[1]) == expected
    assert seal(RECORDS[1].model_copy(update={"predictions_sha256": "1" * 64})) == expected
    assert seal(RECORDS[1].model_copy(update={"constant": True})) != expected


def test_numbers_are_rounded_to_six_digits(tmp_path: Path) -> None:
    """Significant ones, within lists and mappings too."""
    phase = PhaseRecord(name="p", steps=1, left="budget", losses={"mlm": 1e-7 / 3})
    write_record(tmp_path, RECORDS[0].model_copy(update={"seconds": 2 / 3, "phases": (phase,)}))
    back = read_record(tmp_path / f"{NAMES[0]}.json")
    assert (back.seconds, back.phases[0].losses) == (0.666667, {"mlm": 3.33333e-8})


def test_half_made_and_foreign_files_are_not_records(tmp_path: Path) -> None:
    """A killed stage leaves a hidden folder; other JSON lies beside records."""
    write_record(tmp_path / ".score.x1", RECORDS[2])
    (tmp_path / "leaderboard.json").write_text("[]")
    assert read_records(tmp_path) == []
    write_record(tmp_path / "score", RECORDS[2])
    assert read_records(tmp_path) == [RECORDS[2]]


def test_a_renamed_record_is_refused(tmp_path: Path) -> None:
    """Its name is what it is about."""
    path = tmp_path / "size-cola-1.json"
    path.write_text(record_text(RECORDS[2]))
    with pytest.raises(ZooError) as caught:
        read_record(path)
    assert (
        str(caught.value) == f"{path}: contains the record size-squad-v1.1-3\n  fix: rename it back"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:100], f"{FOREIGN}Invalid JSON: EOF"),
        (lambda _: "", f"{FOREIGN}Invalid JSON: EOF"),
        (lambda _: '{"a": 1}', f"{FOREIGN}Unable to extract tag using"),
        (
            lambda text: text.replace('"parameters": 3', '"parameters": "x"'),
            ": size.parameters: not a record",
        ),
        (
            lambda text: text.replace('"parameters"', '"params"'),
            f": size.parameters{FOREIGN}Field required",
        ),
        (
            lambda text: text.replace('"kind": "size"', '"kind": "sighs"'),
            f"{FOREIGN}Input tag 'sighs' found",
        ),
    ],
)
def test_a_damaged_record_is_told(tmp_path: Path, change: Any, said: str) -> None:
    """By file, key and what is wrong, with a way to get it back."""
    path = tmp_path / f"{NAMES[2]}.json"
    path.write_text(change(record_text(RECORDS[2])))
    with pytest.raises(ZooError) as caught:
        read_record(path)
    assert str(caught.value).startswith(f"{path}{said}")
    remedy = "fix: restore it from git, or rebuild it with `dvc repro`"
    assert str(caught.value).endswith(remedy)


def test_a_missing_record_is_told(tmp_path: Path) -> None:
    """As a damaged one."""
    with pytest.raises(ZooError, match="there is no such file"):
        read_record(tmp_path / "size-cola-1.json")


def fails(error: BaseException) -> Any:
    def run(*_: object, **__: object) -> None:
        raise error

    return run


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(),
        subprocess.TimeoutExpired("git", 20),
        subprocess.CalledProcessError(128, "git"),
    ],
    ids=["no git", "slow git", "no repository"],
)
def test_an_environment_needs_no_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    """Without it the commit is unknown."""
    monkeypatch.setattr(module.subprocess, "run", fails(error))
    assert capture_environment(tmp_path).commit == "unknown"


def test_a_commit_with_changes_says_so(tmp_path: Path) -> None:
    """Only changes of code and specs count."""

    def git(*arguments: str) -> str:
        command = [
            "git",
            "-C",
            str(tmp_path),
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    (tmp_path / "specs").mkdir()
    for name in ("specs/a.yaml", "README.md"):
        (tmp_path / name).write_text("1")
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "-m", "one")
    head = git("rev-parse", "HEAD")
    told = []
    for name in ("README.md", "specs/a.yaml"):
        (tmp_path / name).write_text("2")
        module._commit.cache_clear()
        told.append(capture_environment(tmp_path).commit)
    assert told == [head, f"{head}+changes"]


def test_an_environment_names_what_it_is_asked_for(tmp_path: Path) -> None:
    """Beside the libraries of every record; what is not installed has no version."""
    usual = capture_environment(tmp_path).libraries
    found = capture_environment(tmp_path, libraries=("pytest", "torch", "no-such")).libraries
    assert found == usual | {"pytest": pytest.__version__}
    assert "pytest" not in usual


def test_an_environment_is_plain_json(tmp_path: Path) -> None:
    """Versions of what matters, the device as it was given, no path of the machine."""
    text = capture_environment(tmp_path, "a GPU").model_dump_json()
    assert json.loads(text)["device"] == "a GPU"
    assert "torch" in json.loads(text)["libraries"]
    assert str(tmp_path) not in text


IMPOSSIBLE = [
    (1, {"metrics": {"exact_match": 0.5}}, "the primary metric f1 is missing; allowed: exact_"),
    (1, {"metrics": {}}, "the primary metric f1 is missing; allowed: none"),
    (1, {"metrics": {"f1": 57.0}}, "the value 57; allowed: 0 to 1"),
    (1, {"metrics": {"f1": -0.1}}, "the value -0.1; allowed: 0 to 1"),
    (1, {"metrics": {"f1": 0.5, "matthews": -1.1}}, "the value -1.1; allowed: -1 to 1"),
    (1, {"majority": {"f1": 1.1}}, "the value 1.1; allowed: 0 to 1"),
    (1, {"examples": 0}, "Input should be greater than or equal to 1"),
    (1, {"examples": -5}, "Input should be greater than or equal to 1"),
    (0, {"examples": 0}, "Input should be greater than or equal to 1"),
    (0, {"seconds": -1.0}, "Input should be greater than or equal to 0"),
    (0, {"threads": 0}, "Input should be greater than or equal to 1"),
    (2, {"parameters": 0}, "Input should be greater than or equal to 1"),
    (2, {"embedding": -1}, "Input should be greater than or equal to 0"),
    (2, {"embedding": 4}, "3, and 4 of them in embeddings; allowed: at least as many as any part"),
    (2, {"checkpoint_bytes": 0}, "Input should be greater than or equal to 1"),
    (3, {"compared": 0}, "Input should be greater than or equal to 1"),
    (3, {"flips": 3}, "3 of 2; allowed: 0 to 2"),
    (3, {"max_abs_error": -0.5}, "Input should be greater than or equal to 0"),
    (3, {"metric": "f1", "metric_file": 2.0}, "the value 2; allowed: 0 to 1"),
    (7, {"metrics": {"exact_match": 0.5}}, "the primary metric f1 is missing; allowed: exact_"),
    (7, {"metrics": {"f1": 57.0}}, "the value 57; allowed: 0 to 1"),
    (7, {"typos": None}, "missing; allowed: for the perturbation typos, and for no other"),
    (
        7,
        {"perturbation": "adversarial"},
        "stated; allowed: for the perturbation typos, and for no other",
    ),
    (5, {"batch_size": 0}, "Input should be greater than or equal to 1"),
    (5, {"lengths": [0, 8, 8]}, "Input should be greater than or equal to 1"),
]


@pytest.mark.parametrize(("number", "change", "told"), IMPOSSIBLE)
def test_what_no_measurement_can_give_is_no_record(
    tmp_path: Path, number: int, change: dict[str, Any], told: str
) -> None:
    """An edited field is told where it is read, with its range."""
    path = tmp_path / f"{RECORDS[number].name}.json"
    path.write_text(json.dumps(json.loads(record_text(RECORDS[number])) | change))
    with pytest.raises(ZooError) as caught:
        read_record(path)
    assert f"not a record: {told}" in str(caught.value)


def test_the_ends_of_ranges_are_inside(tmp_path: Path) -> None:
    """And what floats add to them."""
    ends = {"f1": 1.0 + 1e-9, "accuracy": 0.0, "pearson": -1.0 - 1e-12, "matthews": 1.0}
    record = RECORDS[1].model_copy(update={"metrics": ends, "majority": {"f1": None}})
    write_record(tmp_path, record)
    assert read_record(tmp_path / f"{record.name}.json").examples == 2


@pytest.mark.parametrize(
    "content", ["<<<<<<< HEAD\n{}", "", "[1]", "7", '{"a": NaN}', '{"a": ' + "9" * 5000 + "}"]
)
def test_estimates_do_without_damaged_durations(content: str, tmp_path: Path) -> None:
    """Nothing is estimated then, and nothing ends."""
    path = tmp_path / "results/s/durations.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert published_durations(Project(tmp_path), "s") == {}
    path.write_text('{"a/b": 1.5, "c/d": "x", "e/f": null, "g/h": -1}')
    assert published_durations(Project(tmp_path), "s") == {"a/b": 1.5}
