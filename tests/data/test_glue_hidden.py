"""Test sets without labels: the release's folder and the hub give the same examples."""

import os
from pathlib import Path

import datasets
import pytest

from zoo.data import hub
from zoo.data.hidden import load_test_split, read_test_split
from zoo.data.sources import load_test as load_tests
from zoo.errors import DataError
from zoo.spec.data import SuiteData
from zoo.spec.task import AX, TASKS, Task

GLUE = [*(task for task in TASKS.values() if task.hidden), AX]
RELEASED = {
    "cola": ("CoLA/test.tsv", "index|sentence"),
    "sst2": ("SST-2/test.tsv", "index|sentence"),
    "mrpc": ("MRPC/test.tsv", "index|#1 ID|#2 ID|#1 String|#2 String"),
    "stsb": (
        "STS-B/test.tsv",
        "index|genre|filename|year|old_index|source1|source2|sentence1|sentence2",
    ),
    "qqp": ("QQP/test.tsv", "id|question1|question2"),
    "mnli": (
        "MNLI/test_matched.tsv",
        "index|promptID|pairID|genre|sentence1_parse|sentence2_parse|sentence1|sentence2",
    ),
    "qnli": ("QNLI/test.tsv", "index|question|sentence"),
    "rte": ("RTE/test.tsv", "index|sentence1|sentence2"),
    "wnli": ("WNLI/test.tsv", "index|sentence1|sentence2"),
    "ax": ("diagnostic/diagnostic.tsv", "index|sentence1|sentence2"),
}
"""Where the release keeps each test set, and the header it has there."""
TEXTS = [(" One.", "Another. "), ("Two", 'Sec"ond'), ("Three", "Third")]


def released(folder: Path, task: Task) -> Path:
    """A test set in the layout of the release."""
    name, header = RELEASED[task.name]
    columns = header.split("|")
    texts = [c for c in columns if c in (*task.columns.texts, "sentence1", "sentence2")]
    rows = [
        {**dict.fromkeys(columns, "x"), columns[0]: str(n), **dict(zip(texts, pair, strict=False))}
        for n, pair in enumerate(TEXTS)
    ]
    path = folder / "glue" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(columns), *("\t".join(row[c] for c in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("task", GLUE, ids=lambda task: task.name)
def test_release_and_hub_give_the_same_examples(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts are stripped, quotes stand, ids count the rows and no label is known."""
    split = task.hidden[0]
    assert released(tmp_path, task).stem == split
    asked: list[hub.HubData] = []
    names = task.columns.on_hub
    columns = {name: [pair[at] for pair in TEXTS] for at, name in enumerate(names)}

    def load(source: hub.HubData, wanted: tuple[str, ...]) -> datasets.Dataset:
        asked.append(source)
        assert wanted == names
        return datasets.Dataset.from_dict(columns)

    monkeypatch.setattr(hub, "load_columns", load)
    found = read_test_split(task, split, tmp_path)
    assert found == load_test_split(task, split, "abc")
    assert (asked[0].config, asked[0].split) == (
        task.hub and task.hub.config,
        "test" if task is AX else split,
    )
    assert [example.id for example in found.examples] == [f"{task.name}-{split}-{n}" for n in "012"]
    first, second = found.examples[:2]
    assert (first.first, first.second) == ("One.", "Another." if task.pair else None)
    assert second.second == ('Sec"ond' if task.pair else None)
    assert {example.label for example in found.examples} == {None}


@pytest.mark.parametrize("task", GLUE, ids=lambda task: task.name)
def test_the_index_of_a_test_set_is_its_own(task: Task, tmp_path: Path) -> None:
    """A part of a test set, or a shuffled one, keeps its numbers in its order."""
    split, path = task.hidden[0], released(tmp_path, task)
    text = path.read_text().replace("\n0\t", "\n7\t").replace("\n2\t", "\n 003 \t")
    path.write_text(text)
    index = read_test_split(task, split, tmp_path).index
    assert index is not None
    assert index.numbers() == (7, 1, 3)


def test_an_index_that_is_none_is_refused_with_its_lines(tmp_path: Path) -> None:
    """Twice, empty, and what is no whole number: all of the file at once."""
    path = released(tmp_path, TASKS["rte"])
    cells = ["4", "", "x", "-1", "1.0", "1_0", "\u0663", "4", "04"]
    path.write_text("".join(f"{cell}\ta\tb\n" for cell in ["index", *cells]).replace(
        "index\ta\tb", "index\tsentence1\tsentence2"
    ))  # fmt: skip
    with pytest.raises(DataError) as told:
        read_test_split(TASKS["rte"], "test", tmp_path)
    remedy = "give every row its own number, or remove the column to number rows by position"
    none = [
        f"{path}:{line}: index: the index is {cells[line - 2]!r}\n"
        f"  allowed: a whole number from 0\n  fix: {remedy}"
        for line in (3, 4, 5, 6, 7, 8)
    ]
    twice = [
        f"{path}:{line}: index: the index 4 appears in line 2 too\n"
        f"  allowed: distinct numbers\n  fix: {remedy}"
        for line in (9, 10)
    ]
    assert [str(problem) for problem in told.value.problems] == none + twice


def test_mnli_has_two_test_sets_and_the_hub_serves_where_no_folder_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ZOO_DATA", raising=False)
    rows = datasets.Dataset.from_dict({"premise": ["a"], "hypothesis": ["b"]})
    monkeypatch.setattr(hub, "load_columns", lambda *_: rows)
    found = load_tests(TASKS["mnli"], SuiteData().of(TASKS["mnli"]))
    assert {name: len(split.examples) for name, split in found.items()} == {
        "test_matched": 1,
        "test_mismatched": 1,
    }


def test_a_test_set_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = released(tmp_path, TASKS["rte"])
    path.write_text("index\tsentence1\n0\ta\n")
    with pytest.raises(DataError) as told:
        read_test_split(TASKS["rte"], "test", tmp_path)
    assert str(told.value) == (
        f"{path}:1: no column 'sentence2'; there are index, sentence1\n"
        "  allowed: a header with sentence1, sentence2\n"
        "  fix: download glue/RTE of the official release again"
    )


def test_the_published_test_set_of_mrpc_is_read() -> None:
    """1,725 pairs as its authors publish them, in the order that the server counts in."""
    folder = Path(os.environ.get("ZOO_DATA", Path(__file__).parents[3] / "shared/data"))
    file = folder / "glue/MRPC/msr_paraphrase_test.txt"
    if not file.is_file() or (file.parent / "test.tsv").is_file():
        pytest.skip("MRPC's own test file is not here (ZOO_DATA names its folder)")
    found = read_test_split(TASKS["mrpc"], "test", folder)
    assert len(found.examples) == 1725
    assert {example.label for example in found.examples} == {None}
    first = file.read_text(encoding="utf-8-sig").splitlines()[1].split("\t")
    assert (found.examples[0].first, found.examples[0].second) == (first[3], first[4])
