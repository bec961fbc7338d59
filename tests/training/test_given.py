"""Teachers that users bring, through the stages: what they lack, and what their students take."""

import re
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedModel

from tests import tiny
from tests.training.stages import stage
from zoo.data.pieces import located_pieces, piece_ids
from zoo.errors import CheckpointError
from zoo.models.anatomy import encoder_of, word_head
from zoo.models.build import MASKED_LM, Head, build, load_weights
from zoo.models.checkpoint import load_checkpoint, load_tokenizer
from zoo.models.weights import stored_names, weights_sha256
from zoo.paths import Project
from zoo.spec.task import TASKS
from zoo.training.vocabulary import SPECIAL

SUITE = """\
seeds: [1]
tasks:
  sentiment: {train: 24, dev: 8, max_length: 16}
corpus: {kind: pocket, documents: 40}
optimise: {steps: 1, batch_size: 4, learning_rate: 1.0e-9, dropout: 0.0}
corpus_optimise: {steps: 1, batch_size: 4, learning_rate: 1.0e-9, max_length: 16, dropout: 0.0}
bench: {shapes: [1x8]}
"""
TEACHER = """\
source:
  kind: folder
  path: model
  sha256: {sha256}
  shape: {{layers: 2, hidden: 32, heads: 4, intermediate: 64, vocabulary: 600, positions: 64{more}}}
optimise: {{steps: 1, batch_size: 4, learning_rate: 1.0e-9}}
"""
WORDS = """\
teacher: big
student: {family: distilbert, layers: 1, start: first}
method: {name: distilbert}
"""
LAYERS = """\
teacher: big
student: {layers: 2, start: first}
method: {name: minilm2}
"""
PLAIN = """\
teacher: big
student: {layers: 2, start: first}
method: {name: finetune}
"""
NARROW = """\
teacher: big
student: {layers: 1, hidden: 16, intermediate: 32, start: fresh}
method: {name: finetune}
"""
OTHER_SETTINGS = {
    "hidden_act": "relu",
    "layer_norm_eps": 1e-3,
    "initializer_range": 0.2,
    "type_vocab_size": 4,
}
SENTIMENT = Head(TASKS["sentiment"])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project beside a folder of data."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    return Project(tmp_path / "project")


def bring(project: Project, model: PreTrainedModel, more: str = "") -> Path:
    """Put a model into the folder of data, and declare it as the teacher of a suite."""
    folder = project.root.parent / "data" / "model"
    model.save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    teacher = TEACHER.format(sha256=weights_sha256(folder), more=more)
    declare(project, teacher)
    return folder


def declare(project: Project, teacher: str) -> None:
    files = {
        "suite.yaml": SUITE,
        "teachers/big.yaml": teacher,
        "words.yaml": WORDS,
        "layers.yaml": LAYERS,
        "plain.yaml": PLAIN,
        "narrow.yaml": NARROW,
    }
    for file, content in files.items():
        path = project.specs / "small" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def encoded(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        hidden: torch.Tensor = encoder_of(model.eval())(torch.arange(5, 15)[None]).last_hidden_state
    return hidden


def test_a_teacher_without_a_word_head_is_asked_for_no_words(project: Project) -> None:
    """Seen at its source, where transformers has not made a random one yet."""
    bring(project, tiny.model(task="sentiment"))
    stage(project, "big/pretrain")
    pretrained = project.entry("small", "big").pretrained
    model, _ = load_checkpoint(pretrained, MASKED_LM)
    assert not stored_names(pretrained) & word_head(model)
    with pytest.raises(CheckpointError) as raised:
        stage(project, "words/transfer")
    assert str(raised.value) == (
        f"{pretrained}: these weights have no masked-language-model head: missing"
        " cls.predictions.transform.dense.weight\n"
        "  allowed: a model with its masked-language-model head\n"
        "  fix: declare `words` in the teacher's spec to train one, use another teacher (for "
        "ELECTRA, the generator), or a method that compares no logits on text"
    )
    assert not project.entry("small", "words").transferred.exists()


def test_methods_that_need_no_words_take_such_a_teacher(project: Project) -> None:
    """On the corpus and on tasks; what their students say of words nobody trained either."""
    source = tiny.model(task="sentiment")
    bring(project, source)
    stage(project, "big/pretrain")
    stage(project, "layers/transfer")
    folder = project.entry("small", "layers").transferred
    loaded, _ = load_checkpoint(folder, MASKED_LM)
    assert not stored_names(folder) & word_head(loaded)
    torch.testing.assert_close(encoded(loaded), encoded(source), rtol=0, atol=1e-5)
    stage(project, "plain/train-sentiment-1")
    trained = project.entry("small", "plain").checkpoint("sentiment", 1)
    ours = load_weights(trained, SENTIMENT, seed=0)
    torch.testing.assert_close(encoded(ours), encoded(source), rtol=0, atol=1e-5)


def test_what_a_tokenizer_file_cuts_and_pads_is_not_taken_over(project: Project) -> None:
    """Files of models that embed sentences say to cut at 128 pieces and fill up to them."""
    folder = bring(project, tiny.model())
    backend = tiny.tokenizer().backend_tokenizer
    backend = Tokenizer.from_str(backend.to_str())
    backend.enable_truncation(6)
    backend.enable_padding(length=6)
    backend.save(str(folder / "tokenizer.json"))
    text = " ".join(tiny.tokenizer().convert_ids_to_tokens(list(range(10, 40))))
    (whole,) = piece_ids([text], tiny.tokenizer())
    assert len(whole) > 6
    assert len(backend.encode(text).ids) == len(backend.encode("a").ids) == 6
    stage(project, "big/pretrain")
    pretrained = project.entry("small", "big").pretrained
    for place in (folder, pretrained):
        assert next(piece_ids([text], load_tokenizer(place))) == whole
        assert next(located_pieces([text], load_tokenizer(place))).ids == whole
        assert len(next(located_pieces(["a"], load_tokenizer(place))).ids) < 6
    taken = AutoTokenizer.from_pretrained(pretrained)
    assert taken(text)["input_ids"][1:-1] == whole
    assert taken(text, truncation=True)["input_ids"][1:-1] == whole


def test_a_student_whose_words_were_trained_keeps_its_head(project: Project) -> None:
    """The head of a teacher that has one is there, and the student's is learnt from it."""
    bring(project, tiny.model())
    stage(project, "big/pretrain")
    stage(project, "words/transfer")
    folder = project.entry("small", "words").transferred
    loaded, _ = load_checkpoint(folder, MASKED_LM)
    parts = ("vocab_transform.weight", "vocab_layer_norm.weight", "vocab_projector.bias")
    assert stored_names(folder) >= set(parts)
    assert word_head(loaded) >= set(parts)


def test_students_compute_with_their_teachers_settings(project: Project) -> None:
    """All layers copied: the teacher's function, in the saved run too; fresh: its settings."""
    config = build(
        tiny.STUDENT.model_copy(update={"token_types": 4}), MASKED_LM, seed=4, **OTHER_SETTINGS
    )
    bring(project, config, ", token_types: 4")
    stage(project, "big/pretrain")
    for entry in ("plain", "narrow"):
        stage(project, f"{entry}/train-sentiment-1")
        trained = project.entry("small", entry).checkpoint("sentiment", 1)
        ours = load_weights(trained, SENTIMENT, seed=0)
        stated = {name: getattr(ours.config, name) for name in OTHER_SETTINGS}
        assert stated == OTHER_SETTINGS
        if entry == "plain":
            torch.testing.assert_close(encoded(ours), encoded(config), rtol=0, atol=1e-5)


def test_padding_is_where_the_vocabulary_has_it(project: Project) -> None:
    """A teacher pretrained here with special pieces in the last lines of its vocabulary."""
    pieces = [*sorted(set(tiny.tokenizer().get_vocab()) - set(SPECIAL)), *SPECIAL]
    data = project.root.parent / "data"
    data.mkdir()
    (data / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    declare(
        project,
        "source:\n"
        "  kind: pretrained\n"
        "  shape: {layers: 1, hidden: 32, heads: 4, intermediate: 64, vocabulary: 600,"
        " positions: 64}\n"
        "  vocabulary: {kind: file, path: vocab.txt}\n"
        "  corpus: {kind: pocket, documents: 40}\n"
        "  optimise: {steps: 1, batch_size: 4, max_length: 16}\n"
        "optimise: {steps: 1, batch_size: 4}\n",
    )
    (project.specs / "small" / "layers.yaml").unlink()
    (project.specs / "small" / "plain.yaml").unlink()
    stage(project, "big/pretrain")
    folder = project.entry("small", "big").pretrained
    model, tokenizer = load_checkpoint(folder, MASKED_LM)
    assert tokenizer.pad_token_id == len(pieces) - len(SPECIAL) == model.config.pad_token_id
    assert model.get_input_embeddings().padding_idx == tokenizer.pad_token_id
    stage(project, "narrow/train-sentiment-1")
    trained = project.entry("small", "narrow").checkpoint("sentiment", 1)
    assert load_weights(trained, SENTIMENT, seed=0).config.pad_token_id == tokenizer.pad_token_id
    assert load_tokenizer(trained).pad_token_id == tokenizer.pad_token_id


def test_a_tokenizer_that_fits_nothing_is_told_before_any_training(project: Project) -> None:
    """At `pretrain`, and nothing is written."""
    folder = bring(project, tiny.model())
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens([f"more{place}" for place in range(600)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(CheckpointError, match=re.escape("outside the 600 embeddings")):
        stage(project, "big/pretrain")
    assert not project.entry("small", "big").pretrained.exists()
