"""A suite's own tasks: what is refused, and what their digests cover."""

from collections.abc import Callable

import pytest

from zoo.documents.table_of_terms import entry_text
from zoo.errors import SpecError
from zoo.evaluation.metrics import METRICS as SCORED
from zoo.methods import METHODS
from zoo.pipeline.variants import expand
from zoo.resolve.entry import resolve_suite
from zoo.spec.base import digest
from zoo.spec.json_schema import json_schemas
from zoo.spec.load import LoadedSuite
from zoo.spec.own_task import METRICS_OF_KIND
from zoo.spec.task import Reader, TaskKind

Load = Callable[[dict[str, str]], LoadedSuite]

TONE = """\
note: Whether a sentence is calm.
files: {train: mine/train.tsv, dev: mine/dev.tsv}
texts: [sentence]
label: tone
labels: [angry, calm]
metrics: [f1, accuracy]
"""


@pytest.fixture
def own(load: Load, files: dict[str, str]) -> Callable[..., LoadedSuite]:
    """Loads the good suite with a task of its own, one text of whose file is replaced."""

    def loaded(old: str = "", new: str = "", name: str = "tone", **more: str) -> LoadedSuite:
        assert old in TONE
        suite = files["suite.yaml"].replace(
            "  span:\n", f"  {name}:\n    max_length: 32\n  span:\n"
        )
        changes = {"suite.yaml": suite, f"tasks/{name}.yaml": TONE.replace(old, new)}
        return load(changes | {f"studies/{key}.yaml": text for key, text in more.items()})

    return loaded


def test_a_task_of_classes(own: Callable[..., LoadedSuite]) -> None:
    task = own().definition("tone")
    assert (task.kind, task.labels, task.outputs) == (
        TaskKind.CLASSIFICATION,
        ("angry", "calm"),
        2,
    )
    assert (task.metrics, task.primary, task.pair) == (("f1", "accuracy"), "f1", False)
    assert (task.reader, task.evaluation, task.path("dev")) == (
        Reader.TSV,
        ("dev",),
        "mine/dev.tsv",
    )
    assert (task.submission, task.hidden, task.limits) == (None, (), None)


def test_a_task_of_numbers_on_two_texts_and_two_splits(own: Callable[..., LoadedSuite]) -> None:
    changed = TONE.replace("[sentence]", "[left, right]").replace("[f1, accuracy]", "[spearman]")
    changed = changed.replace("labels: [angry, calm]", "range: [-1, 1]")
    changed = changed.replace("dev.tsv}", "dev.tsv, test: mine/test.tsv}")
    task = own(TONE, changed).definition("tone")
    assert (task.kind, task.limits, task.outputs) == (TaskKind.REGRESSION, (-1.0, 1.0), 1)
    assert (task.pair, task.evaluation) == (True, ("dev", "test"))


LABELS = "specs/small/tasks/tone.yaml:5: labels"
METRIC = "specs/small/tasks/tone.yaml:6: metrics"
SLIPS = {
    "an unknown metric": (
        "[f1, accuracy]",
        "[acuracy]",
        (
            f"{METRIC}.0: given 'acuracy'\n  allowed: accuracy, f1, matthews, pearson, spearman\n"
            "  fix: did you mean 'accuracy'?"
        ),
    ),
    "a metric of numbers": (
        "[f1, accuracy]",
        "[accuracy, pearson]",
        f"{METRIC}: pearson does not score classes\n  allowed: accuracy, f1, matthews",
    ),
    "F1 of three classes": (
        "[angry, calm]",
        "[angry, calm, glad]",
        f"{METRIC}: f1 is computed for the second of two classes\n  allowed: accuracy, matthews",
    ),
    "a metric of classes": (
        "labels: [angry, calm]\nmetrics: [f1, accuracy]",
        "range: [0, 5]\nmetrics: [f1]",
        f"{METRIC}: f1 does not score numbers\n  allowed: pearson, spearman",
    ),
    "labels and a range": (
        "labels: [angry, calm]\n",
        "labels: [angry, calm]\nrange: [0, 5]\n",
        f"{LABELS}: labels or range: both are set\n  allowed: labels of classes, or a range",
    ),
    "neither labels nor a range": (
        "labels: [angry, calm]\n",
        "",
        (
            "specs/small/tasks/tone.yaml:1: labels: labels or range: neither is set\n"
            "  allowed: labels of classes, or a range"
        ),
    ),
    "a range upside down": (
        "labels: [angry, calm]\nmetrics: [f1, accuracy]",
        "range: [5, 0]\nmetrics: [pearson]",
        (
            "specs/small/tasks/tone.yaml:5: range: given [5.0, 0.0]\n"
            "  allowed: the lower number first"
        ),
    ),
    "one class": (
        "[angry, calm]",
        "[angry]",
        (
            f'{LABELS}: given ["angry"]\n'
            "  allowed: a non-empty list, each item one line of text, without tabs or surrounding "
            "spaces, or null"
        ),
    ),
    "a label twice": (
        "[angry, calm]",
        "[calm, calm]",
        f"{LABELS}: 'calm' appears twice\n  allowed: each once",
    ),
    "a label with blanks": (
        "[angry, calm]",
        '[angry, "calm "]',
        (
            f"{LABELS}.1: given 'calm '\n"
            "  allowed: one line of text, without tabs or surrounding spaces"
        ),
    ),
    "a label among the texts": (
        "label: tone",
        "label: sentence",
        (
            "specs/small/tasks/tone.yaml:4: label: 'sentence' is a text column\n"
            "  allowed: another column"
        ),
    ),
    "a column that is none": (
        "label: tone",
        "label: tone\ncolumns: [id, sentence]",
        "specs/small/tasks/tone.yaml:4: label: there is no column 'tone'\n  allowed: id, sentence",
    ),
    "a path that leaves the data": (
        "mine/dev.tsv",
        "../dev.tsv",
        (
            "specs/small/tasks/tone.yaml:2: files.dev: given '../dev.tsv'\n"
            "  allowed: a path below $ZOO_DATA, no part of which begins with a dot"
        ),
    ),
    "an unknown key": (
        "label: tone",
        "lable: tone",
        (
            "specs/small/tasks/tone.yaml:4: lable: there is no such key\n"
            "  allowed: columns, files, label, labels, metrics, note, range, texts\n"
            "  fix: did you mean 'label'?"
        ),
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_in_a_declaration_are_told(slip: str, own: Callable[..., LoadedSuite]) -> None:
    old, new, message = SLIPS[slip]
    with pytest.raises(SpecError) as told:
        own(old, new)
    assert str(told.value) == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "sst2",
            (
                "specs/small/tasks/sst2.yaml:1: 'sst2' is already a task of the zoo\n"
                "  fix: rename this file"
            ),
        ),
        (
            "tone.2",
            (
                "specs/small/tasks/tone.2.yaml:1: 'tone.2' contains a dot\n"
                "  allowed: lower-case letters, digits and dashes\n  fix: rename it"
            ),
        ),
    ],
)
def test_names_that_cannot_be(name: str, message: str, own: Callable[..., LoadedSuite]) -> None:
    with pytest.raises(SpecError) as told:
        own(name=name)
    assert str(told.value) == message


def test_a_task_that_the_suite_does_not_name(load: Load) -> None:
    with pytest.raises(SpecError) as told:
        load({"tasks/tone.yaml": TONE})
    assert str(told.value) == (
        "specs/small/tasks/tone.yaml:1: suite.yaml does not list this task\n"
        "  allowed: sentiment, span\n"
        "  fix: add 'tone' to its `tasks`, or remove this file"
    )


def test_a_task_that_nobody_declares(load: Load, files: dict[str, str]) -> None:
    suite = files["suite.yaml"].replace("  span:\n", "  chess:\n    max_length: 32\n  span:\n")
    with pytest.raises(SpecError) as told:
        load({"suite.yaml": suite})
    assert str(told.value).startswith(
        "specs/small/suite.yaml:6: tasks.chess: there is no task 'chess'\n  allowed: acceptability,"
    )
    assert str(told.value).endswith("\n  fix: declare it in tasks/chess.yaml")


def test_a_broken_declaration_is_told_alone(own: Callable[..., LoadedSuite]) -> None:
    """The suite's line, which names it, is right."""
    with pytest.raises(SpecError, match=r"^specs/small/tasks/tone\.yaml:3: [^\n]*(\n  [^\n]*)*$"):
        own("texts: [sentence]", "texts: [sentence")


def test_settings_of_spans_decide_nothing_there(load: Load, files: dict[str, str]) -> None:
    suite = files["suite.yaml"].replace("  span:\n", "  tone:\n    stride: 8\n  span:\n")
    with pytest.raises(SpecError, match=r"tasks\.tone\.stride: only span tasks are split"):
        load({"suite.yaml": suite, "tasks/tone.yaml": TONE})


@pytest.mark.parametrize("folder", ["tone", "sentiment"])
def test_only_published_tasks_have_folders(folder: str, load: Load, files: dict[str, str]) -> None:
    suite = f"{files['suite.yaml']}data: {{folders: {{{folder}: mine/it}}}}\n"
    with pytest.raises(SpecError, match=f"folders: '{folder}' is not a task published as"):
        load({"suite.yaml": suite})


def test_a_commit_of_a_data_set_that_no_task_lies_in(load: Load, files: dict[str, str]) -> None:
    suite = f"{files['suite.yaml']}data: {{revisions: {{a/b: {'a' * 40}}}}}\n"
    message = "data.revisions: no task uses 'a/b'\n  allowed: aps/super_glue"
    with pytest.raises(SpecError, match=message):
        load({"suite.yaml": suite})


@pytest.mark.parametrize(
    ("old", "new", "declared", "decides"),
    [
        ("calm.", "calm or not.", False, False),
        ("mine/train.tsv", "ours/train.tsv", True, False),
        ("label: tone", "label: mood", True, False),
        ("[angry, calm]", "[calm, angry]", True, True),
        ("[f1, accuracy]", "[accuracy]", True, True),
    ],
)
def test_what_its_digest_covers(
    old: str, new: str, declared: bool, decides: bool, own: Callable[..., LoadedSuite]
) -> None:
    """Files and columns are where bytes are found, whose content is among the inputs."""
    before, after = (resolve_suite(own(*change)).entries["kd"].runs for change in ((), (old, new)))
    for one, other in zip(before, after, strict=True):
        mine = one.task == "tone"
        assert (one.declared != other.declared) == (mine and declared)
        assert (one.digest({}) != other.digest({})) == (mine and decides)


def test_its_recipe_is_read_back(own: Callable[..., LoadedSuite]) -> None:
    """A stage has the task from its job alone."""
    run = next(run for run in resolve_suite(own()).entries["kd"].runs if run.task == "tone")
    again = type(run).model_validate_json(
        run.model_dump_json(), context={"methods": METHODS.classes}
    )
    assert (again.definition, digest(again)) == (run.definition, run.declared)


def test_plans_and_studies_follow(own: Callable[..., LoadedSuite]) -> None:
    study = "entry: kd\ntasks: [tone]\naxes: {tasks.tone.learning_rate: [1.0e-4, 2.0e-4]}\n"
    suite = resolve_suite(own(rates=study))
    assert "sentiment, tone" in entry_text(suite.entries["kd"])
    variants = expand(suite, "rates")
    assert len(variants) == 3
    assert {run.definition.labels for variant in variants for run in variant.entry.runs} == {
        ("angry", "calm")
    }


def test_every_metric_can_be_named() -> None:
    """Those of classes and of numbers are all that score labels."""
    assert {name for names in METRICS_OF_KIND.values() for name in names} == set(SCORED)


def test_editors_know_the_file() -> None:
    schema = json_schemas(METHODS.classes)["task"]
    assert set(schema["properties"]["metrics"]["items"]["enum"]) == set(SCORED)
