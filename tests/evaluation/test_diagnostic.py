"""AX: the diagnostic set of GLUE is scored from its labels wherever they are published."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from zoo.cli.score import score as score_command
from zoo.errors import DataError
from zoo.evaluation.diagnostic import read_diagnostic_labels
from zoo.evaluation.submissions import score_file, write_submission
from zoo.spec.task import AX, TASKS

AUTHORS = ("Logic", "Domain", "Premise", "Hypothesis", "Label")
RELEASE = ("index", "sentence1", "sentence2")


def table(path: Path, columns: tuple[str, ...], labels: list[str]) -> Path:
    """A TSV file whose last column is that of the labels, if it has one."""
    rows = [[*(["x"] * (len(columns) - 1)), label] for label in labels]
    path.write_text("\n".join("\t".join(row) for row in [columns, *rows]) + "\n")
    return path


@pytest.mark.parametrize("columns", [AUTHORS, (*RELEASE, "label")])
def test_both_layouts_give_the_same_official_score(
    tmp_path: Path, columns: tuple[str, ...]
) -> None:
    """R3 of three classes, as scikit-learn and the server compute it."""
    gold, answers = np.random.default_rng(0).integers(0, 3, (2, 60))
    data = table(tmp_path / "full.tsv", columns, [AX.labels[label] for label in gold])
    path = write_submission(AX, tmp_path, answers)
    result = score_file(AX, data, path)
    assert (result.task, result.examples) == ("ax", 60)
    assert result.metrics == {"matthews": pytest.approx(matthews_corrcoef(gold, answers))}
    text = score_command("ax", data, path, as_json=False)
    assert text.splitlines()[0] == "ax: 60 examples, 0 missing, 0 extra"


def test_blanks_and_the_ends_of_lines_of_windows_change_no_label(tmp_path: Path) -> None:
    data = tmp_path / "full.tsv"
    data.write_bytes(b"\xef\xbb\xbfPremise\tLabel \r\na\t neutral\r\nb\tentailment \r\n")
    assert read_diagnostic_labels(data) == [1, 0]


def test_the_file_of_the_release_says_where_the_labels_are(tmp_path: Path) -> None:
    """The release's own diagnostic.tsv cannot be scored; fetching it again would not help."""
    data = table(tmp_path / "diagnostic.tsv", RELEASE, ["x"])
    with pytest.raises(DataError) as told:
        score_file(AX, data, write_submission(AX, tmp_path, np.array([0])))
    assert str(told.value) == (
        f"{data}:1: no labels: the columns are index, sentence1, sentence2\n"
        "  allowed: a table with a column Label or label\n"
        "  fix: use the authors' diagnostic-full.tsv: diagnostic.tsv of the GLUE release has no"
        " labels"
    )


def test_all_problems_of_the_labels_come_at_once(tmp_path: Path) -> None:
    data = tmp_path / "full.tsv"
    data.write_text("Premise\tHypothesis\tLabel\na\tb\tmaybe\n\na\tb\na\tb\tneutral\n")
    with pytest.raises(DataError) as told:
        read_diagnostic_labels(data)
    assert str(told.value) == (
        f"{data}:2: Label: the label 'maybe'\n"
        "  allowed: entailment, neutral, contradiction\n"
        f"{data}:4: a row with 2 columns\n"
        "  allowed: 3 columns: Premise, Hypothesis, Label\n"
        "  fix: download glue/diagnostic of the official release again"
    )


def test_a_table_without_rows_and_no_table_are_refused(tmp_path: Path) -> None:
    empty = table(tmp_path / "full.tsv", AUTHORS, [])
    with pytest.raises(DataError) as told:
        read_diagnostic_labels(empty)
    assert str(told.value) == f"{empty}: no examples\n  allowed: at least one row"
    absent = tmp_path / "absent.tsv"
    with pytest.raises(DataError) as told:
        score_file(AX, absent, empty)
    assert str(told.value) == f"{absent}: there is no such file\n  fix: pass the labelled split"


def test_nothing_is_trained_on_the_diagnostic_set() -> None:
    """Suites choose their tasks from TASKS; a model of MNLI answers AX as it is."""
    assert AX.name not in TASKS
    assert AX.labels == TASKS["mnli"].labels
    assert AX.outputs == TASKS["mnli"].outputs
