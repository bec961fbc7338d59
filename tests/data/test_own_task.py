"""Tables of a suite's own task: what is read, and what is refused with line and column."""

from pathlib import Path

import pytest

from zoo.data.examples import TextExample
from zoo.data.sources import load_evaluation, load_test, load_train, split_file
from zoo.errors import DataError
from zoo.spec.data import TaskSettings
from zoo.spec.own_task import OwnData, OwnFiles

FILES = OwnFiles(train="mine/train.tsv", dev="mine/dev.tsv", test="mine/test.tsv")
TONE = OwnData(
    files=FILES, texts=("text",), label="tone", labels=("angry", "calm"), metrics=("accuracy",)
)
PAIRS = OwnData(
    files=FILES,
    texts=("b", "a"),
    label="points",
    columns=("a", "b", "points"),
    range=(-10.0, 10.0),
    metrics=("pearson",),
)
MEND = "  fix: correct the file, or its description in tasks/tone.yaml"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the table for training lies."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine/train.tsv"


def train(data: OwnData) -> tuple[TextExample, ...]:
    return load_train(data.task("tone"), TaskSettings(), data).examples


def test_columns_are_found_by_their_names(file: Path) -> None:
    """Others are passed over; a mark, CRLF and quotes are what they are in any table."""
    file.write_bytes(b'\xef\xbb\xbfid\ttone\ttext\r\n1\tcalm\tA "fine" day. \r\n2\tangry\tNo.\r\n')
    assert train(TONE) == (
        TextExample("tone-train-0", 'A "fine" day.', None, 1),
        TextExample("tone-train-1", "No.", None, 0),
    )


def test_tables_without_a_header(file: Path) -> None:
    file.write_text("one\ttwo\t-2.5\n")
    assert train(PAIRS) == (TextExample("tone-train-0", "two", "one", -2.5),)


def test_every_scored_split_is_read(file: Path) -> None:
    for name in ("dev", "test"):
        file.with_name(f"{name}.tsv").write_text("text\ttone\na\tcalm\n")
    found = load_evaluation(TONE.task("tone"), TaskSettings(), TONE)
    assert list(found) == ["dev", "test"]


@pytest.mark.parametrize(
    ("data", "content", "message"),
    [
        (
            TONE,
            "text\tmood\na\tcalm\n",
            (
                "FILE:1: no column 'tone'; there are text, mood\n"
                f"  allowed: a header with text, tone\n{MEND}"
            ),
        ),
        (
            TONE,
            "text\ttone\ttext\na\tcalm\tb\n",
            f"FILE:1: the column 'text' appears twice\n  allowed: each column once\n{MEND}",
        ),
        (
            TONE,
            "text\ttone\na\tcalm\nb\tglad\n",
            f"FILE:3: tone: the label 'glad'\n  allowed: angry, calm\n{MEND}",
        ),
        (
            TONE,
            "text\ttone\na\n",
            f"FILE:2: a row with 1 columns\n  allowed: 2 columns: text, tone\n{MEND}",
        ),
        (TONE, "text\ttone\n", f"FILE: contains no examples\n  allowed: at least one row\n{MEND}"),
        (TONE, "", f"FILE: contains no examples\n  allowed: at least one row\n{MEND}"),
        (
            PAIRS,
            "a\tb\t10.5\n",
            f"FILE:1: points: the label '10.5'\n  allowed: a number from -10 to 10\n{MEND}",
        ),
    ],
)
def test_what_is_wrong_in_a_table_is_told(
    data: OwnData, content: str, message: str, file: Path
) -> None:
    file.write_text(content)
    with pytest.raises(DataError) as told:
        train(data)
    assert str(told.value).replace(str(file), "FILE") == message


def test_a_table_that_is_not_there(file: Path) -> None:
    with pytest.raises(DataError) as told:
        train(TONE)
    assert str(told.value) == (
        f"{file}: there is no such file\n"
        "  allowed: the file set as `files.train` in tasks/tone.yaml, below ZOO_DATA\n"
        "  fix: put the table there, or correct `files`"
    )


def test_it_lies_nowhere_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_DATA", raising=False)
    with pytest.raises(DataError) as told:
        split_file(TONE.task("tone"), "train", TONE)
    assert str(told.value) == (
        "tone in mine/train.tsv: ZOO_DATA is not set\n"
        "  fix: set ZOO_DATA to the folder that contains its files"
    )


def test_no_server_takes_submissions() -> None:
    with pytest.raises(DataError, match="tone: there is no public test set"):
        load_test(TONE.task("tone"), TONE)
