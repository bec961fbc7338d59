"""Which of several records a board's row shows: one cell of each runtime, the most memory."""

import csv
import io
from typing import Any

import pytest

from tests.board.conftest import common, measured, scored, timed
from tests.made import HASH, subject
from zoo.board.leaderboard import leaderboard, summary
from zoo.board.render import as_csv, as_markdown
from zoo.board.table import make_rows, shown
from zoo.board.timings import timings_table
from zoo.records.export import ExportRecord
from zoo.records.kept import KeptQuality
from zoo.records.latency import REPLAY, LatencyRecord, Memory
from zoo.records.training import TrainingRecord

CELLS = {"8x16": (8, 16), "1x8": (1, 8), "1x16": (1, 16), "32x8": (32, 8), REPLAY: (1, 99)}


def cell(name: str, **more: Any) -> LatencyRecord:
    batch, length = CELLS[name]
    return timed("kd", cell=name, batch_size=batch, lengths=(length,) * 3, **more)


@pytest.mark.parametrize("turned", [False, True])
def test_the_smallest_batch_with_the_longest_sequences_is_shown(turned: bool) -> None:
    """Of each runtime and device, whatever order they are read in; never a replay."""
    of_both = [
        cell(name, runtime=runtime, device=device)
        for name in CELLS
        for runtime, device in (("torch-fp32", "cpu"), ("onnx-fp32", "cuda"))
    ]
    found = shown(of_both[::-1] if turned else of_both)
    assert {name: record.cell for name, record in found.items()} == {
        "onnx-fp32@cuda": "1x16",
        "torch-fp32": "1x16",
    }
    (row,) = make_rows([scored("kd", 0.8), *of_both])
    assert {cell.cell for cell in row.runtimes.values()} == {"1x16"}
    assert shown([cell(REPLAY)]) == {}


@pytest.mark.parametrize("held", [(5, 9, 7), (9, 7, 5), (7, 5, 9)])
def test_memory_is_the_most_of_all_seeds(held: tuple[int, ...]) -> None:
    """What it took somewhere is what it may take; seconds are the mean."""
    trained = [
        TrainingRecord(
            **common("kd", "sentiment", seed),
            seconds=float(most),
            threads=1,
            peak_memory_bytes=most,
            examples=48,
            data_sha256="0",
            phases=(),
            inputs={"train": HASH},
        )
        for seed, most in enumerate(held, start=1)
    ]
    scores = [scored("kd", 0.8, seed=seed) for seed in (1, 2, 3)]
    (row,) = make_rows([*scores, *trained])
    assert (row.training_peak_memory_bytes, row.training_seconds) == (9, 7.0)
    unknown = trained[0].model_copy(update={"peak_memory_bytes": None})
    (row,) = make_rows([*scores, unknown, *trained[1:]])
    assert row.training_peak_memory_bytes == max(held[1:])


def test_a_row_is_named_after_its_first_seed() -> None:
    """Whatever order the records are read in: its digest and sizes are those of that run."""
    records = [
        record
        for seed in (3, 1, 2)
        for record in (scored("kd", 0.8, seed=seed), *measured("kd", seed)[:1])
    ]
    sizes = {record.seed: record.parameters + record.seed for record in records[1::2]}
    records[1::2] = [
        record.model_copy(update={"parameters": sizes[record.seed]}) for record in records[1::2]
    ]
    (row,) = make_rows(records)
    assert row.size is not None
    assert (row.seeds, row.size.parameters) == ((1, 2, 3), sizes[1])
    assert row.digest == common("kd", "sentiment", 1)["digest"]


def test_a_twin_is_compared_split_by_split() -> None:
    """Where a task has two, each with the other entry's same split."""
    rows = make_rows(
        [
            scored(entry, value, split=split)
            for entry, values in {"finetune": (0.5, 0.9), "kd": (0.7, 0.8)}.items()
            for split, value in zip(("dev_matched", "dev_mismatched"), values, strict=True)
        ]
    )
    assert {(row.entry, row.split): row.to_twin for row in rows if row.entry == "kd"} == {
        ("kd", "dev_matched"): 0.2,
        ("kd", "dev_mismatched"): -0.1,
    }


def test_the_table_of_timings_keeps_both_models_apart() -> None:
    """Time, memory and energy of each; a replay's lengths from the shortest to the longest."""
    small = subject(1.5).model_copy(
        update={"memory": Memory(loaded_bytes=1, peak_bytes=2), "energy_mj": 3.0}
    )
    large = subject(3.0).model_copy(
        update={"memory": Memory(loaded_bytes=4, peak_bytes=5), "energy_mj": 6.0}
    )
    record = timed("kd", student=small, teacher=large, lengths=(4, 9, 16))
    (line,) = csv.DictReader(io.StringIO(as_csv(timings_table("tiny", [record]))))
    told = [line[f"{whose}{what}"] for whose in ("", "teacher_") for what in (
        "latency_ms_p50", "memory_loaded_bytes", "memory_peak_bytes", "energy_mj"
    )]  # fmt: skip
    assert told == ["1.5", "1", "2", "3.0", "3.0", "4", "5", "6.0"]
    assert [line[f"length_{name}"] for name in ("min", "median", "max")] == ["4", "9", "16"]


def test_energy_is_told_of_one_sequence() -> None:
    """A call's, over the sequences of its batch; without a counter it is absent, and says so."""
    used = subject(1.5).model_copy(update={"energy_mj": 12.0})
    records = [cell("8x16", student=used), cell("1x8", student=used, runtime="onnx-fp32")]
    table = leaderboard(make_rows([scored("kd", 0.8), *records]), "tiny")
    (line,) = csv.DictReader(io.StringIO(as_csv(table)))
    names = [f"{runtime}_energy_mj_per_sequence" for runtime in ("torch_fp32", "onnx_fp32")]
    assert [line[name] for name in names] == ["1.5", "12.0"]
    assert "| onnx-fp32 mJ |" in as_markdown(table)
    (line,) = csv.DictReader(io.StringIO(as_csv(timings_table("tiny", [cell("1x8")]))))
    assert line["energy_mj_per_sequence"] == ""
    assert "no energy counter: energy_mj_per_sequence energy_mj" in line["status"]


def test_arithmetic_is_told_of_one_token() -> None:
    """At the length that it was counted at; the most of the tasks where they share a line."""
    records = [
        record
        for task, flops, length in (("sentiment", 96_000_000, 48), ("span", 384_000_000, 128))
        for record in (
            scored("kd", 0.8, task),
            measured("kd")[0].model_copy(
                update=common("kd", task, 1) | {"flops": flops, "flops_length": length}
            ),
        )
    ]
    rows = make_rows(records)
    lines = csv.DictReader(io.StringIO(as_csv(leaderboard(rows, "tiny"))))
    assert [line["flops_per_token"] for line in lines] == ["2000000.0", "3000000.0"]
    (line,) = [one for one in as_markdown(summary(rows, "tiny")).splitlines() if "| kd |" in one]
    assert line.endswith("| 3 at 128 |")


def test_a_line_tells_why_the_task_that_was_measured_says_nothing() -> None:
    """The others were not timed, as usual."""
    tasks = ("inference", "sentiment", "span")
    rows = make_rows([*(scored("kd", 0.8, task) for task in tasks), cell("1x8")])
    assert "No values: torch-fp32 mJ (no energy counter)." in summary(rows, "tiny").notes
    assert "(no energy counter" not in "".join(summary(rows[:1], "tiny").notes)


def test_what_int8_loses_is_shown_by_task_and_at_most_over_tasks() -> None:
    """In points with half its interval, of the row's own split; fp32 has no such column."""
    exports = [record for record in measured("kd") if isinstance(record, ExportRecord)]
    records: list[Any] = []
    for task, lost in (("sentiment", 0.0042), ("inference", -0.001)):
        where = common("kd", task, 1)
        ours = {"score_fp32": 0.8, "score": 0.8 - lost, "lost": lost, "flips": 3, "examples": 100}
        of_splits = [
            KeptQuality(split="dev_other", low=0.5, high=0.5, **ours | {"lost": 0.5}),
            KeptQuality(split="dev", low=lost - 0.01, high=lost + 0.01, **ours),
        ]
        records.append(scored("kd", 0.8, task=task))
        records += [
            record.model_copy(
                update=where | {"kept": of_splits if record.precision == "int8" else ()}
            )
            for record in exports
        ]
    rows = make_rows(records)
    table = {
        line["task"]: line for line in csv.DictReader(io.StringIO(as_csv(leaderboard(rows, "s"))))
    }
    assert table["sentiment"]["export_int8_lost"] == "0.0042"
    assert table["inference"]["export_int8_lost"] == "-0.001"
    text = as_markdown(summary(rows, "s"))
    assert " int8 lost " in text
    assert " fp32 lost " not in text
    assert "| 0.4 ± 1.0 |" in text
