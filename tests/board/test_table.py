"""How records become rows."""

import random
from typing import Any

import pytest

from tests.made import HASH
from zoo.board.publish import Board, tables
from zoo.board.table import Row, make_rows
from zoo.records.training import TransferRecord


def by_entry(rows: list[Row]) -> dict[str, Row]:
    return {row.entry: row for row in rows}


def test_a_row_joins_all_records_of_an_entry(records: Any) -> None:
    """Means over seeds, their sample deviation, distances to teacher and twin, sizes and times."""
    rows = make_rows(records)
    assert [row.entry for row in rows] == ["teacher", "finetune", "kd"]
    kd, teacher = by_entry(rows)["kd"], by_entry(rows)["teacher"]
    assert (kd.score, kd.score_sd, kd.seeds) == (0.82, pytest.approx(0.0283, abs=1e-4), (1, 2))
    assert (kd.to_teacher, kd.to_twin) == (-0.08, 0.12)
    assert kd.size is not None
    assert (kd.size.parameters, kd.size.non_embedding) == (1234, 234)
    assert {name: cell.bytes for name, cell in kd.exports.items()} == {
        "fp32": 6_000_000,
        "int8": 2_500_000,
    }
    assert kd.training_seconds == 3.1
    assert kd.runtimes["torch-fp32"].ratio == 0.5
    assert (teacher.to_teacher, teacher.to_twin, teacher.score_sd) == (0.0, None, None)


def test_the_tables_are_made_of_records_alone(records: Any) -> None:
    """Whatever order they are read in, the same bytes come out."""
    once = tables(Board("tiny", records, None))
    for seed in range(5):
        shuffled = random.Random(seed).sample(records, len(records))
        assert tables(Board("tiny", shuffled, None)) == once


@pytest.mark.parametrize(
    ("value", "beats"), [(0.51, True), (0.5, False), (0.4, False), (None, False)]
)
def test_a_constant_answer_must_be_beaten(make: Any, value: Any, beats: bool) -> None:
    """Equal is not enough, and an undefined score beats nothing."""
    assert make_rows([make("kd", value)])[0].beats_majority is beats


def test_an_undefined_seed_leaves_the_mean_undefined(make: Any) -> None:
    """A mean over the seeds that went well would flatter."""
    row = make_rows([make("kd", 0.8), make("kd", None, seed=2), make("finetune", 0.7)])[1]
    assert (row.score, row.score_sd, row.to_twin, row.to_teacher) == (None, None, None, None)


def test_the_transfer_is_told_beside_the_training(make: Any, records: Any) -> None:
    """Its seconds belong to the entry, whatever the task; one without scores makes no row."""
    score = records[0]
    transfer = TransferRecord(
        suite=score.suite,
        environment=score.environment,
        entry="kd",
        task="corpus",
        seed=1,
        declared=HASH,
        digest="t",
        inputs={"corpus": HASH},
        seconds=7.25,
        threads=1,
        phases=(),
    )
    rows = by_entry(make_rows([*records, transfer]))
    assert (rows["kd"].transfer_seconds, rows["finetune"].transfer_seconds) == (7.2, None)
    assert make_rows([make("finetune", 0.5), transfer])[0].entry == "finetune"


def test_what_was_not_measured_stays_empty(make: Any) -> None:
    """Scores alone make a row without sizes and times; sizes alone make none."""
    row = make_rows([make("kd", 0.8)])[0]
    assert (row.size, row.exports, row.training_seconds, row.runtimes) == (
        None,
        {},
        None,
        {},
    )
    assert make_rows([]) == []


def test_records_of_an_earlier_spec_are_left_out(records: Any) -> None:
    """A size or a time with another digest is not this run's."""
    stale = [
        record.model_copy(update={"digest": "f" * 64})
        if record.kind in ("size", "latency")
        else record
        for record in records
    ]
    row = by_entry(make_rows(stale))["kd"]
    assert row.score == 0.82
    assert (row.size, row.runtimes) == (None, {})


def test_one_constant_seed_is_told(make: Any) -> None:
    """The flag is up if any seed answered everything alike."""
    rows = make_rows([make("kd", 0.8), make("kd", 0.8, seed=2, constant=True)])
    assert rows[0].constant
