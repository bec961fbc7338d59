"""The board as text and as a page."""

import csv
import io
import json
from html.parser import HTMLParser
from typing import Any

import pytest

from zoo.board.leaderboard import leaderboard, summary
from zoo.board.page import as_page
from zoo.board.render import as_csv, as_json, as_markdown
from zoo.board.table import make_rows
from zoo.board.timings import timings_table
from zoo.records.latency import LatencyRecord
from zoo.records.statistics import (
    Contrast,
    MeanStanding,
    Resolution,
    Standing,
    SuiteStatistics,
    Summary,
)
from zoo.records.training import ClosingRecord, PhaseRecord

MARKDOWN = """\
# tiny

| entry | method | mean | rank | sentiment (accuracy) | parameters | fp32 MB | int8 MB | torch-fp32 time |
| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |
| majority baseline |  |  |  | 50.0 |  |  |  |  |
| teacher | teacher | 90.0 |  | 90.0 | 1,234 | 6.00 | 2.50 | is the teacher |
| kd | kd | 82.0 |  | **82.0** | 1,234 | 6.00 | 2.50 | 0.50 ± 0.10 (1.5 ms) |
| finetune | finetune | 70.0 |  | 70.0 | 1,234 | 6.00 | 2.50 | 0.50 ± 0.10 (1.5 ms) |

Seeds: 1, 2.
Scored examples: sentiment 100.
Time at batch x length 1x8; percentiles, bounds and other shapes: latency.csv.
majority baseline: score of the best constant prediction.
mean: average score over sentiment.
rank: range of ranks among students that is consistent with the pairwise tests.
sentiment (accuracy): mean over seeds, displayed x 100; ± is half the 95 % confidence interval over examples and, if there are several, seeds.
parameters: whole model with its head, tied weights counted once; maximum over tasks.
fp32 MB, int8 MB: size of the ONNX file; maximum over tasks.
torch-fp32 time: median time relative to the teacher, interleaved in one process: below 1 is faster; ± is half the 95 % interval over rounds, in brackets the median in ms; busy: under other load the ratio stays valid, absolute times do not.
No values: MFLOP/token (not recorded).
No values: torch-fp32 mJ (no energy counter, is the teacher).
"""  # noqa: E501  (a table's lines are as long as they are)


def standing(entry: str, contrast: Contrast | None, rank: tuple[int, int] | None) -> Standing:
    summary = Summary(mean=0.8, sd=0.03, low=0.78, high=0.83, seeds_low=0.77, seeds_high=0.85)
    return Standing(
        entry=entry,
        task="sentiment",
        split="dev",
        seeds=(1, 2),
        examples=100,
        metrics={"accuracy": summary},
        to_teacher=None,
        to_twin=contrast,
        rank=rank,
    )


def statistics(p_holm: float = 0.01, difference: float = 0.12) -> SuiteStatistics:
    """Of a board on which kd is compared with its twin."""
    contrast = Contrast(
        rival="finetune",
        difference=difference,
        low=difference - 0.05,
        high=difference + 0.05,
        p=p_holm / 2,
        p_holm=p_holm,
        test="paired permutation",
    )
    kd = standing("kd", contrast, (1, 2))
    return SuiteStatistics(
        suite="tiny",
        inputs="0" * 64,
        resamples=10,
        permutations=10,
        tests=1,
        standings=(kd, standing("finetune", None, (1, 2)), standing("teacher", None, None)),
        means=(MeanStanding(entry="kd", summary=kd.metrics["accuracy"], rank=(1, 2)),),
        mean_over=(("sentiment", "dev"),),
        resolutions=(Resolution(task="sentiment", split="dev", examples=100, difference=0.061),),
    )


def test_markdown_to_the_byte(records: Any) -> None:
    """Teachers first, then the best mean; the best student of a column is bold."""
    assert as_markdown(summary(make_rows(records), "tiny")) == MARKDOWN


def test_csv_holds_everything(records: Any) -> None:
    """A line per row; metrics, tests and runtimes are columns; what was not measured is empty."""
    text = as_csv(leaderboard(make_rows(records, statistics()), "tiny"))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["entry"] for line in lines] == ["teacher", "finetune", "kd"]
    assert lines[0]["torch_fp32_ratio"] == ""
    told = {
        "seeds": "1 2",
        "score": "0.82",
        "rank_low": "1",
        "against_twin_p_holm": "0.01",
        "export_int8_bytes": "2500000",
        "torch_fp32_latency_ms_p90": "3.0",
        "torch_fp32_latency_ms_p99": "",
        "torch_fp32_ratio_high": "0.6",
    }
    assert lines[2] | told == lines[2]


@pytest.mark.parametrize(
    ("p_holm", "difference", "mark"),
    [(0.01, 0.1, " ▲"), (0.01, -0.1, " ▼"), (0.05, 0.1, ""), (0.01, 0.04, "")],
)
def test_a_score_tells_its_interval_and_whether_it_differs_from_the_twin(
    records: Any, p_holm: float, difference: float, mark: str
) -> None:
    """Half of the interval over seeds and examples; a mark only where the corrected p allows it."""
    found = statistics(p_holm, difference)
    means = {one.entry: one for one in found.means}
    text = as_markdown(summary(make_rows(records, found), "tiny", means))
    assert f"| kd | kd | 82.0 ± 4.0 | 1-2 | **82.0 ± 4.0{mark}** |" in text
    assert "| minimum detectable difference (80 % power) |  |  |  | 6.1 |" in text


def test_a_disturbed_measurement_says_so(records: Any) -> None:
    """On the board and in the table of all cells."""
    timed = next(record for record in records if isinstance(record, LatencyRecord))
    busy = timed.circumstances.model_copy(update={"busy": True})
    others = [record for record in records if record != timed]
    disturbed = [*others, timed.model_copy(update={"circumstances": busy})]
    assert "(1.5 ms, busy)" in as_markdown(summary(make_rows(disturbed), "tiny"))
    (line, *_) = csv.DictReader(io.StringIO(as_csv(timings_table("tiny", disturbed))))
    assert line["busy"] == "True"


def test_every_cell_stands_in_the_table_of_timings(records: Any) -> None:
    """With both models' percentiles; what is absent is empty, and the status says why."""
    lines = list(csv.DictReader(io.StringIO(as_csv(timings_table("tiny", records)))))
    assert [line["entry"] for line in lines] == ["finetune", "kd"]
    told = {
        "cell": "1x8",
        "latency_ms_p50": "1.5",
        "latency_ms_p50_bound": "1.875",
        "latency_ms_p99": "",
        "teacher_latency_ms_p90": "6.0",
        "memory_peak_bytes": "2000000",
        "energy_mj": "",
    }
    assert lines[1] | told == lines[1]
    reasons = dict(each.split(": ") for each in lines[1]["status"].split("; "))
    assert reasons["below the sample floor"].startswith("latency_ms_p95 latency_ms_p99 ")
    assert reasons["random inputs"] == "tokenisation_*"
    assert "energy_mj" in reasons["no energy counter"].split()


def test_json_holds_every_field(records: Any) -> None:
    """And numbers as numbers, what is unknown as null."""
    rows = json.loads(as_json(leaderboard(make_rows(records), "tiny")))
    assert rows[2] | {"score": 0.82, "to_twin": 0.12, "seeds": [1, 2]} == rows[2]
    assert rows[0]["to_twin"] is None
    reasons = {
        "score_sd": "one seed",
        "flops": "not recorded",
        "export_int8_change": "undefined",
        "torch_fp32_*": "is the teacher",
    }
    assert rows[0]["status"] | reasons == rows[0]["status"]


def test_an_empty_board_says_so() -> None:
    """No table without rows."""
    assert as_markdown(summary([], "tiny")) == "# tiny\n\nNo records yet.\n"
    assert as_json(leaderboard([], "tiny")) == "[]\n"


def test_a_score_that_beats_nothing_has_a_mark_and_a_note(make: Any) -> None:
    """And an undefined one says so instead of 0."""
    text = as_markdown(summary(make_rows([make("kd", 0.5), make("finetune", None)]), "tiny"))
    assert "| kd | kd | 50.0 |  | **50.0 †** |" in text
    assert "| finetune | finetune |  |  | undefined † |" in text
    assert "† does not beat the majority baseline" in text


def test_the_mean_is_over_what_everybody_has(make: Any) -> None:
    """Means over different tasks would not compare: a task that one entry lacks counts for none."""
    whole = [make("kd", 0.6), make("kd", 0.2, task="inference")]
    text = as_markdown(summary(make_rows([*whole, make("finetune", 0.9)]), "tiny"))
    lines = [line for line in text.splitlines() if line.startswith(("| kd", "| finetune"))]
    assert lines[0].startswith("| finetune | finetune | 90.0 |  |  |")
    assert lines[1].startswith("| kd | kd | 60.0 |")
    assert "mean: average score over sentiment." in text


def test_without_a_common_task_there_is_no_mean(make: Any) -> None:
    """And the note says why."""
    rows = make_rows([make("kd", 0.6), make("finetune", 0.9, task="inference")])
    text = as_markdown(summary(rows, "tiny"))
    assert "| kd | kd |  |" in text
    assert "mean: average score over no task, as none is shared by all entries." in text


class Balance(HTMLParser):
    """Keeps the open tags, and what was written and run into."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "meta":
            return
        self.open.append(tag)
        if any(key in ("src", "href") for key, _ in attrs):
            self.wrong.append(f"{tag} reaches outside")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open[-1:] in (["td"], ["b"]):
            self.cells.append(data)


def test_the_page_is_whole_and_needs_no_network(records: Any) -> None:
    """Every tag is closed, every row has a cell per head, nothing is fetched."""
    page, read = as_page(leaderboard(make_rows(records), "tiny")), Balance()
    read.feed(page)
    assert (read.open, read.wrong) == ([], [])
    assert page.count("<tr") == 4
    assert page.count("<td") == 3 * page.count("<th ")
    assert "82.0" in read.cells
    assert "0.50 ± 0.10 (1.5 ms)" in read.cells


def test_names_cannot_become_markup(make: Any) -> None:
    """A name with markup in it is shown, not run."""
    row = make_rows([make("kd", 0.8, method='<script>"&')])[0]
    page = as_page(leaderboard([row], "<b>"))
    assert '<script>"' not in page
    assert "&lt;script&gt;&#34;&amp;" in page
    assert "<title>distilzoo: &lt;b&gt;</title>" in page


def test_what_training_noted_stands_on_the_board(records: Any) -> None:
    """An entry whose weights were cut, not compressed: a mark, and below what was left."""
    closing = ClosingRecord(cut=0.4, near_zero=0.1, before={"mlm": 5.27}, after={"mlm": 5.86})
    phase = PhaseRecord(name="compact", steps=240, left="budget", losses={}, closing=closing)
    marked = [
        record.model_copy(update={"phases": (phase,)})
        if record.kind == "training" and record.entry == "kd"
        else record
        for record in records
    ]
    told = "cut where 0.4 of the kept norm was left: mlm 5.27 to 5.86"
    text = as_markdown(summary(make_rows(marked), "tiny"))
    assert "| kd § |" in text
    assert "| finetune |" in text
    assert f"§ kd: {told}." in text
    assert told in as_csv(leaderboard(make_rows(marked), "tiny"))
    assert "kd §" in as_page(leaderboard(make_rows(marked), "tiny"))
    assert "§" not in as_markdown(summary(make_rows(records), "tiny"))
    gone = closing.model_copy(update={"cut": 0.01})
    assert gone.mark == ""
