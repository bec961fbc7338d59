"""Logits of tokens are decoded where terms read them, in chunks, and the numbers are the same."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tests import tiny
from tests.training.tables import plain, task_stage
from zoo.distil.term import Term
from zoo.losses.logits import hard_labels, soft_labels
from zoo.models.anatomy import anatomy_of, encoder_of
from zoo.models.capture import Capture, last_states
from zoo.models.tap import LOGITS
from zoo.tensors.batch import Batch, Layout
from zoo.training import words
from zoo.training.loop import train
from zoo.training.words import WordModel, word_value

MLM = Term("mlm", hard_labels, LOGITS)
SOFT = Term("soft", partial(soft_labels, temperature=2.0), LOGITS, LOGITS)
every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
every_term = pytest.mark.parametrize("term", [MLM, SOFT], ids=["labels", "teacher"])


def model(family: str, seed: int) -> PreTrainedModel:
    shape = tiny.STUDENT.model_copy(update={"family": family})
    return tiny.model(shape, None, seed).double().eval()


def asked(rows: int = 3) -> Batch:
    """A padded batch that asks for a prediction at every third real token."""
    batch = tiny.batch(Layout.TOKENS, rows)
    numbers = torch.arange(batch.input_ids.numel()).reshape(batch.input_ids.shape)
    places = (numbers % 3 == 0) & batch.real
    labels = torch.where(places, batch.input_ids, -100)
    return Batch(Layout.TOKENS, batch.input_ids, batch.attention_mask, batch.token_type_ids, labels)


def whole(term: Term, batch: Batch, ours: PreTrainedModel, theirs: PreTrainedModel) -> Tensor:
    """The term on all logits at once."""
    with Capture(ours, [LOGITS]) as student, Capture(theirs, [LOGITS]) as teacher:
        place, target = student(batch)[LOGITS], teacher(batch)[LOGITS]
    return term.loss(place, target if term.teacher else batch.labels, batch)


def narrow(term: Term, batch: Batch, ours: PreTrainedModel, theirs: PreTrainedModel) -> Tensor:
    """The term as training takes it."""
    with Capture(ours, [last_states(ours)]) as student, Capture(theirs, [last_states(theirs)]) as t:
        spoken = WordModel.of(ours, student(batch))
        taught = WordModel.of(theirs, t(batch)) if term.teacher else None
    return word_value(term, batch, spoken, taught, bf16=False)


@every_family
@every_term
@pytest.mark.parametrize("chunk", [1, 3, 100], ids=["one", "three", "all"])
def test_value_and_gradients_are_those_of_all_logits(
    family: str, term: Term, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many positions a chunk has; the decoder's weight is the embeddings' too."""
    monkeypatch.setattr(words, "CHUNK_LOGITS", chunk * tiny.STUDENT.vocabulary)
    batch, found = asked(), []
    for take in (whole, narrow):
        ours, theirs = model(family, 1), tiny.frozen(model(family, 2))
        value = take(term, batch, ours, theirs)
        (3.0 * value).backward()
        found.append((value.detach(), {n: p.grad for n, p in ours.named_parameters()}))
    (expected, gradients), (value, narrowed) = found
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)
    for name, gradient in gradients.items():
        if gradient is None:
            assert narrowed[name] is None, name
        else:
            torch.testing.assert_close(narrowed[name], gradient, rtol=1e-8, atol=1e-10, msg=name)


@every_family
def test_only_positions_that_are_read_are_decoded(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels read where there is one, a teacher is compared at every real token, in chunks."""
    ours, theirs, batch = model(family, 1), tiny.frozen(model(family, 2)), asked()
    decoded: list[int] = []

    def count(_module: nn.Module, _inputs: object, logits: Tensor) -> None:
        decoded.append(logits.shape[:-1].numel())

    for each in (ours, theirs):
        each.get_submodule(anatomy_of(each).decoder).register_forward_hook(count)
    narrow(MLM, batch, ours, theirs)
    assert decoded == [int((batch.labels != -100).sum())]
    decoded.clear()
    monkeypatch.setattr(words, "CHUNK_LOGITS", 5 * tiny.STUDENT.vocabulary)
    narrow(SOFT, batch, ours, theirs)
    assert sum(decoded) == 2 * int(batch.real.sum())
    assert max(decoded) == 5


def test_where_nothing_is_asked_labels_are_0_with_a_gradient() -> None:
    """A batch without a label must still go backward."""
    ours, batch = model("bert", 1), asked()
    batch.labels.fill_(-100)
    value = narrow(MLM, batch, ours, tiny.frozen(model("bert", 2)))
    value.backward()
    assert float(value.detach()) == 0.0


def test_without_gradients_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The closing of a stage looks at values alone."""
    monkeypatch.setattr(words, "CHUNK_LOGITS", tiny.STUDENT.vocabulary)
    ours, theirs, batch = model("bert", 1), tiny.frozen(model("bert", 2)), asked()
    with torch.no_grad():
        value = narrow(SOFT, batch, ours, theirs)
    assert not value.requires_grad
    torch.testing.assert_close(value, whole(SOFT, batch, ours, theirs).detach())


def test_autocast_reaches_the_student_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """bf16: the student's logits come in bfloat16, the teacher's in their own precision."""
    monkeypatch.setattr(words, "CHUNK_LOGITS", 4 * tiny.STUDENT.vocabulary)
    seen: set[tuple[torch.dtype, torch.dtype, bool]] = set()

    def loss(student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        seen.add((student.dtype, teacher.dtype, torch.is_autocast_enabled("cpu")))
        return soft_labels(student, teacher, batch)

    ours, theirs = model("bert", 1).float(), tiny.frozen(model("bert", 2).float())
    batch, tap = asked(), last_states(ours)
    with Capture(ours, [tap]) as student, Capture(theirs, [tap]) as teacher:
        sides = WordModel.of(ours, student(batch)), WordModel.of(theirs, teacher(batch))
    word_value(Term("soft", loss, LOGITS, LOGITS), batch, *sides, bf16=True).backward()
    assert seen == {(torch.bfloat16, torch.float32, False)}
    assert all(p.grad is not None for p in encoder_of(ours).parameters())


def test_training_does_not_depend_on_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole trainings on text end alike, whatever the size of a chunk."""
    stage = task_stage(MLM, SOFT, data="corpus")
    models = []
    for chunk in (1 << 24, 20 * tiny.STUDENT.vocabulary):
        monkeypatch.setattr(words, "CHUNK_LOGITS", chunk)
        optimise = plain(steps=3, learning_rate=1e-4, epsilon=1e-3)
        models.append(train(tiny.Setup(tmp_path, (stage,), optimise=optimise).work()).model)
    for name, tensor in models[0].state_dict().items():
        torch.testing.assert_close(models[1].state_dict()[name], tensor, atol=1e-5, rtol=0)
