"""Building models from shapes, and giving students their first weights."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    PretrainedConfig,
    PreTrainedModel,
    RobertaConfig,
)

from zoo.errors import CheckpointError, Problem
from zoo.models.anatomy import (
    FAMILIES,
    LAYER_TO_DISTILBERT,
    embeddings_of,
    encoder_of,
    layers_of,
    part_parameters,
)
from zoo.spec.shape import Shape
from zoo.spec.task import Task, TaskKind

ATTENTION = "eager"
"""Kernel for training: on CPU its backward is faster than SDPA's (docs/log.md)."""


@dataclass(frozen=True)
class Head:
    """What a model answers: masked pieces when `task` is None, a task otherwise.

    `pooled` keeps a pretrained pooler beside the masked-piece head, for tasks to come.
    """

    task: Task | None = None
    pooled: bool = False

    @property
    def auto_class(self) -> Any:
        """The transformers class that builds it."""
        if self.task is None:
            return AutoModelForPreTraining if self.pooled else AutoModelForMaskedLM
        if self.task.kind is TaskKind.SPAN:
            return AutoModelForQuestionAnswering
        return AutoModelForSequenceClassification

    @property
    def settings(self) -> dict[str, Any]:
        """What the configuration must say of the head."""
        if self.task is None:
            return {}
        settings: dict[str, Any] = {"num_labels": self.task.outputs}
        if self.task.labels:
            settings["id2label"] = dict(enumerate(self.task.labels))
            settings["label2id"] = {label: index for index, label in enumerate(self.task.labels)}
        return settings


MASKED_LM = Head()


def build(
    shape: Shape, head: Head, *, seed: int, initializer_range: float | None = None
) -> PreTrainedModel:
    """A model with random weights that depend on nothing but the shape, the head and the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = configuration(shape, head)
        if initializer_range is not None:
            config.initializer_range = initializer_range
        model = head.auto_class.from_config(config, attn_implementation=ATTENTION)
    assert isinstance(model, PreTrainedModel)
    return model


def load_weights(
    folder: Path, head: Head, *, seed: int, heads: int | None = None
) -> PreTrainedModel:
    """The model in a Hugging Face folder under a head; a head the folder lacks is random.

    `heads` cuts the same weights into another number of attention heads than the folder states.

    Raises:
        CheckpointError: the folder holds no safetensors, or they do not fit its configuration, or
            lack a part of the encoder.
    """
    if not (folder / "model.safetensors").is_file():
        raise CheckpointError(
            Problem(
                str(folder),
                "there is no model.safetensors here",
                "a folder with config.json and model.safetensors",
                "other formats are never loaded; convert the weights to safetensors",
            )
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model, report = head.auto_class.from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                attn_implementation=ATTENTION,
                dtype=torch.float32,
                output_loading_info=True,
                **head.settings,
                **({} if heads is None else {"num_attention_heads": heads}),
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = str(error).splitlines()[0]
            raise CheckpointError(
                Problem(
                    str(folder),
                    f"this model cannot be loaded: {reason}",
                    remedy="fetch or build it again",
                )
            ) from error
    assert isinstance(model, PreTrainedModel)
    _refuse_gaps(folder, model, report["missing_keys"])
    return model


def _refuse_gaps(folder: Path, model: PreTrainedModel, missing: Collection[str]) -> None:
    """Only a head may be missing; transformers itself fills any gap with random weights."""
    body = {id(p) for part in ("embeddings", "encoder") for p in part_parameters(model, part)}
    gaps = sorted(
        name
        for name, parameter in model.named_parameters()
        if name in missing and id(parameter) in body
    )
    if gaps:
        raise CheckpointError(
            Problem(
                str(folder),
                f"its weights lack {len(gaps)} tensors of the encoder, the first is {gaps[0]}",
                "weights that fit config.json",
                "fetch or build it again",
            )
        )


def configuration(shape: Shape, head: Head) -> PretrainedConfig:
    """The transformers configuration of a shape."""
    if shape.family == "distilbert":
        return DistilBertConfig(
            vocab_size=shape.vocabulary,
            max_position_embeddings=shape.positions,
            dim=shape.hidden,
            n_layers=shape.layers,
            n_heads=shape.heads,
            hidden_dim=shape.intermediate,
            **head.settings,
        )
    classes = {"bert": BertConfig, "roberta": RobertaConfig, "electra": ElectraConfig}
    settings = dict(head.settings)
    if shape.family == "electra":
        settings["embedding_size"] = shape.hidden
    extra = 2 if shape.family == "roberta" else 0
    return classes[shape.family](
        vocab_size=shape.vocabulary,
        max_position_embeddings=shape.positions + extra,
        type_vocab_size=shape.token_types,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate,
        **settings,
    )


def shape_of(config: PretrainedConfig) -> Shape:
    """The shape that a configuration describes.

    Raises:
        CheckpointError: no shape describes it.
    """
    family = str(config.model_type)
    width = getattr(config, "embedding_size", config.hidden_size)
    if family not in FAMILIES or width != config.hidden_size:
        given = f"embeddings of width {width} beside hidden states of {config.hidden_size}"
        raise CheckpointError(
            Problem(
                f"a configuration of type {family!r}",
                given if family in FAMILIES else "this family is not known",
                f"{', '.join(sorted(FAMILIES))}, with embeddings as wide as hidden states",
            )
        )
    inner = config.hidden_dim if family == "distilbert" else config.intermediate_size
    extra = 2 if family == "roberta" else 0
    return Shape(
        family=family,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        intermediate=inner,
        vocabulary=config.vocab_size,
        positions=config.max_position_embeddings - extra,
    )


@torch.no_grad()
def inherit(student: PreTrainedModel, teacher: PreTrainedModel, layers: tuple[int, ...]) -> None:
    """Copy the teacher's embeddings, the named layers, and what both have of pooler and decoder.

    From BERT to DistilBERT the token types are dropped; the transform before the decoder stays
    random (DistilBERT's released extraction, without its `--vocab_transform`).

    Raises:
        CheckpointError: a tensor has no counterpart of its size.
    """
    renamed = LAYER_TO_DISTILBERT if _crosses(student, teacher) else {}
    _copy(embeddings_of(student), embeddings_of(teacher), {}, skip="token_type_embeddings")
    for ours, theirs in zip(layers_of(student), layers, strict=True):
        _copy(ours, layers_of(teacher)[theirs], renamed)
    poolers = [getattr(encoder_of(model), "pooler", None) for model in (student, teacher)]
    if poolers[0] is not None and poolers[1] is not None:
        _copy(poolers[0], poolers[1], {})
    _copy_decoder(student, teacher)


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
                remedy="state start: fresh",
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
