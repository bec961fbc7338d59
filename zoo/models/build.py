"""Building models from shapes, and giving students their first weights."""

import copy

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from zoo.errors import CheckpointError, Problem
from zoo.models.anatomy import (
    LAYER_TO_DISTILBERT,
    embeddings_of,
    encoder_of,
    layers_of,
)
from zoo.models.configuration import (
    ATTENTION,
    EPSILON,
    MASKED_LM,
    Head,
    carried_settings,
    configuration,
    epsilon_of,
    shape_of,
)
from zoo.models.load import load_weights
from zoo.spec.shape import Shape

__all__ = [
    "ATTENTION",
    "MASKED_LM",
    "Head",
    "build",
    "configuration",
    "inherit",
    "load_weights",
    "shape_of",
]


def build(
    shape: Shape,
    head: Head,
    *,
    seed: int,
    like: PretrainedConfig | None = None,
    **settings: float | str,
) -> PreTrainedModel:
    """A model with random weights that depend on nothing but what is stated here.

    `like` is a teacher's configuration, which says what the shape does not (activation, epsilon of
    layer norms, ...); `settings` replace single values of it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = configuration(shape, head, like)
        config.update(settings)
        model = head.auto_class.from_config(config, attn_implementation=ATTENTION)
    assert isinstance(model, PreTrainedModel)
    return model


@torch.no_grad()
def inherit(student: PreTrainedModel, teacher: PreTrainedModel, layers: tuple[int, ...]) -> None:
    """Copy the teacher's embeddings, the named layers, and what both have of pooler and decoder.

    What is copied computes what it computed: the student takes the teacher's settings with it.
    From BERT to DistilBERT the token types are dropped; the transform before the decoder stays
    random (DistilBERT's released extraction, without its `--vocab_transform`).

    Raises:
        CheckpointError: a tensor has no counterpart of its size, or the student's family cannot
            compute what the teacher computes.
    """
    _refuse_other_function(student.config, teacher.config)
    _take_settings(student, teacher.config)
    renamed = LAYER_TO_DISTILBERT if _crosses(student, teacher) else {}
    # DistilBERT has no token types; every other tensor that finds no counterpart is an error.
    _copy(embeddings_of(student), embeddings_of(teacher), {}, skip="token_type_embeddings")
    for ours, theirs in zip(layers_of(student), layers, strict=True):
        _copy(ours, layers_of(teacher)[theirs], renamed)
    poolers = [getattr(encoder_of(model), "pooler", None) for model in (student, teacher)]
    if poolers[0] is not None and poolers[1] is not None:
        _copy(poolers[0], poolers[1], {})
    _copy_decoder(student, teacher)


def _refuse_other_function(student: PretrainedConfig, teacher: PretrainedConfig) -> None:
    """What no setting of the student's family can express."""
    ours, theirs = str(student.model_type), str(teacher.model_type)
    where = f"a student of {ours} with layers of {theirs}"
    remedy = f"set start: fresh, or family: {theirs}"
    if ours == "distilbert" and epsilon_of(teacher) != EPSILON:
        given = f"the teacher's layer norms add {epsilon_of(teacher):g} (layer_norm_eps)"
        raise CheckpointError(
            Problem(where, given, f"{EPSILON:g}, which DistilBERT's modules always add", remedy)
        )
    if "roberta" in (ours, theirs) and ours != theirs:
        given = "RoBERTa numbers positions from its padding token, the other from 0"
        raise CheckpointError(Problem(where, given, f"a student of {theirs}", remedy))


def _take_settings(student: PreTrainedModel, teacher: PretrainedConfig) -> None:
    """Make the student anew, with its own weights, where its settings are not its teacher's."""
    settings = carried_settings(teacher, str(student.config.model_type))
    if student.config.model_type == teacher.model_type and hasattr(teacher, "type_vocab_size"):
        settings["type_vocab_size"] = teacher.type_vocab_size
    if all(getattr(student.config, name, None) == value for name, value in settings.items()):
        return
    config, training = copy.deepcopy(student.config), student.training
    config.update(settings)
    with torch.random.fork_rng(devices=[]):
        made = type(student)(config).to(device=student.device, dtype=student.dtype)
    places = made.state_dict()
    ours = {name: tensor for name, tensor in student.state_dict().items() if name in places}
    made.load_state_dict(
        {name: tensor for name, tensor in ours.items() if tensor.shape == places[name].shape},
        strict=False,
    )
    # The caller holds the student, so that it must become what was made.
    student.__dict__.update(made.train(training).__dict__)


def _crosses(student: PreTrainedModel, teacher: PreTrainedModel) -> bool:
    families = student.config.model_type, teacher.config.model_type
    return bool(families[0] == "distilbert" and families[1] != "distilbert")


def _copy(target: nn.Module, source: nn.Module, renamed: dict[str, str], skip: str = "-") -> None:
    wanted = dict(target.named_parameters())
    for name, tensor in source.named_parameters():
        part, _, kind = name.rpartition(".")
        ours = f"{renamed.get(part, part)}.{kind}"
        if ours in wanted:
            _copy_tensor(wanted.pop(ours), tensor, name)
        elif not part.startswith(skip):
            raise _no_counterpart(name)
    if wanted:
        raise _no_counterpart(next(iter(wanted)))


def _copy_tensor(target: Tensor, source: Tensor, name: str) -> None:
    if target.shape != source.shape:
        raise CheckpointError(
            Problem(
                f"{name} of the teacher",
                f"{tuple(source.shape)} does not fit the student's {tuple(target.shape)}",
                remedy="set start: fresh",
            )
        )
    target.copy_(source)


def _no_counterpart(name: str) -> CheckpointError:
    return CheckpointError(Problem(name, "this tensor has no counterpart in the other model"))


def _copy_decoder(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    ours, theirs = student.get_output_embeddings(), teacher.get_output_embeddings()
    if isinstance(ours, nn.Linear) and isinstance(theirs, nn.Linear) and ours.bias is not None:
        _copy_tensor(ours.weight, theirs.weight, "decoder.weight")
        _copy_tensor(ours.bias, theirs.bias, "decoder.bias")
