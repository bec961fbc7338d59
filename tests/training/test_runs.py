"""What a run is made of: the gate's teacher, its own seed, and the budget of its task."""

import shutil
from pathlib import Path

import pytest
import torch

from tests import tiny
from tests.training.stages import TEACHER, declared, stage, write
from zoo.errors import CheckpointError, TrainingError
from zoo.models.build import Head, load_weights
from zoo.paths import Project
from zoo.records.gate_file import write_gate
from zoo.records.store import read_records
from zoo.records.training import TrainingRecord
from zoo.spec.jobs import TrainJob
from zoo.spec.task import TASKS
from zoo.training import run
from zoo.training.loop import Outcome, Work

SUITE = """\
seeds: [1, 2]
tasks:
  sentiment: {train: 24, dev: 8, max_length: 16}
  span: {train: 24, dev: 8, max_length: 16, stride: 4, max_query: 8}
corpus: {kind: pocket, documents: 40}
optimise: {epochs: 1, batch_size: 8, learning_rate: 1.0e-3, dropout: 0.0}
corpus_optimise: {steps: 2, batch_size: 4, learning_rate: 1.0e-3, max_length: 16, dropout: 0.0}
bench: {shapes: [1x8]}
"""
KD = "teacher: big\nstudent: {layers: 1}\nmethod: {name: kd}\n"
FILES = {"suite.yaml": SUITE, "teachers/big.yaml": TEACHER, "kd.yaml": KD}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose teacher is trained on sentiment with both seeds."""
    project = Project(tmp_path_factory.mktemp("zoo"))
    write(project, FILES)
    for name in ("pretrain", "train-sentiment-1", "train-sentiment-2"):
        stage(project, f"big/{name}")
    write_gate(project.entry("small", "big").gate, {"sentiment": True, "span": True})
    return project


@pytest.fixture
def project(built: Project, tmp_path: Path) -> Project:
    """A copy of it that a test may change."""
    shutil.copytree(built.root, tmp_path / "copy")
    return Project(tmp_path / "copy")


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """Every training that is begun."""
    found: list[Work] = []
    train = run.train_to_end

    def noted(work: Work) -> Outcome:
        found.append(work)
        return train(work)

    monkeypatch.setattr(run, "train_to_end", noted)
    return found


def test_every_seed_is_distilled_from_the_teacher_of_the_gate(project: Project) -> None:
    """The suite's first seed, whose scores the gate looked at; no other teacher is read."""
    big, kd = project.entry("small", "big"), project.entry("small", "kd")

    def student() -> torch.nn.Module:
        stage(project, "kd/train-sentiment-2")
        return load_weights(kd.checkpoint("sentiment", 2), Head(TASKS["sentiment"]), seed=0)

    before = student()
    shutil.rmtree(big.checkpoint("sentiment", 2))
    assert tiny.same_weights(before, student())
    shutil.rmtree(big.checkpoint("sentiment", 1))
    with pytest.raises(CheckpointError):
        student()


def test_a_closed_gate_stops_before_anything_is_left(project: Project) -> None:
    """Only what would be distilled: who trains on labels alone asks nobody."""
    big, kd = project.entry("small", "big"), project.entry("small", "kd")
    write_gate(big.gate, {"sentiment": False, "span": True})
    with pytest.raises(TrainingError, match=r"^teacher big on sentiment: its score is below"):
        stage(project, "kd/train-sentiment-1")
    assert not kd.checkpoint("sentiment", 1).exists()
    write(project, {"plain.yaml": KD.replace("kd", "finetune")})
    stage(project, "plain/train-sentiment-1")


def test_a_seed_decides_all_that_is_drawn(project: Project, works: list[Work]) -> None:
    """The fresh head, the order of the batches and what training draws; the rest is copied."""
    starts = []
    for seed in (1, 2, 1):
        stage(project, f"kd/train-sentiment-{seed}")
        stage_of = works[-1].phases[0]
        torch.manual_seed(0)
        starts.append((works[-1].seed, works[-1].feed(stage_of).batch(0).rows))
    assert starts[0] == starts[2]
    assert [seed for seed, _ in starts[:2]] == [1, 2]
    assert starts[0][1] != starts[1][1]


@pytest.mark.parametrize("entry", ["kd", "big"])
def test_fresh_heads_are_the_seeds(
    project: Project, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    """Whether the encoder is copied from the teacher or is the teacher's own."""
    heads: dict[int, torch.Tensor] = {}
    layers: dict[int, torch.Tensor] = {}

    def look(work: Work) -> Outcome:
        weights = work.student.state_dict()
        heads[work.seed] = weights["classifier.weight"].clone()
        layers[work.seed] = weights["bert.encoder.layer.0.output.dense.weight"].clone()
        return Outcome(work.student, (), 0.0)

    monkeypatch.setattr(run, "train_to_end", look)
    for seed in (1, 2):
        stage(project, f"{entry}/train-sentiment-{seed}")
    assert not torch.equal(heads[1], heads[2])
    assert torch.equal(layers[1], layers[2])


def test_the_corpus_is_read_with_the_suites_first_seed(project: Project, works: list[Work]) -> None:
    """Fresh weights, the order of the blocks and what training draws."""
    minilm = "teacher: big\nstudent: {layers: 1, start: fresh}\nmethod: {name: minilm}\n"
    found = []
    for seed in (7, 8, 7):
        write(project, {"minilm.yaml": minilm, "suite.yaml": SUITE.replace("[1, 2]", f"[{seed}]")})
        first: list[torch.Tensor] = []

        def look(work: Work, first: list[torch.Tensor] = first) -> Outcome:
            first.append(work.student.state_dict()["bert.embeddings.word_embeddings.weight"].sum())
            works.append(work)
            return Outcome(work.student, (), 0.0)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(run, "train_to_end", look)
            stage(project, "minilm/transfer")
        work = works[-1]
        rows = [work.feed(work.phases[0]).batch(step).rows for step in range(4)]
        found.append((work.seed, float(first[0]), rows))
    assert found[0] == found[2]
    assert all(one != other for one, other in zip(found[0], found[1], strict=True))


def test_a_variant_starts_where_its_job_says(project: Project) -> None:
    """From weights that another entry made once for several; what it leaves is its own."""
    minilm = "teacher: big\nstudent: {layers: 1, start: fresh}\nmethod: {name: minilm}\n"
    write(project, {"minilm.yaml": minilm})
    stage(project, "minilm/transfer")
    job = declared(project)["minilm/train-sentiment-1"].job
    assert isinstance(job, TrainJob)
    run.train_runs(project, job.model_copy(update={"entry": "s.variant", "start": "minilm"}))
    made = project.entry("small", "s.variant")
    assert made.checkpoint("sentiment", 1).is_dir()
    assert not made.transferred.exists()
    assert not project.entry("small", "minilm").checkpoint("sentiment", 1).exists()


@pytest.mark.parametrize("whose", ["kd", "big"])
def test_a_tasks_own_budget_is_what_is_trained(
    project: Project, works: list[Work], whose: str
) -> None:
    """Epochs, rate and size of the batches; another task keeps the entry's."""
    own = "tasks: {sentiment: {epochs: 2, learning_rate: 5.0e-4, batch_size: 4}}\n"
    teacher = TEACHER.replace("{steps: 1, batch_size: 4}", "{epochs: 1, batch_size: 8}")
    changed = {
        "kd": {"kd.yaml": KD.replace("kd", "finetune") + own},
        "big": {"teachers/big.yaml": teacher + own},
    }
    write(project, changed[whose])
    stage(project, f"{whose}/train-sentiment-1")
    stage(project, f"{whose}/train-span-1")
    sentiment, span = (work.phases[0].optimise for work in works)
    assert (sentiment.epochs, sentiment.learning_rate, sentiment.batch_size) == (2, 5e-4, 4)
    assert (span.epochs, span.learning_rate, span.batch_size) == (
        1,
        1e-3 if whose == "kd" else 5e-5,
        8,
    )
    folder = project.entry("small", whose)
    done = [record for record in read_records(folder.root) if isinstance(record, TrainingRecord)]
    steps = {record.task: record.phases[0].steps for record in done if record.seed == 1}
    assert steps["sentiment"] == 12
    batches = {work.feed(work.phases[0]).batches_per_epoch for work in works[1:]}
    assert {steps["span"]} == batches
    assert len(works[0].feed(works[0].phases[0]).batch(0).rows) == 4


def test_a_task_changes_a_stage_of_its_own(project: Project, works: list[Work]) -> None:
    """One stage of one task; the other stage, and the other task, keep what the entry says."""
    own = "tasks: {sentiment: {stages: {labels: {steps: 3, learning_rate: 2.0e-4}}}}\n"
    entry = "teacher: big\nstudent: {layers: 1}\nmethod: {name: finetune}\n"
    write(project, {"kd.yaml": entry + own})
    for task in ("sentiment", "span"):
        stage(project, f"kd/train-{task}-1")
    changed, kept = (work.phases[0].optimise for work in works)
    assert (changed.steps, changed.epochs, changed.learning_rate) == (3, None, 2e-4)
    assert (kept.steps, kept.epochs, kept.learning_rate) == (None, 1, 1e-3)


def test_the_wider_of_student_and_teacher_decides_about_threads(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A narrow student waits for its wide teacher at every step."""
    asked: list[int] = []
    monkeypatch.setattr(run, "share_threads", lambda hidden: asked.append(hidden) or 1)
    write(project, {"kd.yaml": KD.replace("layers: 1", "layers: 1, hidden: 16, start: fresh")})
    stage(project, "kd/train-sentiment-1")
    assert asked == [32]


def test_a_record_tells_what_was_trained(project: Project) -> None:
    """Examples, not the windows that they are cut into; all phases; what the process held."""
    write(project, {"kd.yaml": KD.replace("kd", "finetune")})
    stage(project, "kd/train-span-1")
    (record,) = read_records(project.entry("small", "kd").root)
    assert isinstance(record, TrainingRecord)
    assert (record.entry, record.task, record.seed, record.examples) == ("kd", "span", 1, 24)
    assert [phase.left for phase in record.phases] == ["step budget exhausted"]
    assert record.peak_memory_bytes is not None
    assert record.peak_memory_bytes > 50_000_000
