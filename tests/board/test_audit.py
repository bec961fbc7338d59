"""Records that are not what their predictions say are never shown."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.made import answers_to
from zoo.board.audit import refuse_mixed_data
from zoo.board.publish import build_board, publish_suite, published_board
from zoo.errors import ZooError
from zoo.evaluation.predictions import Origin, write_predictions
from zoo.paths import Project
from zoo.records.predicted import seal
from zoo.records.store import read_record
from zoo.spec.measuring import BoardJob

JOB = BoardJob(suite="tiny", entry="board", entries=("teacher", "finetune", "kd"))
RECORD, ANSWERS = "records/kd/score-sentiment-dev-1.json", "predictions/kd/sentiment-dev-1.parquet"
RESTORE = "\n  fix: restore both from git, or build and publish them again"


@pytest.fixture
def results(tmp_path: Path, records: Any, leave: Any) -> Path:
    """A published suite without the manifest, which would tell of any change first."""
    project = Project(tmp_path)
    for record in records:
        leave(project, record)
    build_board(project, JOB)
    publish_suite(project, JOB)
    shutil.rmtree(project.scratch)
    return project.results / "tiny"


@pytest.fixture(autouse=True)
def _no_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.board.publish.refuse_edited", lambda *_: None)


def told(results: Path) -> str:
    with pytest.raises(ZooError) as refused:
        published_board(Project(results.parents[1]), "tiny")
    return str(refused.value)


def edit(results: Path, **change: Any) -> None:
    path = results / RECORD
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def test_what_was_published_is_shown(results: Path) -> None:
    project = Project(results.parents[1])
    assert len(published_board(project, "tiny").rows) == 3
    assert len(published_board(project, "tiny").rows) == 3  # from memory


def test_an_edited_score_is_refused(results: Path) -> None:
    """0.8 that became 0.97: neither what its predictions score nor what they were written for."""
    where = "tiny/kd score-sentiment-dev-1"
    origin = seal(read_record(results / RECORD))  # type: ignore[arg-type]
    edit(results, metrics={"accuracy": 0.97})
    assert told(results) == (
        f"{where}: modified after it was written\n"
        f"  allowed: the record {origin[:12]}{RESTORE}\n"
        f"{where}: accuracy 0.97\n  allowed: 0.8, the score of its predictions{RESTORE}"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": {"accuracy": 57.0}},
        {"examples": 99},
        {"majority": {"accuracy": 0.1}},
        {"constant": True},
        {"data_sha256": "1"},
        {"method": "pkd"},
        {"weights_sha256": "1" * 64},
        {"digest": "1" * 64},
    ],
)
def test_any_other_edit_is_refused_too(results: Path, change: dict[str, Any]) -> None:
    edit(results, **change)
    assert told(results).startswith("tiny/kd score-sentiment-dev-1: ") or "not a record" in told(
        results
    )


def test_a_twin_that_is_not_there_is_refused(results: Path) -> None:
    edit(results, twin="nobody")
    assert told(results).startswith(
        "tiny/kd score-sentiment-dev-1: there is no 'nobody', its twin\n"
        f"  allowed: finetune, kd, teacher{RESTORE}"
    )


def test_predictions_that_were_made_right_are_refused(results: Path) -> None:
    """The record of them, the hash and the logits each tell."""
    path = results / ANSWERS
    table = pq.read_table(path)
    right = table.set_column(1, "answer", table["gold"])
    pq.write_table(right, path)
    assert told(results) == (
        "tiny/kd score-sentiment-dev-1: 20 of 100 predictions contradict their logits" + RESTORE
    )


def test_whole_other_predictions_are_refused(results: Path) -> None:
    """Consistent in themselves, and not those of the record."""
    record = read_record(results / RECORD)
    stated = str(record.predictions_sha256)  # type: ignore[union-attr]
    better = record.model_copy(update={"metrics": {"accuracy": 0.97}})
    origin = Origin(record.digest, "0" * 64)
    write_predictions(results / ANSWERS, answers_to(better), origin)  # type: ignore[arg-type]
    found = told(results)
    assert "its predictions file has changed" in found
    assert f"allowed: {stated}" in found
    assert "accuracy 0.8\n  allowed: 0.97, the score of its predictions" in found


@pytest.mark.parametrize(
    ("change", "given"),
    [({"suite": "big"}, "big/kd"), ({"entry": "finetune"}, "tiny/finetune")],
)
def test_a_record_of_elsewhere_is_refused(
    results: Path, change: dict[str, str], given: str
) -> None:
    """One of another suite, or of another entry copied over."""
    edit(results, **change)
    assert told(results) == (
        f"{results / RECORD}: a record of {given}\n"
        "  allowed: records of tiny/kd\n  fix: restore it from git"
    )


def test_a_record_of_a_later_schema_is_refused(results: Path) -> None:
    edit(results, schema_version=99)
    assert "schema_version: not a record: Input should be 1 or 2" in told(results)


def test_a_record_must_say_what_it_is_of(results: Path) -> None:
    edit(results, weights_sha256=None)
    assert "missing weights_sha256" in told(results)


def test_records_of_schema_1_are_held_against_their_predictions_too(results: Path) -> None:
    """They have no hashes; their metrics are recomputed all the same."""
    project = Project(results.parents[1])
    old = {"schema_version": 1, "declared": None, "weights_sha256": None}
    edit(results, **old, predictions_sha256=None)
    assert len(published_board(project, "tiny").rows) == 3
    edit(results, metrics={"accuracy": 0.97})
    assert told(results).startswith("tiny/kd score-sentiment-dev-1: accuracy 0.97\n")


def test_what_was_built_is_audited_as_well(tmp_path: Path, records: Any, leave: Any) -> None:
    project = Project(tmp_path)
    for record in records:
        leave(project, record)
    path = project.entry("tiny", "kd").score / "score-sentiment-dev-1.json"
    path.write_text(path.read_text().replace("0.8", "0.9"))
    with pytest.raises(ZooError, match="fix: rebuild it with `zoo run tiny`"):
        build_board(project, JOB)


@pytest.mark.parametrize("how", ["trained", "scored"])
def test_runs_on_different_examples_are_not_compared(records: Any, how: str) -> None:
    kind = {"trained": "training", "scored": "score"}[how]
    mixed = [
        record.model_copy(update={"data_sha256": "1"})
        if (record.kind, record.entry) == (kind, "kd")
        else record
        for record in records
    ]
    refuse_mixed_data(records, "tiny")
    with pytest.raises(ZooError) as refused:
        refuse_mixed_data(mixed, "tiny")
    assert str(refused.value) == (
        f"tiny on sentiment: its entries were {how} on different examples:"
        " finetune, teacher on 0; kd on 1\n"
        "  allowed: the same examples for all entries\n"
        "  fix: rebuild what has changed with `zoo run tiny`"
    )
