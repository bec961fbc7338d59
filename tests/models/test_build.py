"""Models depend on shape, head and seed alone; students inherit to the bit."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    ElectraConfig,
    GPT2Config,
    PreTrainedModel,
)

from tests import tiny
from zoo.errors import CheckpointError
from zoo.models.anatomy import (
    LAYER_TO_DISTILBERT,
    anatomy_of,
    embeddings_of,
    encoder_of,
    layers_of,
    part_parameters,
)
from zoo.models.build import (
    MASKED_LM,
    Head,
    build,
    configuration,
    inherit,
    load_weights,
    shape_of,
)
from zoo.spec.shape import Shape
from zoo.spec.student import Start, copied_layers
from zoo.spec.task import TASKS

BASE = Shape(layers=12, hidden=768, heads=12, intermediate=3072, vocabulary=30522, positions=512)
every_family = pytest.mark.parametrize("family", tiny.FAMILIES)


def of(family: str, **change: int) -> Shape:
    return tiny.STUDENT.model_copy(update={"family": family, **change})


@every_family
@pytest.mark.parametrize("task", ["inference", "similarity", "span", None])
def test_building_is_deterministic_and_leaves_the_global_generator(
    family: str, task: str | None
) -> None:
    """Same seed, same bits; another seed, others; nobody else's random numbers change."""
    head = Head(TASKS[task]) if task else MASKED_LM
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first, second = build(of(family), head, seed=3), build(of(family), head, seed=3)
    assert torch.equal(torch.rand(3), expected)
    assert tiny.same_weights(first, second)
    assert not tiny.same_weights(first, build(of(family), head, seed=4))


@every_family
def test_a_shape_is_what_is_built(family: str) -> None:
    """The configuration tells the shape again, and the encoder has exactly its parameters."""
    model = build(of(family), MASKED_LM, seed=0)
    assert shape_of(model.config) == of(family)
    body = {id(p): p for part in ("embeddings", "encoder") for p in part_parameters(model, part)}
    assert sum(p.numel() for p in body.values()) == of(family).parameters().total


@every_family
@pytest.mark.parametrize("task", ["inference", "span", None])
def test_parts_partition_the_model(family: str, task: str | None) -> None:
    """Embeddings, encoder and head hold every parameter once; positions are in embeddings."""
    model = build(of(family), Head(TASKS[task]) if task else MASKED_LM, seed=0)
    parts = {
        part: [id(p) for p in part_parameters(model, part)]
        for part in ("embeddings", "encoder", "head", "positions")
    }
    joined = parts["embeddings"] + parts["encoder"] + parts["head"]
    assert sorted(joined) == sorted(id(p) for p in model.parameters())
    assert len(parts["positions"]) == 1
    assert set(parts["positions"]) < set(parts["embeddings"])


def test_distilbert_has_its_published_size() -> None:
    """66,362,880 parameters; no token types, no pooler (methods.md 1, invariant 5)."""
    shape = BASE.model_copy(update={"family": "distilbert", "layers": 6})
    with torch.device("meta"):
        model = AutoModelForMaskedLM.from_config(configuration(shape, MASKED_LM))
    assert sum(p.numel() for p in encoder_of(model).parameters()) == 66_362_880
    assert shape.parameters().total == 66_362_880
    assert not [n for n, _ in model.named_parameters() if "token_type" in n or "pooler" in n]


@pytest.mark.parametrize("start", ["first", "last", "uniform", "spaced", (0, 3)])
def test_bert_inherits_to_the_bit(start: Start) -> None:
    """Embeddings with token types, the named layers and the decoder; nothing else."""
    teacher, student = tiny.model(tiny.TEACHER, seed=7), tiny.model(seed=1)
    before = tiny.weights(student)
    layers = copied_layers(start, 2, 4)
    inherit(student, teacher, layers)
    theirs, copied = teacher.state_dict(), 0
    for name, tensor in student.state_dict().items():
        source = name
        for ours, layer in enumerate(layers):
            source = source.replace(f"layer.{ours}.", f"layer.#{layer}.")
        if "cls.predictions.transform" in name:
            assert torch.equal(tensor, before[name]), name
        else:
            assert torch.equal(tensor, theirs[source.replace("#", "")]), name
            copied += 1
    assert copied == 5 + 2 * 16 + 3  # tables and norm, layers, decoder with its bias twice


def test_distilbert_inherits_to_the_bit() -> None:
    """Invariant 1: 16 tensors a layer, tables, norm and decoder; the transform stays random."""
    teacher, student = tiny.model(tiny.TEACHER, seed=7), tiny.model(of("distilbert"), seed=1)
    before = tiny.weights(student)
    inherit(student, teacher, (0, 3))
    for ours, theirs in ((0, 0), (1, 3)):
        pairs = 0
        for bert, distilbert in LAYER_TO_DISTILBERT.items():
            for kind in ("weight", "bias"):
                mine = layers_of(student)[ours].get_parameter(f"{distilbert}.{kind}")
                assert torch.equal(mine, layers_of(teacher)[theirs].get_parameter(f"{bert}.{kind}"))
                pairs += 1
        assert pairs == 16 == len(list(layers_of(student)[ours].parameters()))
    for name, parameter in embeddings_of(student).named_parameters():
        assert torch.equal(parameter, embeddings_of(teacher).get_parameter(name))
    decoder, source = student.get_output_embeddings(), teacher.get_output_embeddings()
    assert torch.equal(decoder.weight, source.weight)
    assert torch.equal(decoder.bias, source.bias)
    assert torch.equal(student.vocab_transform.weight, before["vocab_transform.weight"])
    assert not [n for n, _ in student.named_parameters() if "token_type" in n or "pooler" in n]


def test_a_task_student_inherits_the_body_alone() -> None:
    """Its head is its own, whatever the teacher's was."""
    teacher, student = tiny.model(tiny.TEACHER, seed=7), tiny.model(task="span", seed=1)
    before = tiny.weights(student)
    inherit(student, teacher, (0, 1))
    after = student.state_dict()
    assert torch.equal(after["qa_outputs.weight"], before["qa_outputs.weight"])
    assert not torch.equal(
        after["bert.encoder.layer.1.output.dense.weight"],
        before["bert.encoder.layer.1.output.dense.weight"],
    )


def test_another_width_cannot_be_inherited() -> None:
    """The first tensor that does not fit is named, with both sizes and the way out."""
    wide = tiny.TEACHER.model_copy(update={"hidden": 48})
    with pytest.raises(CheckpointError) as raised:
        inherit(tiny.model(), tiny.model(wide), (0, 1))
    assert str(raised.value) == (
        "word_embeddings.weight of the teacher: (600, 48) does not fit the student's (600, 32)\n"
        "  fix: set start: fresh"
    )


@pytest.mark.parametrize(
    ("student", "teacher", "name"),
    [
        ("bert", "distilbert", "attention.q_lin.weight"),
        ("distilbert", "distilbert", None),
        ("electra", "bert", None),
    ],
)
def test_parts_without_a_counterpart_are_told(student: str, teacher: str, name: str | None) -> None:
    """DistilBERT cannot give token types or BERT's layer names; kindred families can."""
    pair = tiny.model(of(student)), tiny.model(of(teacher, layers=4))
    if name is None:
        inherit(*pair, (0, 1))
        return
    with pytest.raises(CheckpointError, match=r"has no counterpart in the other model$"):
        inherit(*pair, (0, 1))


def saved(folder: Path, model: PreTrainedModel) -> Path:
    model.save_pretrained(folder)
    return folder


@every_family
def test_a_missing_head_is_random_by_the_seed_alone(family: str, tmp_path: Path) -> None:
    """The body is the folder's to the bit; the head follows from the seed."""
    source = tiny.model(of(family))
    saved(tmp_path, source)
    head = Head(TASKS["inference"])
    first, second, other = (load_weights(tmp_path, head, seed=seed) for seed in (2, 2, 3))
    assert tiny.same_weights(first, second)
    assert not tiny.same_weights(first, other)
    theirs = dict(encoder_of(source).named_parameters())
    for name, parameter in encoder_of(first).named_parameters():
        assert "pooler" in name or torch.equal(parameter, theirs[name]), name
    assert first.config.id2label == {0: "entailment", 1: "neutral", 2: "contradiction"}


def test_unknown_families_and_narrow_embeddings_are_refused() -> None:
    """Only what the anatomy knows has a shape; ELECTRA-small's embeddings are narrower."""
    with pytest.raises(CheckpointError, match=r"of type 'gpt2': unsupported family\n"):
        shape_of(GPT2Config())
    narrow = ElectraConfig(hidden_size=256, embedding_size=128, num_attention_heads=4)
    with pytest.raises(CheckpointError, match=r"an embedding size of 128 with a hidden size of 2"):
        shape_of(narrow)
    model = tiny.model()
    model.config.model_type = "mamba"
    with pytest.raises(CheckpointError, match=r"'mamba': unsupported family"):
        anatomy_of(model)
    assert shape_of(BertConfig()) == BASE


def test_a_configuration_without_a_shape_is_told() -> None:
    """transformers takes numbers that no encoder can have."""
    with pytest.raises(CheckpointError) as raised:
        shape_of(BertConfig(num_hidden_layers=-1))
    assert str(raised.value) == (
        "a configuration of type 'bert': layers -1: Input should be greater than 0"
    )
