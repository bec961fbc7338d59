"""A study's tables from made-up records, and their way into what is published."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.made import HASH, declared_of
from zoo.board.publish import (
    build_board,
    publish_suite,
    published_board,
    would_publish,
    write_tables,
)
from zoo.board.studies import build_study, job_text, study_tables
from zoo.board.study import study_rows
from zoo.errors import ZooError
from zoo.paths import Project
from zoo.records.attention import AttentionRecord, LayerDivergence
from zoo.records.records import Record
from zoo.records.score import ScoreRecord
from zoo.records.size import SizeRecord
from zoo.records.text import write_record
from zoo.records.training import PhaseRecord, TrainingRecord
from zoo.spec.measuring import BoardJob
from zoo.spec.study import StudyJob, StudyVariant

Make = Callable[..., ScoreRecord]

BOARD = BoardJob(suite="tiny", entry="board", entries=("teacher", "finetune", "kd"))
TASKS = ("sentiment", "inference")


def digests(entry: str, seeds: tuple[int, ...] = (1, 2)) -> tuple[str, ...]:
    names = (f"{entry}-{task}-{seed}" for task in TASKS for seed in seeds)
    return tuple(declared_of(name.ljust(64, "0")) for name in names)


def variant(name: str, entry: str, temperature: float | None, heads: int) -> StudyVariant:
    values = {"method.temperature": temperature, "student.heads": heads}
    return StudyVariant(name=name, values=values, records={entry: digests(entry)})


VARIANTS = (
    variant("base", "kd", 4, 4),
    variant("temperature-1", "s.temperature-1", 1, 4),
    variant("heads-2", "s.heads-2", 4, 2),
)
JOB = StudyJob(
    suite="tiny",
    entry="s",
    varied="kd",
    combine="each",
    axes=("method.temperature", "student.heads"),
    tasks=TASKS,
    latency=True,
    report=False,
    variants=VARIANTS,
)
SCORES = {
    ("kd", "sentiment"): (0.8, 0.9),
    ("kd", "inference"): (0.5, 0.5),
    ("s.temperature-1", "sentiment"): (0.7, 0.8),
    ("s.temperature-1", "inference"): (0.6, None),
    ("s.heads-2", "sentiment"): (0.9, 0.9),
    ("s.heads-2", "inference"): (0.45, 0.55),
}


SCORES_OF = {entry for entry, _ in SCORES}


def trained(score: ScoreRecord, phases: tuple[PhaseRecord, ...] = ()) -> TrainingRecord:
    here = score.model_dump(include=set(TrainingRecord.model_fields) - {"kind", "examples"})
    seconds = 10.0 * score.seed
    rest = {"seconds": seconds, "threads": 1, "examples": 48, "inputs": {"train": HASH}}
    return TrainingRecord(**here, **rest, phases=phases)


def sized(score: ScoreRecord) -> SizeRecord:
    here = score.model_dump(include=set(SizeRecord.model_fields) - {"kind"})
    total = 900 if score.entry == "s.heads-2" else 1000
    return SizeRecord(
        **here, parameters=total, embedding=1, non_embedding=total - 1, checkpoint_bytes=1
    )


@pytest.fixture
def study(make: Make, records: list[Record]) -> list[Record]:
    """Scores of two seeds, sizes and trainings of three variants; other entries' records too."""
    scores = [
        make(entry, value, task, seed)
        for (entry, task), values in SCORES.items()
        for seed, value in enumerate(values, start=1)
    ]
    made = [record for score in scores for record in (score, trained(score), sized(score))]
    latency = [r for r in records if r.kind == "latency" and r.entry == "kd"]
    strangers = [make("kd", 0.1, "sentiment", 3), make("s.gone", 0.2)]
    return [*made, *latency, *strangers]


def test_rows_stand_beside_the_base(study: list[Record]) -> None:
    """Means, sample deviations and differences as by hand; tasks in the suite's order."""
    rows = study_rows(JOB, study)
    assert [(r.variant, r.task, r.score, r.score_sd, r.to_base) for r in rows] == [
        ("base", "sentiment", 0.85, 0.0707, 0.0),
        ("base", "inference", 0.5, 0.0, 0.0),
        ("temperature-1", "sentiment", 0.75, 0.0707, -0.1),
        ("temperature-1", "inference", None, None, None),
        ("heads-2", "sentiment", 0.9, 0.0, 0.05),
        ("heads-2", "inference", 0.5, 0.0707, 0.0),
    ]
    assert rows[0].scores == {1: 0.8, 2: 0.9}
    assert [row.size and row.size.parameters for row in rows] == [1000] * 4 + [900] * 2
    assert {row.training_seconds for row in rows} == {15.0}
    assert {row.train_examples for row in rows} == {48}
    ratios = [{name: one.ratio for name, one in row.runtimes.items()} for row in rows[:2]]
    assert ratios == [{"torch-fp32": 0.5}, {}]


def test_what_a_study_does_not_wait_for_plays_no_part(study: list[Record]) -> None:
    """The entry may have been timed, or not yet: without `latency` the table is the same."""
    job = JOB.model_copy(update={"latency": False})
    timeless = [record for record in study if record.kind != "latency"]
    assert study_tables(job, study) == study_tables(job, timeless)
    assert study_tables(JOB, study) != study_tables(JOB, timeless)


def test_the_table_for_people(study: list[Record]) -> None:
    """Variants are rows, tasks are columns, the difference stands in brackets."""
    lines = study_tables(JOB, study)["study.md"].splitlines()
    assert lines[:7] == [
        "# tiny: s",
        "",
        (
            "| variant | sentiment (accuracy) | inference (accuracy) | training s | parameters |"
            " torch-fp32 time |"
        ),
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| base | 85.0 ± 7.1 | 50.0 ± 0.0 | 30.0 | 1,000 | 0.50 ± 0.10 (1.5 ms) |",
        "| temperature-1 | 75.0 ± 7.1 (-10.0) | undefined | 30.0 | 1,000 | not measured |",
        "| heads-2 | 90.0 ± 0.0 (+5.0) | 50.0 ± 7.1 (+0.0) | 30.0 | 900 | not measured |",
    ]
    assert lines[8] == "The base is kd with method.temperature 4, student.heads 4."


def test_the_tables_for_machines(study: list[Record]) -> None:
    """CSV has a column per axis, seed and runtime; JSON a row with all of it."""
    files = study_tables(JOB, study)
    first, second, *_ = csv.DictReader(io.StringIO(files["study.csv"]))
    assert second["status"].startswith("not recorded: training_peak_memory_bytes ")
    assert second["status"].endswith("; not measured: torch_fp32_*")
    told = {
        "variant": "base",
        "method.temperature": "4",
        "student.heads": "4",
        "task": "sentiment",
        "split": "dev",
        "primary": "accuracy",
        "examples": "100",
        "train_examples": "48",
        "seeds": "1 2",
        "score": "0.85",
        "score_sd": "0.0707",
        "to_base": "0.0",
        "score_seed_1": "0.8",
        "score_seed_2": "0.9",
        "parameters": "1000",
        "training_seconds": "15.0",
        "torch_fp32_ratio": "0.5",
    }
    assert first | told == first
    rows = json.loads(files["study.json"])
    assert [row["variant"] for row in rows] == [v.name for v in VARIANTS for _ in TASKS]
    assert (rows[2]["method.temperature"], rows[2]["student.heads"]) == (1, 4)


def test_the_plot_holds_its_data(study: list[Record]) -> None:
    """Along each axis the base and what differs there; numbers are joined by lines."""
    plot = json.loads(study_tables(JOB, study)["plot.vl.json"])
    temperature, heads = plot["vconcat"]
    assert [(p["variant"], p["value"]) for p in heads["data"]["values"][::2]] == [
        ("base", 4),
        ("heads-2", 2),
    ]
    point = temperature["data"]["values"][2]
    assert (point["variant"], point["score"], point["low"]) == ("temperature-1", 0.75, 0.6793)
    assert temperature["encoding"]["x"]["type"] == "quantitative"
    assert "line" in [layer["mark"] for layer in temperature["layer"]]


def test_words_and_lists_on_an_axis_are_not_joined(study: list[Record]) -> None:
    """A value that is no number is a name, in the study's order."""
    losses = ([], ["soft"], ["labels"])
    variants = tuple(
        v.model_copy(update={"values": {"method.leave_out": value}})
        for v, value in zip(VARIANTS, losses, strict=True)
    )
    job = JOB.model_copy(update={"axes": ("method.leave_out",), "variants": variants})
    view = json.loads(study_tables(job, study)["plot.vl.json"])["vconcat"][0]
    assert view["encoding"]["x"]["sort"] == ["[]", '["soft"]', '["labels"]']
    assert "line" not in [layer["mark"] for layer in view["layer"]]


def test_a_product_is_plotted_over_its_first_axis(study: list[Record]) -> None:
    """The other axes tell the lines apart; a task has a panel."""
    job = JOB.model_copy(update={"combine": "product"})
    plot = json.loads(study_tables(job, study)["plot.vl.json"])
    assert plot["facet"]["column"]["sort"] == list(TASKS)
    assert {p["others"] for p in plot["data"]["values"]} == {"student.heads 4", "student.heads 2"}


def test_pairs_are_plotted_over_the_first_axis(study: list[Record]) -> None:
    """All of them, as no two differ on it alone."""
    job = JOB.model_copy(update={"combine": "paired"})
    plot = json.loads(study_tables(job, study)["plot.vl.json"])
    assert plot["encoding"]["x"]["title"] == "method.temperature"
    named = [(p["variant"], p["value"]) for p in plot["data"]["values"][::2]]
    assert named == [("base", 4), ("temperature-1", 1), ("heads-2", 4)]


def test_training_examples_of_the_base_are_those_it_had(study: list[Record]) -> None:
    """Where the study's file states none, the plot has the recorded number."""
    variants = tuple(
        v.model_copy(update={"values": {"train": size}})
        for v, size in zip(VARIANTS, (None, 10, 20), strict=True)
    )
    job = JOB.model_copy(update={"axes": ("train",), "variants": variants})
    files = study_tables(job, study)
    points = json.loads(files["plot.vl.json"])["vconcat"][0]["data"]["values"]
    assert [point["value"] for point in points[::2]] == [48, 10, 20]
    assert "The base is kd with train as declared." in files["study.md"]


def test_the_same_records_give_the_same_bytes(study: list[Record]) -> None:
    """In whatever order they are read."""
    assert study_tables(JOB, study) == study_tables(JOB, study[::-1])


def reported(study: list[Record]) -> list[Record]:
    table = {"event": ["a", "a"], "step": [1, 2], "norm": [0.5, 0.25], "norms": ["1 " * 20] * 2}
    phase = PhaseRecord(name="prune", steps=2, left="budget", losses={}, report=table)
    silent = PhaseRecord(name="tune", steps=2, left="budget", losses={})
    return [
        r.model_copy(update={"phases": (phase, silent)})
        if isinstance(r, TrainingRecord) and r.entry == "s.heads-2" and r.seed == 1
        else r
        for r in study
    ]


def test_what_stages_noted_becomes_tables(study: list[Record]) -> None:
    """Of every variant that has some, with task, seed and phase; numbers are plotted by step."""
    job = JOB.model_copy(update={"report": True})
    files = study_tables(job, reported(study))
    assert sorted(name for name in files if name.startswith("report")) == [
        "report-heads-2.csv",
        "report-heads-2.vl.json",
    ]
    lines = files["report-heads-2.csv"].splitlines()
    assert lines[0] == "task,seed,phase,event,step,norm,norms,status"
    assert lines[1].startswith(("sentiment,1,prune,a,1,0.5,", "inference,1,prune,a,1,0.5,"))
    assert len(lines) == 1 + 2 * len(TASKS)
    plot = json.loads(files["report-heads-2.vl.json"])
    assert [view["encoding"]["y"]["field"] for view in plot["vconcat"]] == ["norm"]
    assert plot["vconcat"][0]["transform"][0]["calculate"].endswith("datum['event']")


def test_without_reports_that_is_said(study: list[Record]) -> None:
    """A table that was asked for is not silently absent."""
    text = study_tables(JOB.model_copy(update={"report": True}), study)["study.md"]
    assert "\nNo stage of these variants writes a report.\n" in text
    assert "report" not in study_tables(JOB, reported(study))["study.md"]


def compared(score: ScoreRecord) -> AttentionRecord:
    """Two layers of two heads, the further off the higher the seed."""
    here = score.model_dump(include=set(AttentionRecord.model_fields) - {"kind"})
    layers = tuple(
        LayerDivergence(teacher_layer=layer, heads=(0.1 * score.seed, 0.3)) for layer in (1, 3)
    )
    return AttentionRecord(**here, teacher_sha256=HASH, rows=500, layers=layers)


@pytest.fixture
def attended(study: list[Record]) -> list[Record]:
    """The study with the attention of every run."""
    return [*study, *(compared(r) for r in study if isinstance(r, ScoreRecord))]


ATTENTION_JOB = JOB.model_copy(update={"attention": True})


def test_attention_is_a_column_a_table_and_a_map(attended: list[Record]) -> None:
    """Means over heads, layers and seeds; every head of every run in a table of its own."""
    files = study_tables(ATTENTION_JOB, attended)
    rows = list(csv.DictReader(io.StringIO(files["study.csv"])))
    assert {row["attention_kl"] for row in rows} == {"0.225"}
    assert files["study.md"].count("| 0.225 |") == 3
    lines = list(csv.DictReader(io.StringIO(files["attention.csv"])))
    assert len(lines) == 3 * 2 * 2 * 2 * 2
    told = {"variant": "base", "task": "sentiment", "split": "dev", "seed": "2", "layer": "1"}
    head = {"teacher_layer": "3", "head": "0", "kl": "0.2", "rows": "500"}
    (line,) = [one for one in lines if one | told == one and one["head"] == "0"]
    assert line | head == line
    plot = json.loads(files["attention.vl.json"])
    assert plot["facet"]["column"]["sort"] == ["base", "temperature-1", "heads-2"]
    points = plot["data"]["values"]
    assert len(points) == 3 * 2 * 2 * 2
    place = {"variant": "base", "task": "sentiment", "layer": 0, "head": 0}
    assert points[0] == place | {"kl": 0.15}


def test_attention_plays_no_part_where_it_is_not_asked_for(
    study: list[Record], attended: list[Record]
) -> None:
    assert study_tables(JOB, attended) == study_tables(JOB, study)


def test_a_job_without_attention_is_written_as_before() -> None:
    """Published studies keep their bytes."""
    assert "attention" not in job_text(JOB)
    assert '"attention": true' in job_text(ATTENTION_JOB)


def test_runs_that_were_not_compared_leave_a_hole(project: Project, study: list[Record]) -> None:
    """Until all are, nothing is built; then they are published with the study."""
    made = [compared(r) for r in study if isinstance(r, ScoreRecord) and r.entry in SCORES_OF]
    for record in made[1:]:
        write_record(project.entry("tiny", "s").attention / record.entry, record)
    with pytest.raises(ZooError) as caught:
        build_study(project, ATTENTION_JOB)
    assert str(caught.value) == (
        "the study s of tiny: no up-to-date scores or attention for base\n"
        "  fix: build them with `zoo run tiny/s`"
    )
    write_record(project.entry("tiny", "s").attention / made[0].entry, made[0])
    build_study(project, ATTENTION_JOB)
    publish_suite(project, BOARD, [ATTENTION_JOB])
    published = contents(project.results / "tiny/studies/s")
    assert {"attention.csv", "records/kd/attention-sentiment-dev-1.json"} <= set(published)


@pytest.fixture
def project(tmp_path: Path, records: list[Record], study: list[Record], leave: Any) -> Project:
    """A project in which suite and study were built and published once."""
    project = Project(tmp_path)
    for record in (*records, *study):
        leave(project, record)
    build_board(project, BOARD)
    build_study(project, JOB)
    return project


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_built_study_is_published_with_its_records(project: Project) -> None:
    """What was announced is written, with the tables that were built, and on the page."""
    announced = would_publish(project, BOARD, [JOB])
    assert publish_suite(project, BOARD, [JOB]) == announced
    published = contents(project.results / "tiny/studies/s")
    built = contents(project.study("tiny", "s"))
    assert built.items() <= published.items()
    assert {name.split("/")[1] for name in published if name.startswith("records/")} == {
        *("kd", "s.temperature-1", "s.heads-2", "environments.json")
    }
    assert "records/kd/score-sentiment-dev-3.json" not in published
    page = (project.results / "tiny/index.html").read_text()
    assert "<h3>tiny: s</h3>" in page
    assert '<td data-value="0.75" class="number">75.0 ± 7.1 (-10.0)</td>' in page
    assert "<h2>" not in (project.build / "tiny/board/index.html").read_text()


def test_published_tables_follow_from_published_records(project: Project) -> None:
    """Byte for byte; an edited table and one that is missing are made anew, the page too."""
    publish_suite(project, BOARD, [JOB])
    before = contents(project.results)
    assert write_tables(project, published_board(project, "tiny")) == []
    folder = project.results / "tiny/studies/s"
    (folder / "study.md").write_text("edited")
    (folder / "plot.vl.json").unlink()
    (project.results / "tiny/index.html").unlink()
    assert write_tables(project, published_board(project, "tiny")) == [
        "results/tiny/index.html",
        "results/tiny/studies/s/study.md",
        "results/tiny/studies/s/plot.vl.json",
    ]
    assert contents(project.results) == before


def test_a_study_that_was_not_built_here_stays(project: Project, tmp_path: Path) -> None:
    """As it is published, while it is declared; one that is declared no more goes."""
    publish_suite(project, BOARD, [JOB])
    before = contents(project.results / "tiny")
    project.study("tiny", "s").rename(tmp_path / "elsewhere")
    publish_suite(project, BOARD, [JOB])
    assert contents(project.results / "tiny") == before
    publish_suite(project, BOARD)
    assert not (project.results / "tiny/studies").exists()


def test_a_study_that_was_never_built_is_no_hindrance(project: Project) -> None:
    other = JOB.model_copy(update={"entry": "other"})
    assert publish_suite(project, BOARD, [other]) == publish_suite(project, BOARD)


def test_a_study_with_a_hole_is_not_built(project: Project) -> None:
    """A variant whose declaration changed since has other digests."""
    changed = VARIANTS[1].model_copy(update={"records": {"s.temperature-1": ("0" * 64,)}})
    job = JOB.model_copy(update={"variants": (VARIANTS[0], changed, VARIANTS[2])})
    message = (
        "the study s of tiny: no up-to-date scores for temperature-1\n"
        "  fix: build them with `zoo run tiny/s`"
    )
    for attempt in (
        lambda: build_study(project, job),
        lambda: publish_suite(project, BOARD, [job]),
    ):
        with pytest.raises(ZooError) as caught:
            attempt()
        assert str(caught.value) == message


def test_a_published_study_that_says_nothing_is_told(project: Project) -> None:
    """What the tables are of stands beside them."""
    publish_suite(project, BOARD, [JOB])
    path = project.results / "tiny/studies/s/variants.json"
    path.write_text("{}")
    with pytest.raises(ZooError, match=r"variants.json: not a study description\n  fix: r"):
        write_tables(project, published_board(project, "tiny"))


def test_values_survive_in_what_is_published(project: Project) -> None:
    """The job on disk is the job."""
    publish_suite(project, BOARD, [JOB])
    text = (project.results / "tiny/studies/s/variants.json").read_bytes()
    stored: Any = StudyJob.model_validate_json(text)
    assert stored == JOB


def test_every_row_has_its_own_tasks_and_splits_figures(study: list[Record], make: Make) -> None:
    """Training examples are the task's; scores by seed are the split's."""
    sizes = {"sentiment": 48, "inference": 24}
    apart = [
        record.model_copy(update={"examples": sizes[record.task]})
        if isinstance(record, TrainingRecord)
        else record
        for record in study
    ]
    second = make("kd", 0.25, "inference", 1, split="dev_mismatched")
    rows = [row for row in study_rows(JOB, [*apart, second]) if row.variant == "base"]
    assert [(row.task, row.split, row.train_examples, row.scores) for row in rows] == [
        ("sentiment", "dev", 48, {1: 0.8, 2: 0.9}),
        ("inference", "dev", 24, {1: 0.5, 2: 0.5}),
        ("inference", "dev_mismatched", 24, {1: 0.25}),
    ]
