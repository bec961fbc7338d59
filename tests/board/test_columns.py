"""One list of columns feeds every form of a table."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from rich.console import Console

from zoo.board.columns import Absent, Column, Table, largest, middle, total
from zoo.board.dictionary import described
from zoo.board.leaderboard import board_columns, leaderboard, summary
from zoo.board.page import as_page
from zoo.board.render import STATUS, as_csv, as_json, as_markdown, is_numeric
from zoo.board.table import make_rows
from zoo.board.terminal import as_terminal
from zoo.board.timings import LATENCY_COLUMNS, timings_table

CHECKOUT = Path(__file__).parents[2]
PUBLISHED = sorted((CHECKOUT / "results").rglob("*.csv"))
TEXTS = {STATUS, "seeds", "columns"}
"""Columns of words: lists of seeds, and masks of columns that look like numbers."""

Length = tuple[str, float | None]
NAME: Column[Length] = Column("name", lambda row: row[0], "who it is", head="name")
LENGTH: Column[Length] = Column(
    "length_mm",
    lambda row: Absent("out of reach") if row[1] is None else row[1],
    "from end to end",
    unit="mm",
    head="cm",
    text=lambda value: f"{value / 10:.1f}",
    beside=lambda row: " *" if row[0] == "eel" else "",
    strong=lambda row: row[1] == 420.0,
)
ROWS = (("eel", 420.0), ("fog", None), ("<i>|", 7.0))
TABLE = Table("fish", ROWS, (NAME, LENGTH), ("Caught once.",), {"*": "a good one.", "+": "never."})


def test_data_holds_values_and_why_there_is_none() -> None:
    """Numbers on their own scale; no sign, no word among them."""
    assert (
        as_csv(TABLE)
        == "name,length_mm,status\neel,420.0,\nfog,,out of reach: length_mm\n<i>|,7.0,\n"
    )
    assert json.loads(as_json(TABLE))[:2] == [
        {"name": "eel", "length_mm": 420.0, "status": {}},
        {"name": "fog", "length_mm": None, "status": {"length_mm": "out of reach"}},
    ]


def test_people_read_texts_signs_and_reasons() -> None:
    """Below the table: remarks, what the columns are, and the signs that occur."""
    assert as_markdown(TABLE).splitlines() == [
        "# fish",
        "",
        "| name | cm |",
        "| --- | ---: |",
        "| eel | **42.0 *** |",
        "| fog | out of reach |",
        "| <i>\\| | 0.7 |",
        "",
        "Caught once.",
        "name: who it is.",
        "cm: from end to end.",
        "* a good one.",
    ]
    page = as_page(TABLE)
    assert '<th title="from end to end" class="number">cm</th>' in page
    assert '<td data-value="420.0" class="number"><b>42.0 *</b></td>' in page
    assert '<td data-value="" class="absent">out of reach</td>' in page
    assert "&lt;i&gt;|" in page


def test_a_column_that_nobody_fills_is_told_and_not_shown() -> None:
    """In text; data keep it."""
    lost = replace(LENGTH, name="lost", value=lambda row: Absent("lost" if row[1] else "gone"))
    empty = Table("fish", (*ROWS, ROWS[0]), (NAME, replace(lost, head="deep"), lost))
    assert [column.head for column in empty.read] == ["name"]
    assert empty.notes[-1] == "No values: deep, cm (lost, gone)."
    assert as_csv(empty).startswith("name,lost,lost,status")


def test_a_group_without_values_is_told_once() -> None:
    """And one that lacks some, by the names of these."""
    grouped = [LENGTH.within(lambda row: row, f"at_{place}") for place in "ab"]
    other = replace(grouped[1], name="at_b_two", value=lambda _: 1)
    table = Table("fish", ROWS[1:2], (LENGTH, *grouped, other))
    assert as_csv(table).splitlines()[1] == ",,,1,out of reach: length_mm at_a_* at_b_length_mm"


def test_a_part_that_a_row_lacks_says_why() -> None:
    """The column of the part is one of the whole: value, text and all."""
    column: Column[dict[str, Length]] = LENGTH.within(
        lambda row: row.get("left", Absent("lost")), "left", "left"
    )
    assert (column.name, column.head, column.unit) == ("left_length_mm", "left cm", "mm")
    assert column.shown({"left": ROWS[0]}) == "42.0 *"
    assert column.shown({}) == "lost"


def test_numbers_of_several_tasks_become_one() -> None:
    """A sum needs all of them; the others those that are known."""
    assert (largest([1, None, 3]), middle([3, 1, None, 2, 9]), total([1, 2])) == (3, 3, 3)
    assert (largest([None]), middle([]), total([1, None])) == (None, None, None)


def test_a_narrow_terminal_gets_bands() -> None:
    """Each begins with the first column, and nothing is cut off."""
    wide = [replace(NAME, head=f"a name that is {number}") for number in range(4)]
    told = as_terminal(
        Table("fish", ROWS, (NAME, *wide)),
        Console(width=40, force_terminal=True, color_system=None, highlight=False),
    )
    assert max(map(len, told.splitlines())) <= 40
    assert sum(line.startswith("name ") for line in told.splitlines()) == 4
    assert all(f"a name that is {number}" in told for number in range(4))


def test_a_pipe_gets_every_word_and_no_colour(records: Any) -> None:
    """One table, as wide as it is; each note on one line."""
    table = summary(make_rows(records), "tiny")
    told = as_terminal(table, Console(file=io.StringIO(), width=20))
    lines = told.splitlines()
    assert "\x1b" not in told
    assert sum(line.startswith("entry ") for line in lines) == 1
    assert all(note in lines for note in table.notes)
    assert "0.50 ± 0.10 (1.5 ms)" in told
    assert all(line == line.rstrip() for line in lines)


def test_a_terminal_shows_what_is_strong(records: Any) -> None:
    """The best student of a column, in bold."""
    console = Console(width=200, force_terminal=True, color_system="standard", highlight=False)
    told = as_terminal(summary(make_rows(records), "tiny"), console)
    assert re.search(r"\x1b\[1m *82\.0", told)
    assert not re.search(r"\x1b\[1m *70\.0", told)


def test_one_more_column_reaches_every_form(records: Any) -> None:
    """Added to the list, and nowhere else."""
    table = leaderboard(make_rows(records), "tiny")
    depth: Column[Any] = Column("depth_m", lambda row: len(row.entry), "down", "m", head="depth")
    more = replace(table, columns=(*table.columns, depth))
    assert next(csv.DictReader(io.StringIO(as_csv(more))))["depth_m"] == "7"
    assert json.loads(as_json(more))[0]["depth_m"] == 7
    assert "| depth |" in as_markdown(more)
    assert 'title="down"' in as_page(more)
    assert "depth" in as_terminal(more, Console(file=io.StringIO()))
    assert "| `depth_m` | m | depth | down |" in described(more.columns)


@pytest.mark.parametrize(
    "columns", [board_columns(), LATENCY_COLUMNS], ids=["leaderboard", "latency"]
)
def test_columns_have_names_of_their_own_and_say_what_they_are(columns: Any) -> None:
    """In words that a sentence can end with."""
    names = [column.name for column in columns]
    assert len(set(names)) == len(names)
    assert all(column.note and not column.note.endswith(".") for column in columns)


def test_numeric_columns_are_typed_so(records: Any) -> None:
    """What holds numbers and nothing else is read as numbers by others."""
    rows = make_rows(records)
    for table in (leaderboard(rows, "tiny"), timings_table("tiny", records)):
        read = pa_csv.read_csv(io.BytesIO(as_csv(table).encode()))
        for column in table.columns:
            if is_numeric(table.cells(column)):
                assert _is_number(read.schema.field(column.name).type), column.name


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda p: p.relative_to(CHECKOUT).as_posix())
def test_published_numbers_are_read_as_numbers(path: Path) -> None:
    """By pyarrow and by pandas: where any cell is a number, all are, or are empty."""
    lines = list(csv.DictReader(path.open()))
    types = pa_csv.read_csv(path).schema
    frame = pd.read_csv(path)
    assert STATUS in frame
    for name in set(frame.columns) - TEXTS:
        cells = [line[name] for line in lines if line[name]]
        if any(map(_reads_as_number, cells)):
            assert _is_number(types.field(name).type), name
            assert pd.api.types.is_numeric_dtype(frame[name]), name


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
