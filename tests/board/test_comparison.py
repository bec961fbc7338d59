"""Students beside twin, teacher and paper: as data, and as tables for people."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.board.conftest import common, measured, scored, timed
from tests.board.test_overview import contrast, mean, of_three, statistics
from tests.made import HASH
from zoo.board.budgets import BUDGETS
from zoo.board.claims import CLAIMS, claimed
from zoo.board.compared import compared, means_of
from zoo.board.comparison import comparison_columns, comparison_files
from zoo.board.table import make_rows
from zoo.paths import Project
from zoo.records.reported import COST, Reported, read_reported
from zoo.records.training import PhaseRecord, TrainingRecord, TransferRecord

CHECKOUT = Project(Path(__file__).parents[2])
ROWS = read_reported(CHECKOUT)
GLUE = "average of unstated GLUE tasks"


def reported(metric: str, value: float, task: str = COST, **more: Any) -> Reported:
    """What a paper says of `kd`."""
    stated = {
        "method": "kd",
        "model": "BERT6",
        "split": "" if task == COST else "dev",
        "arxiv": "1503.02531",
        "source": "abstract",
    }
    return Reported(**(stated | {"metric": metric, "value": value, "task": task} | more))


def phase(steps: int, passes: float | None) -> PhaseRecord:
    return PhaseRecord(name="p", steps=steps, left="budget", passes=passes, losses={})


def trained(*phases: PhaseRecord, seed: int = 1) -> TrainingRecord:
    return TrainingRecord(
        **common("kd", "sentiment", seed),
        inputs={"train": HASH},
        seconds=1.0,
        threads=1,
        examples=48,
        data_sha256="0",
        phases=phases,
    )


def transferred(*phases: PhaseRecord) -> TransferRecord:
    return TransferRecord(
        **common("kd", "corpus", 1), inputs={}, seconds=1.0, threads=1, phases=phases
    )


def files(records: Any, rows: tuple[Reported, ...] = ()) -> dict[str, str]:
    return comparison_files("tiny", make_rows(records), of_three(), rows)


def lines(text: str) -> dict[tuple[str, str], dict[str, str]]:
    return {(line["entry"], line["task"]): line for line in csv.DictReader(io.StringIO(text))}


def test_every_task_and_the_mean_have_a_row(records: Any) -> None:
    """With the difference to both rivals, retention, and what it takes beside the teacher."""
    found = lines(files(records)["comparison.csv"])
    assert list(found) == [
        (entry, task) for entry in ("teacher", "finetune", "kd") for task in ("mean", "sentiment")
    ]
    told = {
        "score": "0.82",
        "retention_percent": "91.11",
        "against_teacher_difference": "-0.08",
        "against_teacher_p_holm": "0.2",
        "against_teacher_verdict": "not significant",
        "against_twin_low": "0.11",
        "against_twin_verdict": "better",
        "parameters_percent": "100.0",
        "fastest_runtime": "torch-fp32",
        "fastest_ratio": "0.5",
    }
    assert found["kd", "mean"] | told == found["kd", "mean"]
    assert found["kd", "sentiment"]["retention_percent"] == "91.11"
    assert found["teacher", "mean"]["retention_percent"] == "100.0"
    assert json.loads(files(records)["comparison.json"])[4]["score"] == 0.82


@pytest.mark.parametrize("theirs", [0.0, -0.1, None])
def test_nothing_is_kept_of_a_teacher_that_knows_nothing(theirs: float | None) -> None:
    """A share of 0 or less would order students upside down."""
    made = [
        scored(
            entry, None, primary="matthews", metrics={"matthews": value}, majority={"matthews": 0.0}
        )
        for entry, value in (("teacher", theirs), ("kd", 0.2))
    ]
    rows = make_rows(made)
    (_, kd) = [one for one in compared(rows, None) if one.task == "sentiment"]
    assert kd.retention is None


def test_budgets_are_shares_of_the_published_ones(records: Any) -> None:
    """All stages together; seeds are averaged, and what was not recorded stays unknown."""
    others = [one for one in records if one.kind != "training"]
    budgets = (
        reported("steps on the corpus", 400_000.0),
        reported("epochs on a task", 4.0),
        reported("epochs on the corpus", 3.0, method="pkd"),
    )
    more = [
        transferred(phase(160, 0.25), phase(40, 0.25)),
        trained(phase(10, 1.0), phase(20, 2.0)),
        trained(phase(10, 1.0), seed=2),
    ]
    own = lines(files([*others, *more], budgets)["comparison.csv"])["kd", "sentiment"]
    told = {
        "corpus_steps": "200",
        "corpus_steps_percent_of_published": "0.05",
        "corpus_epochs": "0.5",
        "corpus_epochs_percent_of_published": "",
        "task_epochs": "2.0",
        "task_epochs_percent_of_published": "50.0",
        "train_examples": "48",
    }
    assert own | told == own
    assert "not published: corpus_epochs_percent_of_published" in own["status"]
    text = files([*others, *more], budgets)["comparison.md"]
    assert "| kd | teacher (0.00123 M) |  | 200 (0.05 % of 400,000) | 0.5 | 2 (50 % of 4) |" in text
    longer = trained(phase(30, 5.0)).model_copy(update=common("kd", "span", 1))
    own = lines(files([*others, *more, scored("kd", 0.5, "span"), longer])["comparison.csv"])
    assert own["kd", "mean"]["task_epochs"] == "5.0"
    unknown = [*others, transferred(phase(160, None), phase(40, 1.0))]
    own = lines(files(unknown, budgets)["comparison.csv"])["kd", "mean"]
    assert (own["corpus_steps"], own["corpus_epochs"]) == ("200", "")
    without = lines(files(others, budgets)["comparison.csv"])["kd", "mean"]
    assert "no corpus stage of its own: corpus_steps" in without["status"]


@pytest.mark.parametrize(
    ("metric", "task", "value", "published", "here"),
    [
        ("percent of the teacher's mean", GLUE, 97.0, 97.0, 91.11),
        ("percent of the teacher's parameters", COST, 49.2, 49.2, 100.0),
        ("percent smaller than BERT-base", COST, 40.0, 60.0, 100.0),
        ("times smaller than BERT-base", COST, 4.0, 25.0, 100.0),
        ("percent faster than BERT-base on a CPU", COST, 60.0, 62.5, 50.0),
        ("speed-up over 12 x 768", COST, 2.0, 50.0, 50.0),
        ("points above soft labels", GLUE, 0.0, 0.0, 0.0),
        (
            "change of inference time in percent on MNLI at batch size 64",
            COST,
            -14.0,
            -14.0,
            None,
        ),
    ],
)
def test_a_claim_stands_beside_what_was_measured(
    records: Any, metric: str, task: str, value: float, published: float, here: float | None
) -> None:
    """In one unit: what is left of the teacher, in per cent."""
    claim = reported(metric, value, task, claim=True)
    (one,) = claimed(compared(make_rows(records), of_three()), [claim, reported(metric, 1, task)])
    assert (one.entry.entry, one.published) == ("kd", pytest.approx(published))
    assert one.measured == (None if here is None else pytest.approx(here, abs=0.01))
    text = files(records, (claim, reported("speed-up over 12 x 768", 2.0, claim=True)))[
        "comparison.md"
    ]
    assert f"BERT6: {metric} {value:g}; abstract (1503.02531) |" in text
    assert ("not measured here" in text) == (here is None)


def test_soft_labels_are_the_best_of_their_entries() -> None:
    """A method is set against what it says to exceed."""
    made = [scored(name, 0.5, method=name.partition("-")[0]) for name in ("pkd", "kd-a", "kd-b")]
    known = statistics(mean("pkd", 0.5), mean("kd-a", 0.4), mean("kd-b", 0.45))
    claim = reported("points above soft labels", 0.0, GLUE, method="pkd", claim=True)
    (one,) = claimed(compared(make_rows(made), known), [claim])
    assert one.measured == pytest.approx(5.0)
    (none,) = claimed(compared(make_rows(made[:1]), known), [claim])
    assert none.measured is None


HEADS = reported(
    "change of inference time in percent on MNLI at batch size 64", -14.0, method="mlkd", claim=True
)


def of_heads(entry: str, heads: int | None, ratio: float, **more: Any) -> list[Any]:
    """An entry of MLKD with so many heads that takes this part of its teacher's time."""
    size, *rest = measured(entry)
    form = {"layers": 3, "hidden": 384, "heads": heads} | more
    others = [one for one in rest if one.kind != "latency"]
    took = timed(entry, ratio=ratio)
    return [scored(entry, 0.5, method="mlkd"), size.model_copy(update=form), *others, took]


def test_fewer_heads_are_timed_against_twelve() -> None:
    """Both relative to the teacher; other heads, shapes and records without heads say nothing."""
    made = [
        *of_heads("broad", 12, 0.4, hidden=768),
        *of_heads("old", None, 0.6),
        *of_heads("twelve", 12, 0.5),
        *of_heads("six", 6, 0.48),
        *of_heads("three", 3, 0.45),
    ]
    found = {
        one.entry.entry: one.measured for one in claimed(compared(make_rows(made), None), [HEADS])
    }
    assert found == {
        "broad": None,
        "old": None,
        "twelve": None,
        "six": None,
        "three": pytest.approx(-10.0),
    }


def test_times_of_other_cells_are_not_set_against_each_other() -> None:
    *few, took = of_heads("three", 3, 0.45)
    made = [*of_heads("twelve", 12, 0.5), *few, took.model_copy(update={"cell": "8x128"})]
    found = [one.measured for one in claimed(compared(make_rows(made), None), [HEADS])]
    assert found == [None, None]


def test_the_document_has_four_tables(records: Any) -> None:
    """Without claims it says so; p-values are those that agree with the interval."""
    text = files(records)["comparison.md"]
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# tiny: students beside twin, teacher and paper",
        "## Means over sentiment",
        "## Task by task",
        "## What the papers claim",
        "## What differs from the papers",
    ]
    assert (
        "| kd | 82.0 ± 2.0 | +12.0 [11.0, 13.0] | 0.01 | -8.0 [-9.0, -7.0] | 0.2 | 91.1 % |"
        " 0.00123 M (100 %) | 0.50 x |"
    ) in text
    assert text.index("| kd | sentiment |") < text.index("| finetune | sentiment |")
    assert "No claims." in text
    assert "| teacher |" not in text.partition("## What the papers")[0]


def test_claims_and_budgets_of_the_checkout_can_be_measured() -> None:
    """Every claim has a quantity, every quantity a claim; a method states a budget once."""
    assert {row.metric for row in ROWS if row.claim} == set(CLAIMS)
    metrics = {budget.metric for budget in BUDGETS}
    stated = [(row.method, row.metric) for row in ROWS if row.metric in metrics]
    assert {metric for _, metric in stated} == metrics
    assert len(stated) == len(set(stated))


def test_columns_have_names_of_their_own_and_say_what_they_are() -> None:
    columns = comparison_columns()
    names = [column.name for column in columns]
    assert len(set(names)) == len(names)
    assert all(column.note and not column.note.endswith(".") for column in columns)


def test_a_tie_goes_by_name() -> None:
    """Equal means keep one order, whatever the records' is."""
    made = [scored(name, 0.5, method="kd") for name in ("b", "a")]
    known = statistics(mean("a", 0.5, to_teacher=contrast("teacher", 0.1)), mean("b", 0.5))
    assert [one.entry for one in means_of(compared(make_rows(made), known))] == ["a", "b"]
