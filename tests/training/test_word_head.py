"""A masked-language-model head for weights that lack one: trained, measured, gated, resumed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from tests import tiny
from tests.training.stages import declared, stage, write
from zoo.documents.table_of_terms import entry_text
from zoo.errors import MeasurementError, TrainingError
from zoo.models.anatomy import encoder_of, part_parameters, word_head
from zoo.models.build import MASKED_LM, Head, load_weights
from zoo.models.capture import word_logits
from zoo.models.weights import stored_names, weights_sha256
from zoo.models.word_head import start_word_head
from zoo.paths import Project
from zoo.records.store import read_record
from zoo.records.training import HeldOutRecord, TransferRecord
from zoo.resolve.entry import read_suite
from zoo.training import word_head as module
from zoo.training.corpus import Fold
from zoo.training.phase import PhaseRun

SUITE = """\
seeds: [1]
tasks:
  sentiment: {train: 24, dev: 8, max_length: 16}
corpus: {kind: pocket, documents: 40}
optimise: {steps: 1, batch_size: 4}
corpus_optimise: {steps: 1, batch_size: 4, max_length: 16}
augment: {copies: 1, candidates: 2}
bench: {shapes: [1x8]}
"""
PRETRAINED = """\
source:
  kind: pretrained
  shape: {layers: 2, hidden: 32, heads: 4, intermediate: 64, vocabulary: 352, positions: 16}
  vocabulary: {kind: words}
  corpus: {kind: pocket, documents: 600}
  start: neighbours
  initializer_range: 0.1
  optimise: {steps: 150, batch_size: 32, learning_rate: 4.0e-3, max_length: 16, dropout: 0.0}
optimise: {steps: 1, batch_size: 4}
"""
GIVEN = """\
source:
  kind: folder
  path: model
  sha256: {sha256}
  shape: {{layers: 2, hidden: 32, heads: 4, intermediate: 64, vocabulary: 352, positions: 16}}
optimise: {{steps: 1, batch_size: 4}}
"""
WORDS = """\
words:
  corpus: {kind: pocket, documents: 1000, seed: 5}
  held_out_every: 10
  optimise: {steps: 40, batch_size: 16, learning_rate: 3.0e-3, max_length: 16, dropout: 0.0}
"""
READER = """\
teacher: adapted
student: {family: distilbert, layers: 1, start: first}
method: {name: distilbert}
"""
AUGMENTED = """\
teacher: adapted
student: {layers: 1, start: first}
method: {name: tinybert}
"""


@pytest.fixture(scope="module")
def headless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data with a trained model: with a pooler, without its masked-LM head."""
    root = tmp_path_factory.mktemp("headless")
    project = Project(root / "project")
    write(project, {"suite.yaml": SUITE, "teachers/whole.yaml": PRETRAINED})
    stage(project, "whole/pretrain")
    pretrained = project.entry("small", "whole").pretrained
    model = load_weights(pretrained, Head(pooled=True), seed=0)
    kept = {k: v for k, v in model.state_dict().items() if k.startswith("bert.")}
    folder = root / "data" / "model"
    model.save_pretrained(folder, state_dict=kept)
    for file in pretrained.glob("tokenizer*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    return root / "data"


@pytest.fixture
def project(tmp_path: Path, headless: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with one teacher as it was given and one with a head, and their students."""
    monkeypatch.setenv("ZOO_DATA", str(headless))
    made = Project(tmp_path / "project")
    given = GIVEN.format(sha256=weights_sha256(headless / "model"))
    files = {
        "suite.yaml": SUITE,
        "teachers/given.yaml": given,
        "teachers/adapted.yaml": given + WORDS,
        "reader.yaml": READER,
        "augmented.yaml": AUGMENTED,
    }
    write(made, files)
    return made


def edit(project: Project, more: str) -> None:
    """Add lines to the `words` of the adapted teacher."""
    path = project.specs / "small" / "teachers" / "adapted.yaml"
    path.write_text(path.read_text() + more)


def pretrained(project: Project, entry: str) -> PreTrainedModel:
    return load_weights(project.entry("small", entry).pretrained, MASKED_LM, seed=0)


def held_out(project: Project) -> HeldOutRecord:
    record = read_record(project.entry("small", "adapted").transfer_record(0))
    assert isinstance(record, TransferRecord)
    assert record.held_out is not None
    return record.held_out


def test_a_frozen_encoder_stays_bit_for_bit_and_its_head_learns(project: Project) -> None:
    """Better on text it never saw than unigrams, which is where it starts; students start there."""
    for entry in ("given", "adapted"):
        stage(project, f"{entry}/pretrain")
    given, adapted = pretrained(project, "given"), pretrained(project, "adapted")
    assert tiny.same_weights(encoder_of(given), encoder_of(adapted))
    folder = project.entry("small", "adapted").pretrained
    assert not stored_names(project.entry("small", "given").pretrained) & word_head(given)
    assert stored_names(folder) >= {name for name in word_head(adapted) if "decoder" not in name}
    found = held_out(project)
    assert found.positions > 100
    assert found.loss < found.unigram_loss - 0.5
    stage(project, "adapted/word-gate")
    stage(project, "reader/transfer")


def test_a_head_starts_near_unigrams(project: Project) -> None:
    """One step at a rate of nothing: states predict what they resemble, at corpus frequencies."""
    path = project.specs / "small" / "teachers" / "adapted.yaml"
    path.write_text(path.read_text().replace("steps: 40", "steps: 1").replace("3.0e-3", "1.0e-9"))
    stage(project, "adapted/pretrain")
    found = held_out(project)
    assert abs(found.loss - found.unigram_loss) < 1.5
    head = pretrained(project, "adapted").get_submodule("cls.predictions.transform.dense")
    torch.testing.assert_close(head.get_parameter("weight"), torch.eye(32), rtol=0, atol=1e-6)


def test_an_encoder_moves_at_its_own_pace(project: Project) -> None:
    """AdamW's first step is its rate: the head's in full, a tenth of it everywhere else."""
    path = project.specs / "small" / "teachers" / "adapted.yaml"
    path.write_text(
        path.read_text()
        .replace("steps: 40", "steps: 1, warmup: 0.0, decay: constant, weight_decay: 0.0")
        .replace("  held_out_every", "  encoder: 0.1\n  held_out_every")
    )
    stage(project, "adapted/pretrain")
    stage(project, "given/pretrain")
    moved, before = pretrained(project, "adapted"), pretrained(project, "given")
    layers = [
        (ours - theirs).abs().max().item()
        for ours, theirs in zip(
            part_parameters(moved, "body"), part_parameters(before, "body"), strict=True
        )
    ]
    dense = moved.get_submodule("cls.predictions.transform.dense").get_parameter("weight")
    assert float((dense - torch.eye(32)).abs().max()) == pytest.approx(3e-3, rel=0.05)
    assert max(layers) == pytest.approx(3e-4, rel=0.05)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_the_body_is_all_but_the_head(family: Any) -> None:
    """Tied tables belong to it; a head starts as the identity in every family."""
    model = tiny.model(tiny.STUDENT.model_copy(update={"family": family}))
    body = {id(parameter) for parameter in part_parameters(model, "body")}
    named = model.named_parameters(remove_duplicate=False)
    assert {name for name, each in named if id(each) not in body} == word_head(model)
    bias = torch.linspace(-9.0, -1.0, int(model.config.vocab_size))
    start_word_head(model, bias)
    logits = word_logits(model, torch.zeros(1, 32))
    torch.testing.assert_close(logits, bias[None], rtol=0, atol=1e-6)


def test_every_nth_document_is_held_out() -> None:
    """Each document is in one fold, and folds read about the same stretch of the text."""
    documents = list(map(str, range(1, 23)))
    trained, held = (list(Fold(5, held_out=held).of(documents)) for held in (False, True))
    assert held == ["5", "10", "15", "20"]
    assert sorted([*trained, *held], key=int) == documents
    assert Fold(5, held_out=True).limit(100) == 25
    assert Fold(5, held_out=False).limit(100) == 100
    assert Fold(5, held_out=True).limit(None) is None


def test_a_closed_gate_stops_what_reads_words(project: Project) -> None:
    """Students of the corpus and augmented copies; a gate that is lowered needs no training."""
    edit(project, "  gate: 0.1\n")
    stage(project, "adapted/pretrain")
    stage(project, "adapted/word-gate")
    told = re.escape(
        "teacher adapted on masked tokens: its loss on held-out text is above `words.gate` in its"
        " spec\n  allowed: a teacher that passes its gate\n  fix: train its head longer"
        " (`words.optimise`), or raise the gate if a weak head is intended"
    )
    with pytest.raises(TrainingError, match=told):
        stage(project, "reader/transfer")
    for ready in ("adapted/train-sentiment-1", "adapted/score", "adapted/gate"):
        stage(project, ready)
    stage(project, "augmented/transfer")
    with pytest.raises(TrainingError, match=told):
        stage(project, "augmented/train-sentiment-1")
    before = declared(project)["adapted/pretrain"].job
    edit_gate = project.specs / "small" / "teachers" / "adapted.yaml"
    edit_gate.write_text(edit_gate.read_text().replace("gate: 0.1", "gate: 99"))
    assert declared(project)["adapted/pretrain"].job == before
    stage(project, "adapted/word-gate")
    stage(project, "reader/transfer")
    stage(project, "augmented/train-sentiment-1")


def test_stages_that_read_words_wait_for_the_gate(project: Project) -> None:
    """The gate for its record, and no others for the gate."""
    found = declared(project)
    gate = "build/small/adapted/word-gate.json"
    waiting = {
        name
        for name, each in found.items()
        if gate in {output.path for output in each.dependencies}
    }
    assert waiting == {"reader/transfer", "augmented/train-sentiment-1"}
    record = "build/small/adapted/transfer"
    assert record in {output.path for output in found["adapted/pretrain"].outputs}
    assert [output.path for output in found["adapted/word-gate"].dependencies] == [record]
    assert "given/word-gate" not in found


def test_a_record_of_another_training_opens_no_gate(project: Project) -> None:
    """One that states no loss on held-out text."""
    stage(project, "adapted/pretrain")
    path = project.entry("small", "adapted").transfer_record(0)
    record = json.loads(path.read_text())
    path.write_text(json.dumps({key: record[key] for key in record if key != "held_out"}))
    with pytest.raises(MeasurementError) as raised:
        stage(project, "adapted/word-gate")
    assert str(raised.value) == (
        f"{path}: states no loss on held-out text\n"
        "  allowed: the record of a teacher with `words`\n"
        "  fix: build the teacher again with `zoo run`"
    )


def test_the_training_is_shown(project: Project) -> None:
    """Its budget, what it does not train, and what it is not trained on."""
    shown = entry_text(read_suite(project, "small").entries["adapted"])
    assert shown.split("\n\n")[-1] == (
        "stage 'masked-language-model head' on the corpus, body frozen\n"
        "  40 steps, batch size 16, learning rate 0.003, linear after 10% warm-up\n"
        "  1 of 10 documents held out\n"
        "  term  loss         student  teacher  weight\n"
        "  mlm   hard_labels  logits   labels   1"
    )
    path = project.specs / "small" / "teachers" / "adapted.yaml"
    path.write_text(
        path.read_text().replace("  held_out_every", "  encoder: 0.1\n  held_out_every")
    )
    shown = entry_text(read_suite(project, "small").entries["adapted"])
    assert "on the corpus, body at 0.1 of the learning rate\n" in shown


def test_a_killed_training_goes_on_to_the_same_bits(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved at its steps, and not begun again."""
    stage(project, "adapted/pretrain")
    whole, loss = pretrained(project, "adapted"), held_out(project).loss
    monkeypatch.setattr("zoo.training.resume.Scratch.due", lambda _self: True)
    journals = iter([tiny.StoppingJournal(tmp_path / "journal", 20), None])
    told: list[int] = []
    made = module.stage_journal

    def journal(*names: object) -> object:
        return next(journals) or made(*names)  # type: ignore[arg-type]  # as it is called

    monkeypatch.setattr(module, "stage_journal", journal)
    with pytest.raises(tiny.Stopped):
        stage(project, "adapted/pretrain")
    step = PhaseRun._step
    monkeypatch.setattr(
        PhaseRun, "_step", lambda run, *sides: (told.append(1), step(run, *sides))[1]
    )
    stage(project, "adapted/pretrain")
    assert 0 < len(told) < 40
    assert tiny.same_weights(whole, pretrained(project, "adapted"))
    assert held_out(project).loss == loss
