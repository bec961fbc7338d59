"""A student that copies all layers of its teacher computes what the teacher computes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PretrainedConfig, PreTrainedModel
from transformers.activations import GELUActivation

from tests import tiny
from zoo.errors import CheckpointError
from zoo.models.anatomy import anatomy_of, encoder_of, layers_of
from zoo.models.build import MASKED_LM, Head, build, configuration, inherit, load_weights
from zoo.spec.shape import Shape
from zoo.spec.task import TASKS

ACTIVATIONS = ("gelu", "gelu_new", "relu", "silu", "quick_gelu", "tanh")
SENTIMENT = Head(TASKS["sentiment"])
every_family = pytest.mark.parametrize("family", tiny.FAMILIES)


def of(family: str, **change: Any) -> Shape:
    return tiny.STUDENT.model_copy(update={"family": family, **change})


@st.composite
def settings_of(draw: st.DrawFn, family: str) -> dict[str, Any]:
    """What a shape does not say, as somebody's config.json may state it."""
    activation = draw(st.sampled_from(ACTIVATIONS))
    pad = draw(st.integers(0, 1 if family == "roberta" else 9))
    stated: dict[str, Any] = {"pad_token_id": pad, "initializer_range": 0.2}
    if family == "distilbert":
        return {**stated, "activation": activation}
    return {
        **stated,
        "hidden_act": activation,
        "layer_norm_eps": draw(st.sampled_from([1e-12, 1e-5, 1e-2])),
    }


def teacher_of(shape: Shape, head: Head, stated: dict[str, Any]) -> PreTrainedModel:
    config = configuration(shape, head)
    config.update(stated)
    torch.manual_seed(3)
    made = head.auto_class.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    assert isinstance(made, PreTrainedModel)
    return made.eval()


def inputs(config: PretrainedConfig) -> dict[str, torch.Tensor]:
    """Two rows with padding, segments where the model knows any, and a piece 1 within a text."""
    pad = int(config.pad_token_id)
    pieces = torch.tensor([[12, 20, 30, 11, 40, 13, pad, pad], [12, 1, 50, 51, 52, 53, 54, 13]])
    made = {"input_ids": pieces, "attention_mask": torch.tensor([[1] * 6 + [0] * 2, [1] * 8])}
    types = int(getattr(config, "type_vocab_size", 0))
    if types > 1:
        made["token_type_ids"] = torch.arange(8).clamp(max=types - 1).expand(2, 8)
    return made


@torch.no_grad()
def answers(model: PreTrainedModel) -> list[torch.Tensor]:
    """Hidden states at real places, the pooled vector where there is one, and the logits."""
    given = inputs(model.config)
    real = given["attention_mask"].bool()
    encoded = encoder_of(model)(**given)
    pooled = getattr(encoded, "pooler_output", None)
    logits = model(**given).logits
    at_real = logits[real] if logits.ndim == 3 else logits
    return [encoded.last_hidden_state[real], at_real, *([] if pooled is None else [pooled])]


def assert_alike(ours: PreTrainedModel, theirs: PreTrainedModel) -> None:
    for mine, other in zip(answers(ours), answers(theirs), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-6)


def copy_head(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """What `inherit` leaves to the student, so that logits can be compared."""
    inside = {id(parameter) for parameter in encoder_of(student).parameters()}
    theirs = teacher.state_dict()
    for name, parameter in student.named_parameters():
        if id(parameter) not in inside:
            parameter.data.copy_(theirs[name])


@every_family
@pytest.mark.parametrize("head", [MASKED_LM, SENTIMENT], ids=["words", "task"])
@pytest.mark.parametrize("like", [False, True], ids=["built without", "built like"])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_all_layers_copied_compute_the_same(
    family: str, head: Head, like: bool, data: st.DataObject, tmp_path_factory: Any
) -> None:
    """Whatever the teacher's configuration says; after saving and loading, too."""
    types = data.draw(st.sampled_from([None, 1, 4])) if family in ("bert", "electra") else None
    shape = of(family, token_types=types)
    teacher = teacher_of(shape, head, data.draw(settings_of(family)))
    config = teacher.config if like else None
    student = build(shape if like else of(family), head, seed=1, like=config).eval()
    inherit(student, teacher, (0, 1))
    copy_head(student, teacher)
    assert_alike(student, teacher)
    assert not student.training
    assert student.config._attn_implementation == "eager"
    folder: Path = tmp_path_factory.mktemp("saved")
    student.save_pretrained(folder)
    assert_alike(load_weights(folder, head, seed=0).eval(), teacher)


@every_family
def test_what_is_not_copied_stays_as_it_was_built(family: str) -> None:
    """Taking settings makes modules anew, never weights; nobody else's random numbers change."""
    stated = {"activation" if family == "distilbert" else "hidden_act": "relu"}
    teacher = teacher_of(of(family, layers=3), MASKED_LM, stated)
    student = build(of(family), MASKED_LM, seed=1)
    before = tiny.weights(student)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    inherit(student, teacher, (0, 2))
    assert torch.equal(torch.rand(3), expected)
    after = student.state_dict()
    parts = anatomy_of(student).head
    kept = [f"{part}.{kind}" for part in parts for kind in ("weight", "bias")]
    for name in kept:
        assert torch.equal(after[name], before[name]), name
    assert not any(isinstance(part, GELUActivation) for part in layers_of(student).modules())


def test_a_student_built_like_its_teacher_is_not_made_again() -> None:
    """The settings agree already."""
    teacher = teacher_of(of("bert"), SENTIMENT, {"hidden_act": "relu", "layer_norm_eps": 1e-3})
    student = build(of("bert"), SENTIMENT, seed=1, like=teacher.config)
    before = layers_of(student)
    inherit(student, teacher, (0, 1))
    assert layers_of(student) is before


@every_family
@pytest.mark.parametrize("task", ["sentiment", "similarity", "span"])
def test_a_fresh_student_takes_settings_and_no_head(family: str, task: str) -> None:
    """Another width: activation, epsilon, padding and spread are the teacher's, labels are not."""
    stated = {"pad_token_id": 1, "initializer_range": 0.3, "layer_norm_eps": 1e-3}
    act = "activation" if family == "distilbert" else "hidden_act"
    teacher = teacher_of(of(family), Head(TASKS["inference"]), {**stated, act: "relu"})
    narrow = of(family, hidden=16, heads=2, layers=1)
    student = build(narrow, Head(TASKS[task]), seed=1, like=teacher.config)
    config = student.config
    assert (getattr(config, act), config.pad_token_id, config.initializer_range) == ("relu", 1, 0.3)
    assert getattr(config, "layer_norm_eps", 1e-3) == 1e-3
    assert config.num_labels == TASKS[task].outputs
    assert config.hidden_size == 16
    weight = layers_of(student)[0].get_parameter(
        "ffn.lin1.weight" if family == "distilbert" else "intermediate.dense.weight"
    )
    assert 0.25 < float(weight.detach().std()) < 0.35


def test_distilbert_takes_from_bert_what_it_knows() -> None:
    """Activation and padding; without token types and pooler both compute the same."""
    teacher = teacher_of(of("bert"), SENTIMENT, {"hidden_act": "relu", "pad_token_id": 4})
    with torch.no_grad():
        types = encoder_of(teacher).get_parameter("embeddings.token_type_embeddings.weight")
        types.zero_()
    student = build(of("distilbert"), SENTIMENT, seed=1).eval()
    inherit(student, teacher, (0, 1))
    assert (student.config.activation, student.config.pad_token_id) == ("relu", 4)
    torch.testing.assert_close(answers(student)[0], answers(teacher)[0], rtol=0, atol=1e-6)
    fresh = build(of("distilbert", hidden=16), SENTIMENT, seed=1, like=teacher.config)
    assert fresh.config.activation == "relu"


def test_distilbert_cannot_take_another_epsilon() -> None:
    """Its modules have BERT's written into them; the message has the way out."""
    teacher = teacher_of(of("bert"), SENTIMENT, {"layer_norm_eps": 1e-5})
    with pytest.raises(CheckpointError) as raised:
        inherit(build(of("distilbert"), SENTIMENT, seed=1), teacher, (0, 1))
    assert str(raised.value) == (
        "a student of distilbert with layers of bert: the teacher's layer norms add 1e-05"
        " (layer_norm_eps)\n"
        "  allowed: 1e-12, which DistilBERT's modules always add\n"
        "  fix: set start: fresh, or family: bert"
    )


def test_positions_of_roberta_mean_others_than_berts() -> None:
    """Tables of one size, counted from other places."""
    student = build(of("bert", positions=66, token_types=1), SENTIMENT, seed=1)
    with pytest.raises(CheckpointError) as raised:
        inherit(student, teacher_of(of("roberta"), SENTIMENT, {}), (0, 1))
    assert str(raised.value) == (
        "a student of bert with layers of roberta: RoBERTa numbers positions from its padding "
        "token, the other from 0\n"
        "  allowed: a student of roberta\n"
        "  fix: set start: fresh, or family: roberta"
    )


def test_an_untied_decoder_is_copied_beside_the_embeddings() -> None:
    """What WID leaves: a decoder of its own would otherwise overwrite the word embeddings."""
    teacher = teacher_of(of("bert"), MASKED_LM, {"tie_word_embeddings": False})
    student = build(of("bert"), MASKED_LM, seed=1).eval()
    inherit(student, teacher, (0, 1))
    copy_head(student, teacher)
    assert_alike(student, teacher)
    assert not torch.equal(
        student.get_output_embeddings().weight, student.get_input_embeddings().weight
    )
