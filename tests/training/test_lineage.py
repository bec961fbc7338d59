"""Weights that another entry made, really carried on: an assistant, and students given weights."""

import hashlib
import re
from pathlib import Path

import pytest
import torch
from transformers import BertTokenizer, PreTrainedModel

from tests import tiny
from tests.training.stages import SHAPE, TEACHER, declared, stage, write
from zoo.errors import CheckpointError
from zoo.models.anatomy import encoder_of
from zoo.models.build import MASKED_LM, build, load_weights
from zoo.models.checkpoint import load_tokenizer
from zoo.models.identity import read_identity
from zoo.paths import Project
from zoo.spec.shape import Shape
from zoo.training import run
from zoo.training.loop import Outcome, Work, train_to_end

SUITE = """\
seeds: [1]
tasks:
  sentiment: {train: 24, dev: 8, max_length: 16}
corpus: {kind: pocket, documents: 40}
optimise: {steps: 1, batch_size: 4, learning_rate: 1.0e-9, dropout: 0.0}
corpus_optimise: {steps: 2, batch_size: 4, learning_rate: 1.0e-3, max_length: 16, dropout: 0.0}
bench: {shapes: [1x8]}
"""
TRANSFER = """\
teacher: big
student: {family: distilbert, layers: 1}
method: {name: distilbert}
"""
ASSISTANT = f"""\
source:
  kind: distilled
  entry: middle
  shape: {SHAPE.replace("{layers: 2", "{family: distilbert, layers: 1")}
optimise: {{steps: 1, batch_size: 4}}
"""
BELOW = """\
teacher: assistant
student: {layers: 1, start: first}
method: {name: finetune}
"""
STARTED = """\
teacher: big
student: {family: distilbert, layers: 1, start: {kind: distilled, entry: middle}}
method: {name: finetune}
"""
FILES = {
    "suite.yaml": SUITE,
    "teachers/big.yaml": TEACHER,
    "teachers/assistant.yaml": ASSISTANT,
    "middle.yaml": TRANSFER,
    "below.yaml": BELOW,
    "started.yaml": STARTED,
}
GIVEN = Shape(layers=1, hidden=32, heads=4, intermediate=64, vocabulary=352, positions=16)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the first teacher is pretrained, and the entry `middle` transferred."""
    project = Project(tmp_path_factory.mktemp("zoo"))
    write(project, FILES)
    stage(project, "big/pretrain")
    stage(project, "middle/transfer")
    return project


def encoder(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {
        name: tensor
        for name, tensor in encoder_of(model).state_dict().items()
        if "pooler" not in name
    }


def same_encoder(ours: Path, theirs: Path, *, tolerance: float = 0.0) -> bool:
    """Whether two checkpoints have the same tensors in their encoders."""
    first, second = (encoder(load_weights(path, MASKED_LM, seed=0)) for path in (ours, theirs))
    return first.keys() == second.keys() and all(
        torch.allclose(tensor, second[name], rtol=0, atol=tolerance)
        for name, tensor in first.items()
    )


def test_an_assistant_is_what_the_entry_was_after_its_corpus_stages(project: Project) -> None:
    """Same tensors, decoder too; a tokenizer; its own identity; not the first teacher's tensors."""
    stage(project, "assistant/pretrain")
    ours = project.entry("small", "assistant").pretrained
    theirs = project.entry("small", "middle").transferred
    models = [load_weights(folder, MASKED_LM, seed=0) for folder in (ours, theirs)]
    assert tiny.same_weights(*models)
    assert load_tokenizer(ours).get_vocab() == load_tokenizer(theirs).get_vocab()
    identity = read_identity(ours)
    assert (identity.entry, identity.stage) == ("assistant", "pretrained")
    job = declared(project)["assistant/pretrain"].job
    assert identity.declared == job.declared
    made_of = read_identity(project.entry("small", "middle").transferred).digest
    assert identity.inputs == {"transferred": made_of}
    assert identity.digest == job.digest(identity.inputs)


def test_a_student_copies_an_assistant_like_any_teacher(project: Project) -> None:
    """`start: first` below an assistant of one layer gives its whole encoder and its tokenizer."""
    stage(project, "assistant/pretrain")
    stage(project, "below/train-sentiment-1")
    ours = project.entry("small", "below").checkpoint("sentiment", 1)
    theirs = project.entry("small", "assistant").pretrained
    assert same_encoder(ours, theirs, tolerance=1e-7)
    assert load_tokenizer(ours).get_vocab() == load_tokenizer(theirs).get_vocab()


def test_a_student_starts_from_an_entrys_weights(project: Project) -> None:
    """Before and after a task stage that moves nothing, the encoder is the transferred one."""
    theirs = project.entry("small", "middle").transferred
    folder = project.entry("small", "started")
    stage(project, "started/pretrain")
    assert same_encoder(folder.pretrained, theirs)
    stage(project, "started/train-sentiment-1")
    assert same_encoder(folder.checkpoint("sentiment", 1), theirs, tolerance=1e-7)


@pytest.mark.parametrize("packing", ["documents", "blocks"])
@pytest.mark.parametrize(("family", "segments"), [("bert", {0, 1}), ("distilbert", {0})])
def test_teacher_and_student_read_the_same_segments(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    segments: set[int],
    packing: str,
) -> None:
    """A student without token types is not taught by a teacher that reads two segments."""
    seen: list[Work] = []

    def watched(work: Work) -> Outcome:
        seen.append(work)
        return train_to_end(work)

    monkeypatch.setattr(run, "train_to_end", watched)
    suite = SUITE.replace("documents: 40}", f"documents: 40, packing: {packing}}}")
    write(
        project,
        {"suite.yaml": suite, "read.yaml": TRANSFER.replace("distilbert, l", f"{family}, l")},
    )
    try:
        stage(project, "read/transfer")
    finally:
        write(project, {"suite.yaml": SUITE})
    (work,) = seen
    batch = work.feed(work.phases[0]).batch(0)
    assert set(batch.token_type_ids.unique().tolist()) == segments


@pytest.fixture
def given(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Project, Path]:
    """A model folder below ZOO_DATA with the first teacher's tokenizer."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    folder = tmp_path / "general"
    build(GIVEN, MASKED_LM, seed=4).save_pretrained(folder)
    load_tokenizer(project.entry("small", "big").pretrained).save_pretrained(folder)
    return project, folder


def folder_start(folder: Path, method: str = "finetune", shape: str = "layers: 1") -> str:
    sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    start = f"{{kind: folder, path: {folder.name}, sha256: {sha256}}}"
    return f"teacher: big\nstudent: {{{shape}, start: {start}}}\nmethod: {{name: {method}}}\n"


def test_a_student_starts_from_a_folder(given: tuple[Project, Path]) -> None:
    """Fetched as declared into its own folder; its runs begin there."""
    project, folder = given
    write(project, {"from-folder.yaml": folder_start(folder)})
    stage(project, "from-folder/pretrain")
    stage(project, "from-folder/train-sentiment-1")
    entry = project.entry("small", "from-folder")
    assert same_encoder(entry.pretrained, folder)
    assert same_encoder(entry.checkpoint("sentiment", 1), folder, tolerance=1e-7)


def test_a_transfer_starts_from_a_folder(given: tuple[Project, Path]) -> None:
    """Corpus stages begin with the given weights, not with the teacher's."""
    project, folder = given
    slow = "corpus_optimise: {steps: 1, batch_size: 4, learning_rate: 1.0e-9, max_length: 16}\n"
    write(project, {"from-folder.yaml": folder_start(folder, "distilbert") + slow})
    stage(project, "from-folder/pretrain")
    stage(project, "from-folder/transfer")
    assert same_encoder(project.entry("small", "from-folder").transferred, folder, tolerance=1e-7)


def test_given_weights_may_be_cut_into_other_heads(given: tuple[Project, Path]) -> None:
    """The same tensors, two heads where the folder states four: another function."""
    project, folder = given
    write(project, {"from-folder.yaml": folder_start(folder, shape="layers: 1, heads: 2")})
    stage(project, "from-folder/pretrain")
    ours = load_weights(project.entry("small", "from-folder").pretrained, MASKED_LM, seed=0).eval()
    theirs = load_weights(folder, MASKED_LM, seed=0).eval()
    assert tiny.same_weights(ours, theirs)
    assert (ours.config.num_attention_heads, theirs.config.num_attention_heads) == (2, 4)
    pieces = torch.arange(5, 15)[None]
    assert not torch.allclose(ours(pieces).logits, theirs(pieces).logits, atol=1e-7)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_heads_can_be_cut_in_every_family(tmp_path: Path, family: str) -> None:
    """Loaded with other heads, a model says what one built with them and these weights says."""
    shape = Shape.model_validate({**tiny.STUDENT.model_dump(), "family": family})
    tiny.model(shape).save_pretrained(tmp_path)
    cut = load_weights(tmp_path, MASKED_LM, seed=0, heads=8).eval()
    built = build(shape.model_copy(update={"heads": 8}), MASKED_LM, seed=1).eval()
    built.load_state_dict(load_weights(tmp_path, MASKED_LM, seed=0).state_dict())
    pieces = torch.arange(5, 15)[None]
    assert torch.equal(cut(pieces).logits, built(pieces).logits)
    uncut = load_weights(tmp_path, MASKED_LM, seed=0).eval()
    assert not torch.allclose(cut(pieces).logits, uncut(pieces).logits, atol=1e-4)


def refused(project: Project, entry: str) -> str:
    with pytest.raises(CheckpointError) as raised:
        stage(project, f"{entry}/pretrain")
    return str(raised.value)


def test_given_weights_of_another_shape_are_refused(given: tuple[Project, Path]) -> None:
    """Every field that differs; the heads may."""
    project, folder = given
    shape = "layers: 3, heads: 2, intermediate: 32"
    write(project, {"from-folder.yaml": folder_start(folder, shape=shape)})
    assert refused(project, "from-folder") == (
        f"{folder}: its shape differs from the declared one; layers: declared 3, found 1; "
        "intermediate: declared 32, found 64\n"
        "  fix: correct the shape in `student`, or choose another `start`"
    )


def test_weights_with_another_tokenizer_are_refused(given: tuple[Project, Path]) -> None:
    """Which pieces differ, and how many of all there are."""
    project, folder = given
    pieces = pieces_of(project)
    pieces[7], pieces[8], pieces[-1] = pieces[8], pieces[7], "zebra"
    save_tokenizer(folder, pieces)
    write(project, {"from-folder.yaml": folder_start(folder)})
    known = pieces_of(project)
    assert refused(project, "from-folder") == (
        "small/from-folder: student.start: the tokenizer of these weights differs from that of "
        f"teacher 'big': 4 of {len(known) + 1} tokens differ; {known[8]!r} is 7 here and 8 there;"
        f" {known[7]!r} is 8 here and 7 there; 'zebra' is {len(known) - 1} here and missing there;"
        " ...\n"
        "  allowed: the same vocabulary with the same ids, and the same special tokens\n"
        "  fix: choose another `start`, or a teacher with this tokenizer"
    )


def test_weights_with_other_special_pieces_are_refused(given: tuple[Project, Path]) -> None:
    """The pieces are the same, but another one hides words."""
    project, folder = given
    save_tokenizer(folder, pieces_of(project), {"mask_token": "[UNK]"})
    write(project, {"from-folder.yaml": folder_start(folder)})
    assert refused(project, "from-folder").startswith(
        "small/from-folder: student.start: the tokenizer of these weights differs from that of "
        "teacher 'big': mask_token is '[UNK]' here and '[MASK]' there\n"
    )


def pieces_of(project: Project) -> list[str]:
    known = load_tokenizer(project.entry("small", "big").pretrained).get_vocab()
    return sorted(known, key=known.__getitem__)


def save_tokenizer(folder: Path, pieces: list[str], special: dict[str, str] | None = None) -> None:
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    BertTokenizer(vocab=vocabulary, **(special or {})).save_pretrained(folder)


def test_transferred_weights_that_are_not_the_declared_ones_are_refused(project: Project) -> None:
    """The entry was built before its spec changed: stages that DVC did not order would mix them."""
    built = read_identity(project.entry("small", "middle").transferred).declared
    write(project, {"middle.yaml": TRANSFER + "corpus_optimise: {steps: 3, max_length: 16}\n"})
    declared_now = declared(project)["middle/transfer"].job.declared
    try:
        said = refused(project, "started")
    finally:
        write(project, {"middle.yaml": TRANSFER})
    folder = project.entry("small", "middle").transferred
    assert said == (
        f"{folder}: this is a different checkpoint: declared {built[:12]}...\n"
        f"  allowed: declared {declared_now[:12]}...\n"
        "  fix: its spec has changed, or it was copied here; rebuild it with `zoo run`, or with "
        "`dvc repro --force` if DVC considers it up to date"
    )
    assert re.fullmatch("[0-9a-f]{64}", declared_now)
