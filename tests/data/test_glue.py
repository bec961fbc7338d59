"""GLUE splits: the same examples from files and hub, and every damage told with its place."""

import re
from pathlib import Path

import datasets
import pytest

from zoo.data import texts
from zoo.data.examples import TextExample
from zoo.errors import DataError
from zoo.spec.task import TASKS, Reader

HEADERS = {
    "sst2": "sentence|label",
    "mrpc": "Quality|#1 ID|#2 ID|#1 String|#2 String",
    "stsb": ("index|genre|filename|year|old_index|source1|source2|sentence1|sentence2|score"),
    "qqp": "id|qid1|qid2|question1|question2|is_duplicate",
    "mnli": (
        "index|promptID|pairID|genre|sentence1_binary_parse|sentence2_binary_parse|"
        "sentence1_parse|sentence2_parse|sentence1|sentence2|label1|gold_label"
    ),
    "qnli": "index|question|sentence|label",
    "rte": "index|sentence1|sentence2|label",
    "wnli": "index|sentence1|sentence2|label",
}
GLUE = sorted(name for name, task in TASKS.items() if task.reader is Reader.TSV)
TEXTS = [
    ('He said " no', "A second one ."),
    ("caf\u00e9 \u2028 next \x85 line ", 'It is "quoted"'),
    (" lead", ""),
]
CLASSES = [1, 0, 1]
SCORES = [3.8, 2.46666666666667, 0.0]


def write(folder: Path, name: str, content: bytes | str, split: str = "dev") -> Path:
    file = folder / TASKS[name].home / f"{split}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def row(name: str, first: str, second: str, label: str) -> str:
    if name == "cola":
        return f"gj04\t{label}\t\t{first}"
    layout = TASKS[name].columns
    cells = {
        **dict.fromkeys(HEADERS[name].split("|"), "x"),
        layout.label: label,
        layout.texts[0]: first,
    }
    cells |= {layout.texts[1]: second} if len(layout.texts) > 1 else {}
    return "\t".join(cells[column] for column in HEADERS[name].split("|"))


def tsv(name: str, end: str = "\n") -> str:
    task, layout = TASKS[name], TASKS[name].columns
    names = [str(score) for score in SCORES] if name == "stsb" else [
        str(label) if layout.written else task.labels[label] for label in CLASSES
    ]  # fmt: skip
    lines = [row(name, *texts, label) for texts, label in zip(TEXTS, names, strict=True)]
    header = [HEADERS[name].replace("|", "\t")] if name in HEADERS else []
    return end.join([*header, *lines]) + end


def on_hub(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, **change: object) -> list:
    """Put the three examples where `datasets.load_dataset` finds them, as the hub stores them."""
    task = TASKS[name]
    label = (
        datasets.Value("float32")
        if name == "stsb"
        else datasets.ClassLabel(names=list(change.get("labels", task.labels)))
    )
    names = change.get("columns", TASKS[name].columns.on_hub)
    values = change.get("values", SCORES if name == "stsb" else CLASSES)
    columns = {key: [texts[i] for texts in TEXTS] for i, key in enumerate(names)}
    columns |= {"label": values, "idx": [4, 9, 11]}
    texts = {key: datasets.Value("string") for key in names}
    features = datasets.Features({**texts, "label": label, "idx": datasets.Value("int32")})
    file = folder / "hub.parquet"
    datasets.Dataset.from_dict(columns, features=features).to_parquet(file)
    asked: list[tuple[object, ...]] = []

    def load(path: str, config: str, *, split: str, revision: str) -> datasets.Dataset:
        asked.append((path, config, split, revision))
        return datasets.Dataset.from_parquet(str(file), cache_dir=str(folder / "cache"))

    monkeypatch.setattr(datasets, "load_dataset", load)
    return asked


def message(error: pytest.ExceptionInfo[DataError], file: Path) -> str:
    return str(error.value).replace(str(file), "FILE")


@pytest.mark.parametrize("name", GLUE)
def test_folder_and_hub_give_the_same_split(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids, order, texts and labels do not depend on where the data came from."""
    split = TASKS[name].evaluation[-1]
    write(tmp_path, name, tsv(name), split)
    asked = on_hub(monkeypatch, tmp_path, name)
    here = texts.read_split(TASKS[name], split, tmp_path)
    assert here == texts.load_split(TASKS[name], split, "abc")
    hub_split = "validation_mismatched" if name == "mnli" else "validation"
    assert asked == [("nyu-mll/glue", name, hub_split, "abc")]
    second = TEXTS[0][1] if TASKS[name].pair else None
    label = 3.8 if name == "stsb" else 1
    assert here.examples[0] == TextExample(f"{name}-{split}-0", TEXTS[0][0], second, label)
    assert here.examples[1].first == "caf\u00e9 \u2028 next \x85 line"
    assert [example.label for example in here.examples[1:]] == (
        [2.46667, 0.0] if name == "stsb" else CLASSES[1:]
    )


@pytest.mark.parametrize("name", GLUE)
def test_byte_order_mark_crlf_and_blank_lines_change_nothing(name: str, tmp_path: Path) -> None:
    """A file that went through Windows holds the same examples."""
    split = TASKS[name].evaluation[0]
    write(tmp_path, name, tsv(name), split)
    plain = texts.read_split(TASKS[name], split, tmp_path)
    write(tmp_path, name, b"\xef\xbb\xbf" + (tsv(name, "\r\n") + "\r\n").encode(), split)
    assert texts.read_split(TASKS[name], split, tmp_path) == plain


def test_short_rows_of_qqp_are_skipped_and_counted(tmp_path: Path) -> None:
    """The release of QQP is known to hold rows that are cut short; no other is."""
    lines = tsv("qqp").splitlines()[:2]
    write(tmp_path, "qqp", "\n".join([lines[0], "1\t2\t3\tonly this", lines[1], "4\t5"]) + "\n")
    split = texts.read_split(TASKS["qqp"], "dev", tmp_path)
    assert (split.skipped, [example.id for example in split.examples]) == (2, ["qqp-dev-0"])


AGAIN = "download glue/{} of the official release again"
HIDDEN = "  fix: use a split with public labels, or "
BYTES = (
    "byte 0xe9 is not UTF-8\n  allowed: UTF-8, with or without a byte order mark\n"
    "  fix: download the file again, or convert it to UTF-8"
)
NO_ROWS = "FILE: contains no examples\n  allowed: at least one row\n  fix: "
BROKEN = {
    "header": (
        "mrpc",
        b"Quality\t#1 ID\t#2 ID\tone\tb\n1\t1\t2\ta\tb\n",
        (
            "FILE:1: no column '#1 String', '#2 String'; there are Quality, #1 ID, #2 ID, one, b\n"
            "  allowed: a header with #1 String, #2 String, Quality\n"
            "  fix: download glue/MRPC of the official release again"
        ),
    ),
    "truncated": (
        "wnli",
        b"index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n1\tcut o",
        (
            "FILE:3: a row with 2 columns\n"
            "  allowed: 4 columns: index, sentence1, sentence2, label\n"
            f"  fix: {AGAIN.format('WNLI')}"
        ),
    ),
    "too wide": (
        "cola",
        b"gj04\t1\t\tA.\tB.\n",
        (
            "FILE:1: a row with 5 columns\n"
            f"  allowed: 4 columns: source, label, mark, sentence\n  fix: {AGAIN.format('CoLA')}"
        ),
    ),
    "class": (
        "rte",
        b"index\tsentence1\tsentence2\tlabel\n0\ta\tb\tneutral\n",
        (
            "FILE:2: label: the label 'neutral'\n  allowed: entailment, not_entailment\n"
            f"{HIDDEN}{AGAIN.format('RTE')}"
        ),
    ),
    "digit": (
        "sst2",
        b"sentence\tlabel\na\t2\n",
        f"FILE:2: label: the label '2'\n  allowed: 0, 1\n{HIDDEN}{AGAIN.format('SST-2')}",
    ),
    "bytes": ("sst2", b"sentence\tlabel\na\t1\ncaf\xe9\t0\n", f"FILE:3: {BYTES}"),
    "bytes in header": ("sst2", b"sentenc\xe9\tlabel\na\t1\n", f"FILE:1: {BYTES}"),
    "empty": ("qnli", b"", NO_ROWS + AGAIN.format("QNLI")),
    "no rows": ("sst2", b"sentence\tlabel\n", NO_ROWS + AGAIN.format("SST-2")),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_told_with_place_and_remedy(case: str, tmp_path: Path) -> None:
    """Each kind of damage has its whole message."""
    name, content, expected = BROKEN[case]
    file = write(tmp_path, name, content)
    with pytest.raises(DataError) as error:
        texts.read_split(TASKS[name], "dev", tmp_path)
    assert message(error, file) == expected


@pytest.mark.parametrize("score", ["five", "5.1", "-0.1", "nan", ""])
def test_scores_outside_the_scale_are_refused(score: str, tmp_path: Path) -> None:
    """STS-B runs from 0 to 5; anything else is no label."""
    lines = [HEADERS["stsb"].replace("|", "\t"), row("stsb", "a", "b", score)]
    file = write(tmp_path, "stsb", "\n".join(lines) + "\n")
    with pytest.raises(DataError) as error:
        texts.read_split(TASKS["stsb"], "dev", tmp_path)
    assert message(error, file).startswith(
        f"FILE:2: score: the label {score!r}\n  allowed: a number from 0 to 5\n"
    )


def test_all_problems_of_a_file_come_at_once_up_to_twenty(tmp_path: Path) -> None:
    """Twenty problems are listed, the rest counted."""
    file = write(tmp_path, "sst2", "sentence\tlabel\n" + "a\t7\n" * 23 + "cut\n")
    with pytest.raises(DataError) as error:
        texts.read_split(TASKS["sst2"], "dev", tmp_path)
    assert len(error.value.problems) == 21
    assert message(error, file).endswith("\nFILE: and 4 more problems like these")


def test_missing_file_says_what_the_folder_should_hold(tmp_path: Path) -> None:
    """The path, the layout and the way out are in the message."""
    file = tmp_path / "glue" / "MNLI" / "dev_matched.tsv"
    with pytest.raises(DataError) as error:
        texts.read_split(TASKS["mnli"], "dev_matched", tmp_path)
    assert message(error, file) == (
        "FILE: there is no such file\n"
        "  allowed: ZOO_DATA set to a folder that contains MNLI/dev_matched.tsv in the layout "
        "of the official release (glue/<TASK>/, squad/)\n"
        "  fix: put the file there, or unset ZOO_DATA to download the data from the hub"
    )


def test_unknown_split_names_the_known_ones(tmp_path: Path) -> None:
    """MNLI has no plain dev split."""
    expected = r"mnli: there is no split 'dev'\n  allowed: train, dev_matched, dev_mismatched"
    with pytest.raises(DataError, match=expected):
        texts.read_split(TASKS["mnli"], "dev", tmp_path)
    with pytest.raises(DataError, match=expected):
        texts.load_split(TASKS["mnli"], "dev", "abc")


HUB = "nyu-mll/glue (configuration 'rte', split 'validation', revision 'abc')"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"labels": ("not_entailment", "entailment")},
            (
                f"{HUB}: the labels are not_entailment, entailment\n"
                "  allowed: entailment, not_entailment, in this order\n"
                "  fix: check the revision: class ids would change meaning"
            ),
        ),
        (
            {"values": [1, -1, 0]},
            (
                f"{HUB}: row 1: the label -1\n  allowed: 0, 1\n"
                "  fix: use a split with public labels, or another revision"
            ),
        ),
        (
            {"columns": ("sentence1", "hypothesis")},
            (
                f"{HUB}: no column 'sentence2'; there are sentence1, hypothesis, label, idx\n"
                "  allowed: the columns sentence1, sentence2, label\n"
                "  fix: check the data set, configuration and revision"
            ),
        ),
    ],
)
def test_hub_data_that_is_not_the_task_is_refused(
    change: dict[str, object], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Label order, hidden labels and columns are checked, not believed."""
    on_hub(monkeypatch, tmp_path, "rte", **change)
    with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
        texts.load_split(TASKS["rte"], "dev", "abc")


@pytest.mark.parametrize(
    ("offline", "way"), [(True, "unset HF_HUB_OFFLINE to go online"), (False, "go online")]
)
def test_unreachable_hub_says_how_to_go_on(
    offline: bool, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data set, configuration and revision are named, with both ways out."""

    def load(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach it")

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", offline)
    expected = (
        f"{HUB}: cannot be read from the hub: Couldn't reach it\n"
        f"  fix: set ZOO_DATA to a folder that holds the data, or {way}"
    )
    with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
        texts.load_split(TASKS["rte"], "dev", "abc")
