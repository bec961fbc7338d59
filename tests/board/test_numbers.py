"""Published beside measured numbers, as Markdown."""

from collections.abc import Callable
from typing import Any

from zoo.board.numbers import numbers_text
from zoo.board.table import make_rows
from zoo.records.records import Record
from zoo.records.reported import Reported
from zoo.records.score import ScoreRecord

AVERAGE = "average of mnli-matched, sst2"


def reported(task: str, value: float, **more: Any) -> Reported:
    """A published number of `kd` on a dev set."""
    stated = {
        "method": "kd",
        "model": "BERT6",
        "split": "dev",
        "metric": "accuracy",
        "arxiv": "1503.02531",
        "source": "Table 1",
    }
    return Reported(**(stated | {"task": task, "value": value} | more))


def table(text: str) -> list[list[str]]:
    """The cells of the first table's body."""
    lines = [line for line in text.split("\n\n")[1].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_rows_of_one_place_share_a_line() -> None:
    """Metrics are named where a task has several; an average of what stands there is short."""
    rows = [
        reported("sst2", 92.0),
        reported("mnli", 84.25, split="dev_matched"),
        reported(AVERAGE, 88.1, metric="mean"),
        reported("mrpc", 88.0, metric="unstated", source="Table 2", parameters_m=67),
        reported("qqp", 71.0, metric="f1", source="Table 2", parameters_m=67),
        reported(AVERAGE, 88.0, metric="mean", source="Table 2", parameters_m=67),
    ]
    first, second = table(numbers_text("kd", rows, []))
    assert first[:3] == ["BERT6", "", "dev"]
    assert first[3:] == [
        "mnli matched 84.25, sst2 92.0, mean of these 2 88.1",
        "Table 1 (1503.02531)",
        "",
    ]
    assert second[:3] == ["BERT6", "67 M", "dev"]
    assert second[3:] == [
        "mrpc (metric unstated) 88.0, qqp f1 71.0, mean of mnli-matched, sst2 88.0",
        "Table 2 (1503.02531)",
        "",
    ]


def test_notes_and_settings() -> None:
    """A note has a line of its own; the settings of single runs do not."""
    rows = [
        reported("sst2", 92.0, source="best.csv (lr 2e-05, T 5.0, a 0.5)", note="best run"),
        reported("qnli", 90.0, source="best.csv (lr 5e-05, T 10.0, a 0.7)", note="best run"),
        reported("sst2", 91.0, source="best.csv (lr 2e-05)", note="mean"),
    ]
    assert [(line[3], line[5]) for line in table(numbers_text("kd", rows, []))] == [
        ("qnli 90.0, sst2 92.0", "best run"),
        ("sst2 91.0", "mean"),
    ]


def test_costs_have_no_split() -> None:
    """They are printed with what was measured."""
    row = reported("cost", 11.3, metric="GFLOPs", split="")
    assert table(numbers_text("kd", [row], []))[0][2:4] == ["cost", "GFLOPs 11.3"]


def test_teachers_stand_beside_their_students() -> None:
    """Of the same paper, on the same tasks and split; other methods never."""
    rows = [
        reported("sst2", 92.0),
        reported("sst2", 95.0, method="teacher", model="BERT"),
        reported("rte", 70.0, method="teacher", model="BERT"),
        reported("sst2", 94.0, method="teacher", model="BERT", split="test"),
        reported("sst2", 93.0, method="teacher", model="BERT", arxiv="1908.09355"),
        reported("sst2", 91.0, method="pkd"),
    ]
    lines = table(numbers_text("kd", rows, []))
    assert [(line[0], line[3]) for line in lines] == [
        ("BERT (teacher)", "sst2 95.0"),
        ("BERT6", "sst2 92.0"),
    ]


def test_measured_rows_stand_beside_twin_and_teacher(records: list[Record]) -> None:
    """With the difference, and a word on what cannot be compared."""
    text = numbers_text("kd", [], make_rows(records))
    assert text.startswith("Published: no numbers found.\n\nMeasured on the boards, with teacher")
    assert "never absolute scores" in text
    assert "| tiny | kd | sentiment | accuracy | 82.0 | 70.0 | +12.0 | 90.0 | 3.1 |" in text
    assert "†" not in text


def test_what_was_not_learnt_is_marked(make: Callable[..., ScoreRecord]) -> None:
    """As on the board; undefined scores stay undefined."""
    text = numbers_text("kd", [], make_rows([make("kd", 0.4), make("kd", None, task="span")]))
    assert "| sentiment | accuracy | 40.0 † |  |  |  |" in text
    assert "| span | accuracy | undefined † |" in text
    assert text.endswith("† does not beat the majority baseline.")


def test_a_method_nobody_measured() -> None:
    """It says so."""
    text = numbers_text("kd", [reported("sst2", 92.0)], [])
    assert text.endswith("Measured: no published entry uses this method yet.")
