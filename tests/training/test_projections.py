"""Projections learnt on the corpus go on being learnt on a task, and never enter the student."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from tests import tiny
from tests.pipeline.test_compile import leaves, needs
from tests.training.stages import declared, stage
from zoo.distil.method import Setting
from zoo.errors import CheckpointError
from zoo.methods import stages_of
from zoo.methods.tinybert import TinyBert
from zoo.models.identity import read_identity
from zoo.paths import Project
from zoo.training import run
from zoo.training.loop import Outcome, Work, train
from zoo.training.projections import load_projections, save_projections, take_up
from zoo.training.resume import Scratch

SUITE = """\
seeds: [1]
tasks:
  sentiment: {train: 16, dev: 8, max_length: 16}
corpus: {kind: pocket, documents: 40}
optimise: {epochs: 2, batch_size: 8, learning_rate: 1.0e-3, dropout: 0.0}
corpus_optimise: {steps: 2, batch_size: 4, learning_rate: 1.0e-2, max_length: 16, dropout: 0.0}
augment: {copies: 1}
bench: {shapes: [1x8]}
"""
TEACHER = """\
source:
  kind: pretrained
  shape: {layers: 2, hidden: 32, heads: 4, intermediate: 64, vocabulary: 352, positions: 16}
  vocabulary: {kind: words}
  corpus: {kind: pocket, documents: 300}
  optimise: {steps: 2, batch_size: 4, max_length: 16}
  seed: SEED
optimise: {epochs: 1, batch_size: 8}
"""
NARROW = "{layers: 1, hidden: 16, intermediate: 48, start: START}"
GENERAL = f"teacher: big\nstudent: {NARROW}\nmethod: {{name: tinybert, augment: false}}\n"
STARTED = "{kind: distilled, entry: general}"
FILES = {
    "suite.yaml": SUITE,
    "teachers/big.yaml": TEACHER.replace("SEED", "0"),
    "teachers/other.yaml": TEACHER.replace("SEED", "1"),
    "general.yaml": GENERAL.replace("START", "fresh"),
    "again.yaml": GENERAL.replace("START", STARTED),
    "levels.yaml": f"teacher: big\nstudent: {NARROW}\nmethod: {{name: mlkd}}\n".replace(
        "START", STARTED
    ),
    "elsewhere.yaml": f"teacher: other\nstudent: {NARROW}\nmethod: {{name: mlkd}}\n".replace(
        "START", STARTED
    ),
    "labels.yaml": f"teacher: big\nstudent: {NARROW}\nmethod: {{name: finetune}}\n".replace(
        "START", STARTED
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which one entry is transferred, and its teacher fine-tuned."""
    project = Project(tmp_path_factory.mktemp("zoo"))
    for file, content in FILES.items():
        path = project.specs / "small" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    for name in ("big/pretrain", "big/train-sentiment-1", "general/transfer"):
        stage(project, name)
    project.entry("small", "big").gate.write_text('{"sentiment": true}')
    return project


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Work, Outcome]]:
    """What the stages trained, and what came of it."""
    seen: list[tuple[Work, Outcome]] = []

    def watched(work: Work) -> Outcome:
        seen.append((work, train(work)))
        return seen[-1][1]

    monkeypatch.setattr(run, "train_to_end", watched)
    return seen


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(
        torch.equal(tensor, theirs[key]) for key, tensor in ours.items()
    )


def test_they_lie_beside_the_student_not_inside(project: Project) -> None:
    """Both maps of TinyBERT, from 16 to 32; the student's own file knows nothing of them."""
    folder = project.entry("small", "general")
    learnt = load_projections(folder.transferred)
    assert {key: tuple(tensor.shape) for key, tensor in learnt.items()} == {
        "embeddings.bias": (32,),
        "embeddings.weight": (32, 16),
        "states.bias": (32,),
        "states.weight": (32, 16),
    }
    assert folder.transferred_projections.parent == folder.transferred.parent
    with safe_open(folder.transferred / "model.safetensors", framework="pt") as file:
        shapes = {key: file.get_tensor(key).shape for key in file.keys()}  # noqa: SIM118
    assert not [key for key, shape in shapes.items() if "states" in key or 32 in shape]
    assert not list(folder.transferred.glob("*projections*"))


def test_an_entrys_task_stages_take_them_up(
    project: Project, works: list[tuple[Work, Outcome]]
) -> None:
    """TinyBERT's steps on a task begin with W_e and W_h as the corpus left them, and train on."""
    stage(project, "general/train-sentiment-1")
    learnt = load_projections(project.entry("small", "general").transferred)
    ((work, outcome),) = works
    assert same(dict(work.projections), learnt)
    assert not same(dict(outcome.projections), learnt)
    distance = (outcome.projections["states.weight"] - learnt["states.weight"]).abs().max()
    assert float(distance) < 0.02  # a few steps away; a fresh map would be 0.2 away


@pytest.mark.parametrize("entry", ["levels", "again"])
def test_an_entry_that_starts_there_takes_them_up(
    project: Project, works: list[tuple[Work, Outcome]], entry: str
) -> None:
    """MLKD after the general TinyBERT, on the task; TinyBERT after itself, on the corpus."""
    learnt = load_projections(project.entry("small", "general").transferred)
    stage(project, f"{entry}/pretrain")
    assert same(load_projections(project.entry("small", entry).pretrained), learnt)
    stage(project, f"{entry}/{'transfer' if entry == 'again' else 'train-sentiment-1'}")
    ((work, outcome),) = works
    assert same(dict(work.projections), learnt)
    names = {key.partition(".")[0] for key in outcome.projections}
    assert names == ({"embeddings", "states"} if entry == "again" else {"states"})


def test_what_brings_and_takes_them_is_an_output_and_a_dependency(project: Project) -> None:
    """DVC orders it; another teacher's width is another room, and labels need no map."""
    found, ours = declared(project), "build/small"
    file = "transferred.projections.safetensors"
    came = "pretrained.projections.safetensors"
    assert f"{ours}/general/{file}" in leaves(found["general/transfer"])
    assert f"{ours}/general/{file}" in needs(found["general/train-sentiment-1"])
    for entry in ("again", "levels", "elsewhere", "labels"):
        assert f"{ours}/general/{file}" in needs(found[f"{entry}/pretrain"])
        assert f"{ours}/{entry}/{came}" in leaves(found[f"{entry}/pretrain"])
    assert f"{ours}/levels/{came}" in needs(found["levels/train-sentiment-1"])
    assert f"{ours}/again/{came}" in needs(found["again/transfer"])
    for entry in ("elsewhere", "labels"):
        train = found[f"{entry}/train-sentiment-1"]
        assert train.job.projections is False  # type: ignore[attr-defined]
        assert not [path for path in needs(train) if path.endswith(".safetensors")]
    board = needs(found["board/board"])
    assert not [path for path in board if path.endswith(".safetensors")]


def test_those_of_other_weights_are_refused(project: Project, tmp_path: Path) -> None:
    """Weights that were built again without what was learnt with them; and missing ones."""
    folder = project.entry("small", "general").transferred
    digest = read_identity(folder).digest
    learnt, path = load_projections(folder), f"{folder}.projections.safetensors"
    save_projections(folder, learnt, "0" * 64)
    with pytest.raises(CheckpointError) as raised:
        load_projections(folder)
    save_projections(folder, learnt, digest)
    assert str(raised.value) == (
        f"{path}: these projections were learnt with {'0' * 64}\n"
        f"  allowed: those of {digest}\n"
        "  fix: build the entry that learnt them again with `zoo run`"
    )
    with pytest.raises(CheckpointError) as raised:
        load_projections(tmp_path / "none")
    assert str(raised.value).startswith(
        f"{tmp_path / 'none'}.projections.safetensors: the projections are unreadable: "
    )


def test_only_those_of_the_same_name_and_widths_are_taken_up() -> None:
    """A map to another width begins as it was made, whole."""
    made = nn.ModuleDict({"states": nn.Linear(3, 4), "embeddings": nn.Linear(3, 4)})
    before = {key: tensor.clone() for key, tensor in made.state_dict().items()}
    learnt = {
        "states.weight": torch.ones(4, 3),
        "states.bias": torch.ones(4),
        "embeddings.weight": torch.ones(5, 3),
        "embeddings.bias": torch.ones(4),
        "others.weight": torch.ones(4, 3),
    }
    take_up(made, learnt)
    after = made.state_dict()
    assert torch.equal(after["states.weight"], torch.ones(4, 3))
    assert torch.equal(after["states.bias"], torch.ones(4))
    for key in ("embeddings.weight", "embeddings.bias"):
        assert torch.equal(after[key], before[key])


def test_a_training_that_was_done_still_has_them(tmp_path: Path) -> None:
    """Killed between the last step and the saved student: what was learnt comes back with it."""
    narrow = tiny.STUDENT.model_copy(update={"hidden": 16, "intermediate": 32})
    table = stages_of(TinyBert(), Setting(narrow, tiny.TEACHER, "classification"))
    setup = tiny.Setup(tmp_path, table[:1], student_shape=narrow)
    setup.optimise = setup.optimise.model_copy(update={"steps": 2})
    scratch = Scratch(tmp_path / "scratch", every_seconds=0.0)
    begun = {"states.weight": torch.full((32, 16), 0.25), "states.bias": torch.zeros(32)}
    work = replace(setup.work(scratch=scratch), projections=begun)
    whole = train(work)
    assert float((whole.projections["states.weight"] - 0.25).abs().max()) < 0.01
    again = train(replace(setup.work(scratch=scratch), projections={}))
    assert same(dict(again.projections), dict(whole.projections))
