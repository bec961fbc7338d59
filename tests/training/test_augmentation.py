"""Augmented task data are made once for all that ask for the same, and reach the right phases."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedModel

from tests import tiny
from tests.made import HASH, identity
from tests.training.tables import LABELS, task_stage
from zoo.data import pocket
from zoo.data.augment import augmented
from zoo.data.batches import encode
from zoo.data.examples import Split
from zoo.data.masked_words import MaskedWords
from zoo.errors import CheckpointError, DataError
from zoo.models.anatomy import word_head
from zoo.models.checkpoint import save_checkpoint
from zoo.paths import Project
from zoo.pipeline import kinds
from zoo.pipeline.compile import compile_suite
from zoo.records.training import TrainingRecord
from zoo.resolve.entry import ResolvedSuite, read_suite
from zoo.resolve.plan import Phase
from zoo.spec.augment import Augment
from zoo.spec.jobs import TrainJob
from zoo.spec.optimise import Optimise, StageChange
from zoo.spec.task import TASKS
from zoo.training import augmentation
from zoo.training.augmentation import augmented_task, task_feed
from zoo.training.run import train_runs

CHECKOUT = Project(Path(__file__).parents[2])
ENTRY, TEACHER = "tinybert-2l", "teacher-4l"
AUGMENT = Augment(copies=2, candidates=4)


@pytest.fixture(scope="module")
def suite() -> ResolvedSuite:
    """The suite of generated data, as it is declared."""
    return read_suite(CHECKOUT, "pocket")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a pretrained teacher."""
    made = Project(tmp_path)
    pretrained(made, tiny.model())
    return made


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The teachers that were loaded."""
    folders: list[Path] = []
    load = augmentation.load_checkpoint

    def noted(folder: Path, head: Any) -> Any:
        folders.append(folder)
        return load(folder, head)

    monkeypatch.setattr(augmentation, "load_checkpoint", noted)
    return folders


def pretrained(project: Project, model: PreTrainedModel) -> None:
    made = identity(TEACHER, "pretrained", suite="pocket", seed=0)
    folder = project.entry("pocket", TEACHER).pretrained
    save_checkpoint(folder, model, tiny.tokenizer(), made)


def job_of(suite: ResolvedSuite, task: str = "sentiment", **changes: Any) -> TrainJob:
    """The training of one run; `changes` are of its augmentation or settings."""
    run = next(run for run in suite.entries[ENTRY].runs if run.task == task)
    given = {name: changes.pop(name) for name in ("max_length", "dev") if name in changes}
    augment = AUGMENT.model_copy(update=changes)
    run = run.model_copy(
        update={
            "recipe": run.recipe.model_copy(update={"augment": augment}),
            "settings": run.settings.model_copy(update={"train": 10, **given}),
        }
    )
    return TrainJob(suite="pocket", entry=ENTRY, teacher=TEACHER, runs=(run,))


def made(project: Project, job: TrainJob, examples: int = 10) -> Split:
    run = job.runs[0]
    split = pocket.split(run.task, "train", examples, 0)
    return augmented_task(project, job, run, split)


def kept(project: Project) -> list[Path]:
    return sorted((project.scratch / "augmented").glob("*"))


def test_a_teacher_without_a_word_head_makes_no_copies(
    suite: ResolvedSuite, tmp_path: Path
) -> None:
    """As one brought without it, whose head nobody has trained."""
    project, model = Project(tmp_path), tiny.model()
    brought = identity(TEACHER, "pretrained", suite="pocket", seed=0)
    folder = project.entry("pocket", TEACHER).pretrained
    save_checkpoint(folder, model, tiny.tokenizer(), brought, word_head(model))
    with pytest.raises(
        CheckpointError, match=r"these weights have no masked-language-model head: missing"
    ):
        made(project, job_of(suite))
    assert kept(project) == []


@pytest.mark.parametrize("task", ["similarity", "sentiment"])
def test_the_second_time_is_read_from_scratch(
    task: str, suite: ResolvedSuite, project: Project, loads: list[Path]
) -> None:
    """The same examples as they are made, numbers and missing texts too, and no teacher loaded."""
    job = job_of(suite, task)
    first, again = (made(project, job) for _ in range(2))
    assert loads == [project.entry("pocket", TEACHER).pretrained]
    masked = MaskedWords(tiny.model(), tiny.tokenizer(), job.runs[0].settings.max_length)
    assert first == again == augmented(pocket.split(task, "train", 10, 0), AUGMENT, masked)
    assert len(first.examples) == 30
    assert [type(e.label) for e in again.examples] == [type(e.label) for e in first.examples]
    assert [file.name.split("-")[0] for file in kept(project)] == [task]


def test_what_decides_the_copies_decides_the_file(suite: ResolvedSuite, project: Project) -> None:
    """The spec, the task's data, the length and the weights do; the dev split does not."""
    made(project, job_of(suite))
    made(project, job_of(suite, dev=7))
    assert len(kept(project)) == 1
    others: list[Callable[[], object]] = [
        lambda: made(project, job_of(suite, seed=1)),
        lambda: made(project, job_of(suite, copies=3)),
        lambda: made(project, job_of(suite, max_length=12)),
        lambda: made(project, job_of(suite), examples=9),
        lambda: made(project, job_of(suite, "similarity")),
        lambda: (pretrained(project, tiny.model(seed=1)), made(project, job_of(suite))),
    ]
    for number, other in enumerate(others, start=2):
        other()
        assert len(kept(project)) == number


def test_changed_word_vectors_are_read_anew(
    suite: ResolvedSuite, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found below $ZOO_DATA and used; another file of the same name is another source."""
    monkeypatch.setenv("ZOO_DATA", str(project.root))
    file = project.root / "vectors.txt"
    file.write_text("doctorx 1 0\nhen 1 1\n")
    job = job_of(suite, word_vectors="vectors.txt", probability=1.0)
    split = pocket.split("sentiment", "train", 1, 0)
    odd = replace(split, examples=(replace(split.examples[0], first="doctorx ."),))
    texts = [augmented_task(project, job, job.runs[0], odd).examples[1].first]
    file.write_text("doctorx 1 0\ndog 1 1\n")
    os.utime(file, (1, 1))
    texts.append(augmented_task(project, job, job.runs[0], odd).examples[1].first)
    assert texts == ["hen .", "dog ."]


def test_missing_word_vectors_are_told(
    suite: ResolvedSuite, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies without neighbours would not be what the spec says."""
    job = job_of(suite, word_vectors="glove/small.txt")
    told = (
        "\n  allowed: a text file of word vectors below $ZOO_DATA"
        "\n  fix: put the file there, or remove word_vectors: words of several tokens are then kept"
    )
    monkeypatch.delenv("ZOO_DATA", raising=False)
    with pytest.raises(DataError) as raised:
        made(project, job)
    assert str(raised.value) == f"augment.word_vectors glove/small.txt: ZOO_DATA is not set{told}"
    monkeypatch.setenv("ZOO_DATA", str(project.root))
    with pytest.raises(DataError) as raised:
        made(project, job)
    where = f"augment.word_vectors {project.root}/glove/small.txt"
    assert str(raised.value) == f"{where}: there is no such file{told}"


def test_a_missing_teacher_is_told(suite: ResolvedSuite, tmp_path: Path) -> None:
    """Nothing is kept of copies that could not be made."""
    with pytest.raises(CheckpointError, match=r"this checkpoint is missing"):
        made(Project(tmp_path), job_of(suite))
    assert kept(Project(tmp_path)) == []


def test_damaged_copies_are_told(suite: ResolvedSuite, project: Project) -> None:
    """A line that is no example, and lines that are missing."""
    job = job_of(suite)
    made(project, job)
    (file,) = kept(project)
    whole = file.read_text().splitlines(keepends=True)
    file.write_text("".join([whole[0], '{"id": "x", "first": 3}\n', *whole[2:]]))
    with pytest.raises(DataError) as raised:
        made(project, job)
    assert [problem.where for problem in raised.value.problems] == [f"{file}:2"]
    assert str(raised.value).endswith("  fix: remove this file: it will be rebuilt")
    file.write_text("".join(whole[:-1]))
    with pytest.raises(DataError) as raised:
        made(project, job)
    assert str(raised.value) == (
        f"{file}: 19 copies\n  allowed: 20\n  fix: remove this file: it will be rebuilt"
    )


def test_only_phases_that_ask_read_copies(
    suite: ResolvedSuite, project: Project, loads: list[Path]
) -> None:
    """Others read the originals, and the teacher is loaded when copies are first asked for."""
    job = job_of(suite)
    run = job.runs[0]
    split = pocket.split(run.task, "train", 10, 0)
    encoded = encode(TASKS[run.task], split, run.settings, tiny.tokenizer())
    feed = task_feed(project, job, run, encoded, tiny.tokenizer())
    optimise = Optimise(steps=1, batch_size=5, learning_rate=1e-3)
    task = Phase(task_stage(LABELS), optimise)
    more = Phase(replace(task.stage, data="augmented"), optimise)
    assert feed(task).batches_per_epoch == 2
    assert loads == []
    assert [feed(phase).batches_per_epoch for phase in (more, task, more)] == [6, 2, 6]
    assert len(loads) == 1
    rows = [row for step in range(6) for row in feed(more).batch(step).rows]
    assert sorted(rows) == list(range(30))


def test_a_training_reads_copies_and_records_how_many(
    suite: ResolvedSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's stages count their steps by what they read."""
    monkeypatch.setattr("zoo.training.run.share_threads", lambda _hidden: 1)
    project = Project(tmp_path)
    job = prepared(project, suite)
    run = job.runs[0]
    train_runs(project, job)
    written = project.entry("pocket", ENTRY).training_record(run.task, run.seed)
    record = TrainingRecord.model_validate_json(written.read_text())
    assert (record.examples, record.augmented_examples) == (10, 30)
    assert [(phase.name, phase.steps) for phase in record.phases] == [
        ("intermediate", 6),
        ("prediction", 6),
    ]


def prepared(project: Project, suite: ResolvedSuite) -> TrainJob:
    """The job of a run that reads copies, in a project that has all it needs."""
    job = tiny_job(suite)
    run = job.runs[0]
    theirs, ours = (project.entry("pocket", name) for name in (TEACHER, ENTRY))
    pretrained(project, tiny.model(tiny.TEACHER))
    theirs.gate.write_text(json.dumps({run.task: True}))
    transferred = identity(ENTRY, "transferred", suite="pocket")
    save_checkpoint(ours.transferred, tiny.model(), tiny.tokenizer(), transferred)
    trained = identity(TEACHER, "trained", suite="pocket", task=run.task, seed=run.teacher_seed)
    job = job.model_copy(update={"started": HASH, "taught": {run.task: HASH}})
    answering = tiny.model(tiny.TEACHER, run.task)
    save_checkpoint(
        theirs.checkpoint(run.task, run.teacher_seed), answering, tiny.tokenizer(), trained
    )
    return job


def tiny_job(suite: ResolvedSuite) -> TrainJob:
    """One epoch of each stage, with tiny shapes."""
    job = job_of(suite)
    run = job.runs[0]
    recipe = run.recipe
    assert recipe.student is not None
    source = recipe.teacher.source.model_copy(update={"shape": tiny.TEACHER})
    once = Optimise(epochs=1, batch_size=5, learning_rate=1e-3)
    small = recipe.model_copy(
        update={
            "teacher": recipe.teacher.model_copy(update={"source": source}),
            "student": recipe.student.model_copy(update={"shape": tiny.STUDENT}),
            "optimise": once,
            "stages": dict.fromkeys(("intermediate", "prediction"), StageChange(epochs=1)),
        }
    )
    return job.model_copy(update={"runs": (run.model_copy(update={"recipe": small}),)})


def test_training_on_copies_waits_for_the_pretrained_teacher(suite: ResolvedSuite) -> None:
    """The train stage of such an entry has the teacher's weights among its dependencies."""
    for pipeline in compile_suite(suite):
        for stage in pipeline.stages:
            if stage.kind is kinds.TRAIN and pipeline.entry == ENTRY:
                assert tuple(one.path for one in stage.dependencies[:2]) == (
                    f"build/pocket/{ENTRY}/transferred",
                    f"build/pocket/{TEACHER}/pretrained",
                )
                assert len(set(stage.dependencies)) == len(stage.dependencies)
                return
    pytest.fail("the entry has no train stage")
