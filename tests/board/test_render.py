"""The board as text and as a page."""

import csv
import io
import json
from html.parser import HTMLParser
from typing import Any

from zoo.board.page import as_page
from zoo.board.render import as_csv, as_json, as_markdown
from zoo.board.table import make_rows

MARKDOWN = """\
# tiny

| entry | method | mean | sentiment (accuracy) | parameters | int8 MB | torch-fp32 time |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
| constant answer |  |  | 50.0 |  |  |  |
| teacher | teacher | 90.0 | 90.0 | 1,234 | 2.50 | 1 (teacher) |
| kd | kd | 82.0 | **82.0 ± 2.8** | 1,234 | 2.50 | 0.50 |
| finetune | finetune | 70.0 | 70.0 | 1,234 | 2.50 | 0.50 |

Scores x 100; mean over sentiment; seeds 1, 2, ± is their standard deviation.
Scored examples: sentiment 100.
Time: this model's over its teacher's, taken in turns in one process; below 1 is faster; the median over tasks. Intervals and milliseconds: leaderboard.csv.
"""  # noqa: E501  (a table's lines are as long as they are)

CSV_LAST = (
    "tiny,kd,kd,teacher,sentiment,dev,100,accuracy,0.82,0.0283,0.5,True,False,-0.08,0.12,"
    "1234,234,3.1,," + "kd-sentiment-1".ljust(64, "0") + ",1 2,0.82,6000000,2500000,1.5,0.5,0.6,0.4"
)


def test_markdown_to_the_byte(records: Any) -> None:
    """Teachers first, then the best mean; the best student of a column is bold."""
    assert as_markdown(make_rows(records), "tiny") == MARKDOWN


def test_csv_to_the_byte(records: Any) -> None:
    """A line per row; metrics and runtimes are columns; what was not measured is empty."""
    text = as_csv(make_rows(records))
    assert text.splitlines()[-1] == CSV_LAST
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["entry"] for line in lines] == ["teacher", "finetune", "kd"]
    assert lines[0]["torch_fp32_ratio"] == ""
    assert lines[2]["seeds"] == "1 2"


def test_json_holds_every_field(records: Any) -> None:
    """And numbers as numbers, what is unknown as null."""
    rows = json.loads(as_json(make_rows(records)))
    assert rows[2] | {"score": 0.82, "to_twin": 0.12, "seeds": [1, 2]} == rows[2]
    assert rows[0]["to_twin"] is None


def test_an_empty_board_says_so() -> None:
    """No table without rows."""
    assert as_markdown([], "tiny") == "# tiny\n\nNo records yet.\n"
    assert as_json([]) == "[]\n"


def test_a_score_that_beats_nothing_has_a_mark_and_a_note(make: Any) -> None:
    """And an undefined one says so instead of 0."""
    text = as_markdown(make_rows([make("kd", 0.5), make("finetune", None)]), "tiny")
    assert "| kd | kd | 50.0 | **50.0** † |" in text
    assert "| finetune | finetune |  | undefined |" in text
    assert "† does not beat a constant answer" in text


def test_the_mean_is_over_what_everybody_has(make: Any) -> None:
    """Means over different tasks would not compare: a task that one entry lacks counts for none."""
    whole = [make("kd", 0.6), make("kd", 0.2, task="inference")]
    text = as_markdown(make_rows([*whole, make("finetune", 0.9)]), "tiny")
    lines = [line for line in text.splitlines() if line.startswith(("| kd", "| finetune"))]
    assert lines[0].startswith("| finetune | finetune | 90.0 |  |")
    assert lines[1].startswith("| kd | kd | 60.0 |")
    assert "mean over sentiment;" in text


def test_without_a_common_task_there_is_no_mean(make: Any) -> None:
    """And the note says why."""
    rows = make_rows([make("kd", 0.6), make("finetune", 0.9, task="inference")])
    text = as_markdown(rows, "tiny")
    assert "| kd | kd |  |" in text
    assert "mean over nothing: no task is everybody's;" in text


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
        if self.open[-1:] == ["td"]:
            self.cells.append(data)


def test_the_page_is_whole_and_needs_no_network(records: Any) -> None:
    """Every tag is closed, every row has a cell per head, nothing is fetched."""
    page, read = as_page(make_rows(records), "tiny"), Balance()
    read.feed(page)
    assert (read.open, read.wrong) == ([], [])
    assert page.count("<tr") == 4
    assert page.count("<td") == 3 * page.count("<th>")
    assert "82.0" in read.cells
    assert "0.50 [0.40, 0.60]" in read.cells


def test_names_cannot_become_markup(make: Any) -> None:
    """A name with markup in it is shown, not run."""
    row = make_rows([make("kd", 0.8, method='<script>"&')])[0]
    page = as_page([row], "<b>")
    assert "<script>&quot;" not in page
    assert "&lt;script&gt;&quot;&amp;" in page
    assert "<title>distilzoo: &lt;b&gt;</title>" in page
