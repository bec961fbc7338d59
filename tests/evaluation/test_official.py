"""`zoo submit` writes what `zoo score` reads back: every official task, on made data."""

import json
from pathlib import Path
from random import Random

import pytest

from tests import tiny
from tests.made import identity, keep_job
from zoo.cli.submit import submit
from zoo.data.batches import encode
from zoo.data.hidden import read_test_split
from zoo.data.sources import load_evaluation, load_test
from zoo.errors import DataError, UsageError
from zoo.evaluation.official import write_files
from zoo.evaluation.predict import forward_of, predict
from zoo.evaluation.scoring import score_predictions
from zoo.evaluation.submissions import score_file
from zoo.models.build import Head
from zoo.models.checkpoint import load_checkpoint, save_checkpoint
from zoo.paths import Project
from zoo.spec.data import SuiteData
from zoo.spec.measuring import ScoreJob
from zoo.spec.task import AX, TASKS, Task, TaskKind

GLUE = [task for task in TASKS.values() if task.hidden]
OFFICIAL = [task for task in TASKS.values() if task.submission]
WORDS = [word for word in tiny.tokenizer().get_vocab() if word.isalpha()]


def sentence(random: Random) -> str:
    return " ".join(random.choices(WORDS, k=random.randint(2, 9)))


def label(task: Task, random: Random) -> str:
    if task.kind is TaskKind.REGRESSION:
        return f"{random.uniform(0, 5):.3f}"
    number = random.randrange(len(task.labels))
    return str(number) if task.columns.written else task.labels[number]


def write_table(path: Path, task: Task, random: Random, *, hidden: bool) -> None:
    """A file as the release has it: labelled, or with an index and without labels."""
    layout = task.columns
    texts = layout.in_test_set if hidden else layout.texts
    columns = ("index", *texts) if hidden else layout.named or (*texts, layout.label)
    lines = [] if layout.named and not hidden else ["\t".join(columns)]
    for number in range(24):
        cells = {column: sentence(random) for column in columns}
        cells["index"] = str(number)
        if not hidden:
            cells[layout.label] = label(task, random)
        lines.append("\t".join(cells[column] for column in columns))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def write_squad(path: Path, task: Task, random: Random) -> None:
    paragraphs = []
    for number in range(4):
        context = " ".join(sentence(random) for _ in range(3))
        questions = []
        for place in range(4):
            answer = random.choice(context.split())
            answers = [{"text": answer, "answer_start": context.index(answer)}]
            open_ = task.unanswerable and place % 2 == 1
            questions.append(
                {
                    "id": f"{number}-{place}",
                    "question": sentence(random),
                    "answers": [] if open_ else answers,
                    "is_impossible": open_,
                }
            )
        paragraphs.append({"context": context, "qas": questions})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": "v", "data": [{"paragraphs": paragraphs}]}))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`$ZOO_DATA` with a dev and a test split of every official task."""
    folder, random = tmp_path / "data", Random(5)
    for task in GLUE:
        home = folder / task.home
        for split in task.evaluation:
            write_table(home / f"{split}.tsv", task, random, hidden=False)
        for split in task.hidden:
            write_table(home / f"{split}.tsv", task, random, hidden=True)
    write_table(folder / "glue/diagnostic/diagnostic.tsv", AX, random, hidden=True)
    write_table(folder / "glue/diagnostic/diagnostic-full.tsv", AX, random, hidden=False)
    for version in ("1.1", "2.0"):
        task = TASKS[f"squad-v{version}"]
        write_squad(folder / f"squad/dev-v{version}.json", task, random)
    monkeypatch.setenv("ZOO_DATA", str(folder))
    return folder


def built(tmp_path: Path, tasks: list[Task]) -> tuple[Project, ScoreJob]:
    """A project with one untrained run of each task."""
    project, runs = Project(tmp_path), []
    for task in tasks:
        run = tiny.run(task.name, data=SuiteData().of(task))
        made = identity("e", "trained", task=task.name, declared=run.declared)
        folder = project.entry("s", "e").checkpoint(run.task, run.seed)
        save_checkpoint(folder, tiny.model(task=task.name), tiny.tokenizer(), made)
        runs.append(run)
    job = ScoreJob(suite="s", entry="e", method="kd", teacher="t", twin=None, runs=tuple(runs))
    return project, job


def dev_file(folder: Path, task: Task, split: str) -> Path:
    if task.kind is TaskKind.SPAN:
        return folder / f"squad/dev-{task.name.removeprefix('squad-')}.json"
    return folder / task.home / f"{split}.tsv"


@pytest.mark.parametrize("task", OFFICIAL, ids=lambda task: task.name)
def test_dev_submissions_score_as_the_record_does(data: Path, tmp_path: Path, task: Task) -> None:
    """Each file, read back by the official reader, gives every metric of the score record."""
    project, job = built(tmp_path, [task])
    run, out = job.runs[0], tmp_path / "out"
    files = write_files(project, job, job.runs, "dev", out)
    model, tokenizer = load_checkpoint(
        project.entry("s", "e").checkpoint(run.task, run.seed), Head(task)
    )
    splits = load_evaluation(task, run.settings, run.data)
    submitted = [path for path in files if path.name != "null_odds.json"]
    assert len(submitted) == len(splits)
    for path, (name, split) in zip(submitted, splits.items(), strict=True):
        encoded = encode(task, split, run.settings, tokenizer)
        record = score_predictions(task, split, predict(forward_of(model), encoded, run.settings))
        read = score_file(task, dev_file(data, task, name), path)
        assert read.examples == len(split.examples)
        assert read.missing == read.extra == 0
        assert read.metrics == {
            metric: pytest.approx(value)
            for metric, value in record.metrics.items()
            if not metric.startswith(("best_", "cross_fitted_"))
        }


def test_test_submissions_are_all_that_the_server_asks_for(data: Path, tmp_path: Path) -> None:
    """Eleven tables, each with its header and a row for every example."""
    project, job = built(tmp_path, GLUE)
    files = write_files(project, job, job.runs, "test", tmp_path / "out")
    asked = "AX CoLA MNLI-m MNLI-mm MRPC QNLI QQP RTE SST-2 STS-B WNLI"
    assert {path.stem for path in files} == set(asked.split())
    for path in files:
        header, *rows = path.read_text().splitlines()
        assert header == "index\tprediction"
        assert [row.split("\t")[0] for row in rows] == [str(number) for number in range(24)]
    full = data / "glue/diagnostic/diagnostic-full.tsv"
    assert score_file(AX, full, tmp_path / "out/AX.tsv").examples == 24


def test_null_odds_stand_beside_the_answers_of_squad(data: Path, tmp_path: Path) -> None:
    """And the answers are withheld where the odds are above 0."""
    assert data.is_dir()
    project, job = built(tmp_path, [TASKS["squad-v2.0"]])
    answers, odds = write_files(project, job, job.runs, "dev", tmp_path / "out")
    given, known = json.loads(answers.read_text()), json.loads(odds.read_text())
    assert given.keys() == known.keys()
    assert all(text == "" for name, text in given.items() if known[name] > 0)
    assert all(text for name, text in given.items() if known[name] <= 0)


def test_a_missing_test_set_leaves_no_folder(data: Path, tmp_path: Path) -> None:
    """The error names the file; what was written for other tasks goes too."""
    (data / "glue/RTE/test.tsv").unlink()
    project, job = built(tmp_path, [TASKS["sst2"], TASKS["rte"]])
    with pytest.raises(DataError) as told:
        write_files(project, job, job.runs, "test", tmp_path / "out")
    assert str(told.value).startswith(f"{data}/glue/RTE/test.tsv: there is no such file\n")
    assert not (tmp_path / "out").exists()


def test_squad_has_no_public_test_set(data: Path) -> None:
    assert data.is_dir()
    with pytest.raises(DataError) as told:
        load_test(TASKS["squad-v1.1"], SuiteData().of(TASKS["squad-v1.1"]))
    assert str(told.value) == (
        "squad-v1.1: there is no public test set\n  fix: use the dev split: --split dev"
    )


def test_rows_of_a_test_set_that_are_cut_short_are_named(data: Path) -> None:
    path = data / "glue/SST-2/test.tsv"
    path.write_text("index\tsentence\n0\tgood\n1\n")
    with pytest.raises(DataError) as told:
        read_test_split(TASKS["sst2"], "test", data)
    assert str(told.value) == (
        f"{path}:3: a row with 1 columns\n"
        "  allowed: 2 columns: index, sentence\n"
        "  fix: download glue/SST-2 of the official release again"
    )


def test_the_original_test_set_of_mrpc_serves(data: Path) -> None:
    """Its authors publish it under another name, with labels, which stay unread."""
    (data / "glue/MRPC/test.tsv").unlink()
    text = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t2\t3\tA b.\tC d.\n"
    (data / "glue/MRPC/msr_paraphrase_test.txt").write_text(text)
    (example,) = read_test_split(TASKS["mrpc"], "test", data).examples
    assert (example.first, example.second, example.label) == ("A b.", "C d.", None)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"split": "train"}, "--split train: there is no such split\n  allowed: test, dev"),
        ({"task": "mnli"}, "small/e: --task mnli: not one of its official tasks"),
        ({"out": Path("/")}, "--out /: already exists\n  allowed: a new folder"),
        (
            {"seed": 7},
            "small/e: --seed 7: no run with this seed on sst2\n  allowed: 1\n  fix: name a task",
        ),
    ],
)
def test_what_cannot_be_submitted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict, told: str
) -> None:
    _, job = built(tmp_path, [TASKS["sst2"]])
    job = job.model_copy(update={"suite": "small"})
    keep_job(Project(tmp_path), "score", job)
    (tmp_path / "specs").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path)
    given = {"split": "dev", "task": None, "seed": None, "out": None} | asked
    with pytest.raises(UsageError) as error:
        submit("small/e", **given)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize("split", ["test", "dev"])
def test_a_submission_has_the_index_of_its_data(data: Path, tmp_path: Path, split: str) -> None:
    """Answers stay with their examples where the file counts otherwise, or is a part."""
    task = TASKS["rte"]
    project, job = built(tmp_path, [task])
    file = data / f"glue/RTE/{split}.tsv"
    texts = [(sentence(Random(n)), sentence(Random(n + 50))) for n in range(6)]
    last = "" if split == "test" else "\tentailment"
    rows = [f"{number}\t{a}\t{b}{last}" for number, (a, b) in enumerate(texts)]
    head = "index\tsentence1\tsentence2" + ("" if split == "test" else "\tlabel")

    def answered(name: str, numbers: list[int]) -> dict[str, str]:
        file.write_text("\n".join([head, *(rows[number] for number in numbers)]) + "\n")
        (path,) = write_files(project, job, job.runs, split, tmp_path / name)
        lines = path.read_text().splitlines()[1:]
        assert [line.split("\t")[0] for line in lines] == [str(number) for number in numbers]
        return dict(line.split("\t") for line in lines)

    whole = answered("whole", [0, 1, 2, 3, 4, 5])
    assert answered("turned", [5, 3, 0, 1, 4, 2]) == whole
    assert answered("part", [4, 2]) == {number: whole[number] for number in ("4", "2")}
    file.write_text("\n".join([head, rows[1], rows[1]]) + "\n")
    with pytest.raises(DataError, match=f"{split}.tsv:3: index: the index 1 appears in line 2 too"):
        write_files(project, job, job.runs, split, tmp_path / "twice")
    assert not (tmp_path / "twice").exists()
