"""Checkpoints are plain folders, written wholly or not at all, and checked when read."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    ElectraForPreTraining,
    PreTrainedModel,
    pipeline,
)

from tests import tiny
from tests.made import hold_again, identity
from zoo.errors import CheckpointError
from zoo.models import checkpoint as module
from zoo.models.anatomy import encoder_of, word_head
from zoo.models.build import MASKED_LM, Head, configuration
from zoo.models.checkpoint import (
    load_checkpoint,
    load_tokenizer,
    require_word_head,
    save_checkpoint,
)
from zoo.models.identity import Identity, hashed_files, read_identity
from zoo.models.weights import stored_names
from zoo.spec.task import TASKS

SENTIMENT = Head(TASKS["sentiment"])
IDENTITY = identity("kd-2l", "trained", suite="pocket", task="sentiment", seed=3, digest="a" * 64)


def save(folder: Path, seed: int = 0, made: Identity = IDENTITY) -> PreTrainedModel:
    model = tiny.model(task=made.task, seed=seed)
    save_checkpoint(folder, model, tiny.tokenizer(), made)
    return model


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_round_trip(family: str, tmp_path: Path) -> None:
    """What was saved is loaded, bit for bit, with its tokenizer and identity."""
    model = tiny.model(tiny.STUDENT.model_copy(update={"family": family}), "sentiment")
    save_checkpoint(tmp_path / "it", model, tiny.tokenizer(), IDENTITY)
    loaded, tokenizer = load_checkpoint(tmp_path / "it", SENTIMENT)
    assert tiny.same_weights(model, loaded)
    assert tokenizer.get_vocab() == tiny.tokenizer().get_vocab()
    stated = read_identity(tmp_path / "it")
    assert stated.model_copy(update={"files": {}}) == IDENTITY
    assert stated.files == hashed_files(tmp_path / "it")


def test_transformers_opens_it_without_the_zoo(tmp_path: Path) -> None:
    """The Auto classes give the same logits and the same pieces; there is no pickle in it."""
    model = save(tmp_path / "it").eval()
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "it").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "it")
    pieces = tokenizer(["a b c", "b"], padding=True, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(model(**pieces).logits, theirs(**pieces).logits)
    assert theirs.config.id2label == {0: "negative", 1: "positive"}
    kinds = {file.suffix for file in (tmp_path / "it").iterdir()}
    assert kinds == {".json", ".safetensors"}


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """No time, path or order gets into a checkpoint."""
    for name in ("one", "two"):
        save(tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_a_kill_in_the_middle_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash while writing, the folder is the old one and nothing else lies around."""
    old = save(tmp_path / "it", seed=1)

    def killed(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.json, "dumps", killed)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "it", seed=2)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["it"]
    assert tiny.same_weights(old, load_checkpoint(tmp_path / "it", SENTIMENT)[0])


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A model without zoo.json is not one of ours."""
    tiny.model().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(tmp_path, MASKED_LM)
    assert str(raised.value) == (
        f"{tmp_path}/zoo.json: this checkpoint is missing or not one of the zoo's\n"
        "  fix: build it with `zoo run`, or `dvc checkout --force` to restore it"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{}", r"zoo\.json: not an identity of a checkpoint: Field required\n  fix: build it"),
        (b"\xff\xfe", r"zoo\.json: not an identity of a checkpoint: "),
        (b'{"extra": 1}', r"zoo\.json: not an identity of a checkpoint: "),
    ],
)
def test_a_damaged_identity_is_told(content: bytes, expected: str, tmp_path: Path) -> None:
    """zoo.json that is cut off, binary or of another kind."""
    save(tmp_path / "it")
    (tmp_path / "it" / "zoo.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=expected):
        read_identity(tmp_path / "it")


@pytest.mark.parametrize(
    ("head", "allowed"), [(Head(TASKS["span"]), "span"), (MASKED_LM, "masked tokens")]
)
def test_the_wrong_task_is_told(head: Head, allowed: str, tmp_path: Path) -> None:
    """A sentiment model is not quietly given another head."""
    save(tmp_path / "it")
    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(tmp_path / "it", head)
    assert str(raised.value) == (
        f"{tmp_path}/it: this checkpoint predicts sentiment\n  allowed: one that predicts {allowed}"
    )


def test_a_missing_tokenizer_is_told(tmp_path: Path) -> None:
    """Weights alone are not a checkpoint; neither is a tokenizer that knows no words."""
    tiny.model().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"no readable tokenizer here: |has \d tokens"):
        load_tokenizer(tmp_path)
    save(tmp_path / "it")
    stated = json.loads((tmp_path / "it" / "tokenizer.json").read_text())
    vocabulary = stated["model"]["vocab"]
    stated["model"]["vocab"] = {piece: vocabulary[piece] for piece in list(vocabulary)[:5]}
    (tmp_path / "it" / "tokenizer.json").write_text(json.dumps(stated))
    with pytest.raises(CheckpointError) as raised:
        load_tokenizer(tmp_path / "it")
    assert str(raised.value) == (
        f"{tmp_path}/it: the vocabulary has 5 tokens\n  allowed: a vocabulary"
    )


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_weights_with_a_word_head_pass(family: str, tmp_path: Path) -> None:
    """Of every family, as the zoo saves them."""
    model = tiny.model(tiny.STUDENT.model_copy(update={"family": family}))
    identity = IDENTITY.model_copy(update={"task": None})
    save_checkpoint(tmp_path / "it", model, tiny.tokenizer(), identity)
    require_word_head(tmp_path / "it", load_checkpoint(tmp_path / "it", MASKED_LM)[0])


def test_weights_without_a_word_head_are_told(tmp_path: Path) -> None:
    """A discriminator: transformers would give it a random head for words."""
    shape = tiny.STUDENT.model_copy(update={"family": "electra"})
    model = ElectraForPreTraining(configuration(shape, MASKED_LM))
    identity = IDENTITY.model_copy(update={"task": None})
    save_checkpoint(tmp_path / "it", model, tiny.tokenizer(), identity)
    loaded, _ = load_checkpoint(tmp_path / "it", MASKED_LM)
    with pytest.raises(CheckpointError) as caught:
        require_word_head(tmp_path / "it", loaded)
    assert str(caught.value) == (
        f"{tmp_path / 'it'}: these weights have no masked-language-model head: missing"
        " generator_predictions.dense.weight\n"
        "  allowed: a model with its masked-language-model head\n"
        "  fix: declare `words` in the teacher's spec to train one, use another teacher (for "
        "ELECTRA, the generator), or a method that compares no logits on text"
    )


@pytest.mark.parametrize(
    ("stated", "told"),
    [({"0": "positive", "1": "negative"}, "positive, negative"), (None, "not stated")],
)
def test_classes_in_another_order_are_refused(
    tmp_path: Path, stated: dict[str, str] | None, told: str
) -> None:
    """Loading states the task's labels itself, so those of the folder are asked first."""
    folder = tmp_path / "it"
    made = identity("e", "trained", task="sentiment", seed=0)
    save_checkpoint(folder, tiny.model(task="sentiment"), tiny.tokenizer(), made)
    config = json.loads((folder / "config.json").read_text())
    config |= {"id2label": stated}
    (folder / "config.json").write_text(json.dumps(config))
    hold_again(folder)
    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(folder, SENTIMENT)
    assert str(refused.value) == (
        f"{folder}/config.json: id2label: the labels are {told}\n"
        "  allowed: negative, positive, in this order\n"
        "  fix: build it again: its class ids would change meaning"
    )


BY_ID, OBJECT = ": id2label: not labels by class id: ", "\n  allowed: an object"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[]", ": the file holds a list\n  allowed: an object"),
        (b"7", ": the file holds a number\n  allowed: an object"),
        (b"<<<<<<< HEAD\n{}", ":1: unresolved merge conflict: <<<<<<<\n  allowed: JSON"),
        (b"\xff", ":1: byte 0xff is not UTF-8\n  allowed: UTF-8"),
        (b'{"id2label": []}', None),
        (b'{"id2label": [1]}', f"{BY_ID}a list of 1{OBJECT}"),
        (b'{"id2label": {"one": 1}}', f"{BY_ID}an object of 1{OBJECT}"),
    ],
)  # fmt: skip
def test_a_configuration_that_is_none_is_told(
    content: bytes, told: str | None, tmp_path: Path
) -> None:
    """Where labels are asked for, before any library reads it."""
    folder = tmp_path / "it"
    made = identity("e", "trained", task="sentiment", seed=0)
    save_checkpoint(folder, tiny.model(task="sentiment"), tiny.tokenizer(), made)
    (folder / "config.json").write_bytes(content)
    hold_again(folder)
    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(folder, SENTIMENT)
    remedy = "build it with `zoo run`, or `dvc checkout --force` to restore it"
    if told is not None:
        assert str(refused.value) == f"{folder}/config.json{told}\n  fix: {remedy}"


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ("sentiment", "single_label_classification"),
        ("similarity", "regression"),
        ("span", None),
    ],
)
def test_a_checkpoint_says_what_transformers_must_know(
    family: str, task: str, problem: str | None, tmp_path: Path
) -> None:
    """Its longest input, its inputs, its kind of problem, and nothing of earlier encodings."""
    tokenizer = copy.deepcopy(tiny.tokenizer())
    tokenizer.model_max_length = 512
    tokenizer.backend_tokenizer.enable_truncation(5)
    tokenizer.backend_tokenizer.enable_padding()
    model = tiny.model(tiny.STUDENT.model_copy(update={"family": family}), task)
    save_checkpoint(tmp_path / "it", model, tokenizer, IDENTITY)
    ours = AutoTokenizer.from_pretrained(tmp_path / "it")
    assert ours.model_max_length == 64
    assert ours.pad_token_id == 0
    assert ("token_type_ids" in ours("a")) == (family in ("bert", "electra"))
    stated = json.loads((tmp_path / "it" / "tokenizer.json").read_text())
    assert (stated["truncation"], stated["padding"]) == (None, None)
    config = json.loads((tmp_path / "it" / "config.json").read_text())
    assert config.get("problem_type") == problem
    assert tokenizer.model_max_length == 512


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_pipelines_of_transformers_run_on_overlong_texts(family: str, tmp_path: Path) -> None:
    """One text and pairs, cut to what the model has positions for."""
    shape = tiny.STUDENT.model_copy(update={"family": family})
    save_checkpoint(tmp_path / "it", tiny.model(shape, "sentiment"), tiny.tokenizer(), IDENTITY)
    classify = pipeline("text-classification", model=str(tmp_path / "it"), top_k=None)
    texts: list[Any] = ["a b " * 300, "b", {"text": "a " * 200, "text_pair": "b " * 200}]
    for answer in classify(texts, truncation=True, batch_size=2):
        assert {each["label"] for each in answer} == {"negative", "positive"}
        assert sum(each["score"] for each in answer) == pytest.approx(1.0)


def test_a_regression_is_answered_as_a_number(tmp_path: Path) -> None:
    """A pipeline that took it for a class would answer 1.0."""
    model = tiny.model(task="similarity").eval()
    save_checkpoint(tmp_path / "it", model, tiny.tokenizer(), IDENTITY)
    (answer,) = pipeline("text-classification", model=str(tmp_path / "it"))("a b")
    with torch.no_grad():
        value = float(model(**tiny.tokenizer()("a b", return_tensors="pt")).logits)
    assert answer["score"] == pytest.approx(value, abs=1e-5)
    assert not 0.99 < value < 1.01


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_span_models_run_on_overlong_contexts(family: str, tmp_path: Path) -> None:
    """transformers has no pipeline for them any more; its tokenizer cuts what its model takes."""
    shape = tiny.STUDENT.model_copy(update={"family": family})
    save_checkpoint(tmp_path / "it", tiny.model(shape, "span"), tiny.tokenizer(), IDENTITY)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "it")
    model = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "it")
    pieces = tokenizer("a", "b " * 300, truncation="only_second", return_tensors="pt")
    assert model(**pieces).start_logits.shape == (1, 64)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_what_nobody_trained_is_not_written(family: str, tmp_path: Path) -> None:
    """A checkpoint without its word head loads as before, and does not answer words."""
    model = tiny.model(tiny.STUDENT.model_copy(update={"family": family}))
    made = IDENTITY.model_copy(update={"task": None})
    save_checkpoint(tmp_path / "it", model, tiny.tokenizer(), made, word_head(model))
    assert not stored_names(tmp_path / "it") & word_head(model)
    loaded, _ = load_checkpoint(tmp_path / "it", MASKED_LM)
    theirs = dict(encoder_of(model).named_parameters())
    for name, parameter in encoder_of(loaded).named_parameters():
        assert torch.equal(parameter, theirs[name]), name
    with pytest.raises(
        CheckpointError, match=r"these weights have no masked-language-model head: missing"
    ):
        require_word_head(tmp_path / "it", loaded)
