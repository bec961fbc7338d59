"""Official prediction files: what they score, what is refused, and that they are read back."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.cli.score import score as score_command
from zoo.errors import DataError, UsageError
from zoo.evaluation.official_files import read_answers, read_submission, server_labels
from zoo.evaluation.submissions import (
    OFFICIAL,
    FileScore,
    score_file,
    submission_name,
    write_submission,
)
from zoo.spec.task import AX, TASKS, Task, TaskKind

GLUE = [TASKS[name] for name in OFFICIAL if name in TASKS and TASKS[name].hidden]
RTE_DEV = (
    "index\tsentence1\tsentence2\tlabel\n"
    "0\tIt rains.\tIt is wet.\tentailment\n"
    "1\tIt rains.\tIt is dry.\tnot_entailment\n"
    "2\tIt snows.\tIt is cold.\tentailment\n"
)


def _data(*parts: str) -> Path:
    folder = Path(os.environ.get("ZOO_DATA", Path(__file__).parents[3] / "shared/data"))
    if not folder.joinpath(*parts).exists():
        pytest.skip(f"{'/'.join(parts)} is not here (ZOO_DATA names its folder)")
    return folder.joinpath(*parts)


def _file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _submission(folder: Path, *rows: str) -> Path:
    return _file(folder, "RTE.tsv", "\n".join(["index\tprediction", *rows]) + "\n")


@pytest.mark.parametrize(
    ("task", "file", "percent", "missing", "extra"),
    [
        ("v1.1", "1.1__BERT__ensemble___Google_AI_Language_.json", (86.206, 92.196), 0, 0),
        (
            "v1.1",
            "1.1__Logistic_Regression_Baseline__Stanford_University_.json",
            (40.142, 50.982),
            13,
            28,
        ),
        ("v2.0", "v2.0__BERT__single_model___Google_AI_Language_.json", (78.742, 81.775), 0, 0),
    ],
)
def test_published_squad_files_score_what_was_published(
    task: str, file: str, percent: tuple[float, float], missing: int, extra: int
) -> None:
    """`zoo score` on the published files prints the official figures to three decimals."""
    data, predictions = _data("squad", f"dev-{task}.json"), _data("squad", "predictions", file)
    lines = score_command(f"squad-{task}", data, predictions, as_json=False).splitlines()
    assert lines[0].endswith(f" examples, {missing} missing, {extra} extra")
    assert [float(line.split()[1]) for line in lines[1:3]] == list(percent)


@pytest.mark.parametrize(
    ("name", "positives", "examples"), [("CoLA", 721, 1043), ("MRPC", 279, 408), ("WNLI", 31, 71)]
)
def test_all_positive_submissions_score_the_known_shares(
    name: str, positives: int, examples: int, tmp_path: Path
) -> None:
    """On the release's dev files a constant 1 is right as often as the label occurs."""
    task = next(task for task in GLUE if task.home == f"glue/{name}")
    path = write_submission(task, tmp_path, [1] * examples)
    metrics = score_file(task, _data("glue", name, "dev.tsv"), path).metrics
    assert metrics["accuracy"] == pytest.approx(positives / examples)
    assert metrics.get("matthews", 0.0) == 0.0
    if "f1" in metrics:
        assert metrics["f1"] == pytest.approx(2 * positives / (positives + examples))


def test_gold_scores_of_stsb_correlate_fully(tmp_path: Path) -> None:
    """The dev file's own scores have both correlations 1; a constant has neither."""
    data, task = _data("glue", "STS-B", "dev.tsv"), TASKS["stsb"]
    rows = data.read_text(encoding="utf-8").splitlines()[1:]
    gold = [float(row.split("\t")[-1]) for row in rows]
    metrics = score_file(task, data, write_submission(task, tmp_path, gold)).metrics
    assert metrics == {"pearson": pytest.approx(1.0), "spearman": pytest.approx(1.0)}
    constant = write_submission(task, tmp_path, [2.5] * len(gold))
    text = score_command("stsb", data, constant, as_json=False)
    assert text.splitlines()[1:] == ["pearson   undefined", "spearman  undefined"]


def test_a_submission_is_matched_by_index_not_by_line(tmp_path: Path) -> None:
    """Rows may stand in any order, with either line end; label names are those of the server."""
    data = _file(tmp_path, "dev.tsv", RTE_DEV)
    rows = ("2\tnot_entailment\r", "0\tentailment\r", "1\tnot_entailment\r")
    result = score_file(TASKS["rte"], data, _submission(tmp_path, *rows))
    assert result == FileScore("rte", 3, 0, 0, {"accuracy": pytest.approx(2 / 3)})


def test_marks_blank_lines_and_line_ends_change_nothing(tmp_path: Path) -> None:
    """Files of labels and of predictions are read by one rule, whatever editor saved them."""
    answers = "index\tprediction\n0\tentailment\n1\tentailment\n2\tnot_entailment"
    plain = read_submission(TASKS["rte"], _file(tmp_path, "a", answers), 3).tolist()
    for mark in ("", "\ufeff"):
        for end in ("\n", "\r\n", "\r", "\n\n", "\n \n"):
            for last in ("", end, end * 3):
                saved = mark + answers.replace("\n", end) + last
                path = _file(tmp_path, "b", saved)
                assert read_submission(TASKS["rte"], path, 3).tolist() == plain
                data = _file(tmp_path, "c", mark + RTE_DEV.rstrip("\n").replace("\n", end) + last)
                assert score_file(TASKS["rte"], data, path).metrics == {"accuracy": 1 / 3}


@pytest.mark.parametrize("answer", ["1_0", "\u0663", "nan", "inf", "1e400", "0x1p3", "1 0", ""])
def test_what_only_python_takes_for_a_number_is_none(answer: str, tmp_path: Path) -> None:
    """Neither as a label of the data, nor as a prediction, nor as an index."""
    head = "index\tsentence1\tsentence2\tscore\n"
    data = _file(tmp_path, "dev.tsv", f"{head}0\ta\tb\t{answer}\n")
    with pytest.raises(DataError, match=f"dev.tsv:2: score: the label '{answer}'"):
        score_file(TASKS["stsb"], data, data)
    with pytest.raises(DataError, match=f":2: the prediction is '{answer}'\n  allowed: a finite"):
        read_submission(TASKS["stsb"], _submission(tmp_path, f"0\t{answer}"), 1)
    with pytest.raises(DataError, match=f":2: the index is '{answer}'\n  allowed: 0 to 0"):
        read_submission(TASKS["stsb"], _submission(tmp_path, f"{answer}\t1.0"), 1)


def test_bytes_and_endless_indices_of_a_submission_are_told(tmp_path: Path) -> None:
    """Not a traceback."""
    path = _file(tmp_path, "b", b"index\tprediction\n0\tentailment\n1\tcaf\xe9\n" + b"7" * 5000)
    with pytest.raises(DataError) as caught:
        read_submission(TASKS["rte"], path, 2)
    assert [f"{problem.where}: {problem.given}" for problem in caught.value.problems] == [
        f"{path}:3: byte 0xe9 is not UTF-8",
        f"{path}:4: 1 columns",
        f"{path}: 1 of 2 indices are missing: 1",
    ]
    path = _file(tmp_path, "b", b"index\tprediction\n" + b"7" * 5000 + b"\tentailment\n")
    with pytest.raises(DataError, match=r"b:2: the index is '7{59}\.\.\.\n  allowed: 0 to 0"):
        read_submission(TASKS["rte"], path, 1)


def test_data_with_an_index_of_its_own(tmp_path: Path) -> None:
    """Predictions are by it, or count the rows; where both would do, nobody can know."""
    rows = RTE_DEV.replace("\n0\t", "\n7\t").replace("\n1\t", "\n3\t")
    data = _file(tmp_path, "dev.tsv", rows)
    own = ("3\tnot_entailment", "2\tentailment", "7\tentailment")
    counted = ("1\tnot_entailment", "2\tentailment", "0\tentailment")
    for answers in (own, counted):
        path = _submission(tmp_path, *answers)
        assert score_file(TASKS["rte"], data, path).metrics == {"accuracy": 1.0}
    with pytest.raises(DataError, match="index 4 is not in the data\n  allowed: 2 to 7"):
        score_file(TASKS["rte"], data, _submission(tmp_path, "4\tentailment", *own))
    swapped = RTE_DEV.replace("\n0\t", "\n9\t").replace("\n1\t", "\n0\t").replace("\n9\t", "\n1\t")
    data, path = _file(tmp_path, "dev.tsv", swapped), _submission(tmp_path, *counted)
    with pytest.raises(DataError) as caught:
        score_file(TASKS["rte"], data, path)
    assert str(caught.value) == (
        f"{path}: its index ({data}) is 0 to 2 in another order than its rows\n"
        "  allowed: an index that counts the rows\n"
        "  fix: sort the rows of the data by their index: predictions may count either"
    )


def test_all_problems_of_a_submission_come_at_once(tmp_path: Path) -> None:
    """Every bad row is named by its line, with what was given and what is allowed."""
    path = _submission(tmp_path, "0\t1", "x\tentailment", "7\tentailment", "1 entailment", "-1\t0")
    path.write_text(path.read_text() + "2\tentailment\n2\tentailment\n")
    with pytest.raises(DataError) as caught:
        read_submission(TASKS["rte"], path, 4)
    assert [str(problem).replace(str(path), "F") for problem in caught.value.problems] == [
        "F:2: the prediction is '1'\n  allowed: entailment, not_entailment",
        "F:3: the index is 'x'\n  allowed: 0 to 3",
        "F:4: index 7 is out of range\n  allowed: 0 to 3",
        "F:5: 1 columns\n  allowed: 2: index and prediction, tab-separated",
        "F:6: the index is '-1'\n  allowed: 0 to 3",
        "F:8: index 2 appears twice\n  allowed: once",
        "F: 3 of 4 indices are missing: 0, 1, 3\n  allowed: one row for every example of the data",
    ]


def test_only_twenty_problems_are_listed(tmp_path: Path) -> None:
    """A file that is wrong throughout says how many more problems it has."""
    path = _submission(tmp_path, *(f"{index}\tmaybe" for index in range(30)))
    with pytest.raises(DataError, match="and 11 more problems") as caught:
        read_submission(TASKS["rte"], path, 30)
    assert len(caught.value.problems) == 21


@pytest.mark.parametrize("answer", ["high", "nan", "inf", ""])
def test_numbers_must_be_finite(answer: str, tmp_path: Path) -> None:
    """A regression answer that is no finite number is refused where it stands."""
    path = _submission(tmp_path, f"0\t{answer}")
    with pytest.raises(DataError, match=f":2: the prediction is '{answer}'\n  allowed: a finite"):
        read_submission(TASKS["stsb"], path, 1)


@pytest.mark.parametrize("content", ["", "0\t1\n", "id\tlabel\n0\t1\n"])
def test_the_header_must_be_there(content: str, tmp_path: Path) -> None:
    """A file without the official header is refused, not read from its second line."""
    path = _file(tmp_path, "SST-2.tsv", content)
    with pytest.raises(DataError, match=r":1: the header is .*\n  allowed: 'index\\tprediction'"):
        read_submission(TASKS["sst2"], path, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"q1": "a",\n "q2" 3}',
            r":2: column 7: not JSON: .*\n  fix: write a JSON object of texts",
        ),
        ('["a"]', ": the file holds a list\n  allowed: an object\n  fix: write a JSON object"),
        (
            '{"q1": null, "q2": 3}',
            r": q1: the answer is None[^:]*allowed(.|\n)*q2: the answer is 3",
        ),
        ('{"q1": "a", "q1": "b"}', ": q1: this key appears twice\n  allowed: once"),
        (b'{"q1": "\xff"}', ":1: byte 0xff is not UTF-8"),
    ],
)
def test_answers_must_be_texts_by_id(content: str | bytes, message: str, tmp_path: Path) -> None:
    """A damaged SQuAD prediction file says where and what it should be."""
    with pytest.raises(DataError, match=message):
        read_answers(_file(tmp_path, "predictions.json", content))


def test_missing_files_are_named(tmp_path: Path) -> None:
    """Both the data and the predictions must be there."""
    data, absent = _file(tmp_path, "dev.tsv", RTE_DEV), tmp_path / "absent"
    with pytest.raises(
        DataError, match="absent: there is no such file\n  fix: pass the predictions file"
    ):
        score_file(TASKS["rte"], data, absent)
    with pytest.raises(DataError, match="absent: there is no such file"):
        score_file(TASKS["rte"], absent, data)


def test_problems_of_the_data_name_the_file_that_was_given(tmp_path: Path) -> None:
    """A bad label in the data is reported at the path on the command line."""
    data = _file(tmp_path, "dev.tsv", RTE_DEV.replace("not_entailment", "perhaps"))
    with pytest.raises(DataError) as caught:
        score_file(TASKS["rte"], data, data)
    assert str(caught.value).startswith(f"{data}:3")


@pytest.mark.parametrize("task", GLUE, ids=lambda task: task.name)
def test_what_is_written_is_read_back(task: Task, tmp_path: Path) -> None:
    """Every GLUE task's file has its official name and gives the same predictions again."""
    generator = np.random.default_rng(5)
    values = (
        generator.normal(size=50) if not task.labels else generator.integers(0, task.outputs, 50)
    )
    split = task.evaluation[0] if task.name == "mnli" else ""
    path = write_submission(task, tmp_path, values, split=split)
    read = read_submission(task, path, 50)
    assert read.tolist() == values.tolist()
    assert path.read_text().startswith("index\tprediction\n0\t")


@settings(deadline=None, max_examples=25)
@given(st.dictionaries(st.text(), st.text(), max_size=5))
def test_answers_that_are_written_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, answers: dict[str, str]
) -> None:
    """Any text survives the SQuAD file, whatever its characters."""
    path = write_submission(TASKS["squad-v2.0"], tmp_path_factory.mktemp("answers"), answers)
    assert path.name == "predictions.json"
    assert read_answers(path) == answers


def test_file_names_are_those_of_the_server() -> None:
    """Each task and split has the name the GLUE server asks for."""
    names = {task.name: submission_name(task) for task in GLUE if task.name != "mnli"}
    assert names == {
        "cola": "CoLA.tsv",
        "sst2": "SST-2.tsv",
        "mrpc": "MRPC.tsv",
        "stsb": "STS-B.tsv",
        "qqp": "QQP.tsv",
        "qnli": "QNLI.tsv",
        "rte": "RTE.tsv",
        "wnli": "WNLI.tsv",
    }
    splits = ("dev_matched", "test_matched", "dev_mismatched", "test_mismatched")
    mnli = [submission_name(TASKS["mnli"], split) for split in splits]
    assert mnli == ["MNLI-m.tsv", "MNLI-m.tsv", "MNLI-mm.tsv", "MNLI-mm.tsv"]
    assert submission_name(AX, "diagnostic") == "AX.tsv"
    with pytest.raises(UsageError, match="mnli: split: 'dev'\n  allowed: dev_matched, dev_mism"):
        submission_name(TASKS["mnli"], "dev")


def test_classes_are_written_as_the_server_knows_them() -> None:
    """MNLI, QNLI, RTE and AX by name, the others by number."""
    assert {name: server_labels(task) for name, task in OFFICIAL.items() if task.labels} == {
        "cola": ("0", "1"),
        "sst2": ("0", "1"),
        "mrpc": ("0", "1"),
        "qqp": ("0", "1"),
        "wnli": ("0", "1"),
        "mnli": ("entailment", "neutral", "contradiction"),
        "ax": ("entailment", "neutral", "contradiction"),
        "qnli": ("entailment", "not_entailment"),
        "rte": ("entailment", "not_entailment"),
    }


@pytest.mark.parametrize("name", [name for name in TASKS if name not in OFFICIAL])
def test_generated_tasks_have_no_official_files(name: str, tmp_path: Path) -> None:
    """The tasks of the pocket suite cannot be submitted anywhere."""
    with pytest.raises(UsageError, match=f"{name}: has no official files\n  allowed: cola, sst2"):
        score_file(TASKS[name], tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("task", "predictions", "message"),
    [
        ("rte", [0, 2], "rte: predictions: 1 of 2 values, the first is 2 at 1"),
        ("rte", {"q": "a"}, "rte: predictions as dict\n  allowed: answers by id for SQuAD"),
        ("squad-v1.1", [1], "squad-v1.1: predictions as list"),
    ],
)
def test_what_is_no_answer_is_not_written(
    task: str, predictions: list[int] | dict[str, str], message: str, tmp_path: Path
) -> None:
    """Nothing is written that the server would refuse."""
    with pytest.raises(DataError, match=message):
        write_submission(TASKS[task], tmp_path, predictions)
    assert not list(tmp_path.iterdir())


def test_every_official_task_is_scored_from_files() -> None:
    """The nine GLUE tasks and both versions of SQuAD have official files."""
    assert len(GLUE) == 9
    assert [n for n, task in OFFICIAL.items() if task.kind is TaskKind.SPAN] == [
        "squad-v1.1",
        "squad-v2.0",
    ]
