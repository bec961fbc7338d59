"""Configurations: what a shape says, what a head says, and all else, which a teacher says."""

import copy
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
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
from zoo.models.anatomy import FAMILIES
from zoo.spec.shape import Shape
from zoo.spec.task import Task, TaskKind

ATTENTION = "eager"
"""Kernel for training: on CPU its backward is faster than SDPA's (docs/log.md)."""

EPSILON = 1e-12
"""BERT's addend under the root of layer norms; DistilBERT's modules know no other."""

_CLASSES: dict[str, type[PretrainedConfig]] = {
    "bert": BertConfig,
    "distilbert": DistilBertConfig,
    "electra": ElectraConfig,
    "roberta": RobertaConfig,
}
_PROBLEMS = {
    TaskKind.CLASSIFICATION: "single_label_classification",
    TaskKind.REGRESSION: "regression",
}
"""What transformers calls kinds of task."""

_OF_SHAPE = {
    *("vocab_size", "max_position_embeddings", "type_vocab_size", "embedding_size"),
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    *("dim", "n_layers", "n_heads", "hidden_dim"),
}
_OF_HEAD = {"num_labels", "id2label", "label2id", "problem_type"}
_OF_FILE = {
    *("model_type", "architectures", "transformers_version", "dtype", "torch_dtype"),
    *("_name_or_path", "name_or_path", "_attn_implementation", "attn_implementation"),
    *("output_attentions", "output_hidden_states", "return_dict", "is_encoder_decoder"),
}
_ACROSS = (
    *("hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range"),
    *("layer_norm_eps", "pad_token_id", "tie_word_embeddings"),
)
"""What families have in common besides their shapes, by BERT's names."""
_RENAMED = {
    "distilbert": {
        "hidden_act": "activation",
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    }
}


@dataclass(frozen=True)
class Head:
    """What a model predicts: masked tokens when `task` is None, a task otherwise.

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
        if self.task.kind in _PROBLEMS:
            settings["problem_type"] = _PROBLEMS[self.task.kind]
        if self.task.labels:
            settings["id2label"] = dict(enumerate(self.task.labels))
            settings["label2id"] = {label: index for index, label in enumerate(self.task.labels)}
        return settings


MASKED_LM = Head()


def configuration(
    shape: Shape, head: Head, like: PretrainedConfig | None = None
) -> PretrainedConfig:
    """The transformers configuration of a shape; what a shape does not say is as in `like`.

    Without `like` it is as in the family's class.
    """
    rest = {} if like is None else carried_settings(like, shape.family)
    return _CLASSES[shape.family](**rest, **_sizes(shape), **head.settings)


def carried_settings(source: PretrainedConfig, family: str) -> dict[str, Any]:
    """What a configuration says besides its shape and head, in the keys of a family.

    Between two families these are the settings that both know.
    """
    if source.model_type == family:
        stated = copy.deepcopy(source.to_dict())
        left_out = _OF_SHAPE | _OF_HEAD | _OF_FILE
        return {name: value for name, value in stated.items() if name not in left_out}
    theirs, ours = _RENAMED.get(str(source.model_type), {}), _RENAMED.get(family, {})
    known = _CLASSES[family]()
    found = {
        ours.get(name, name): getattr(source, theirs.get(name, name), None) for name in _ACROSS
    }
    return {
        name: value for name, value in found.items() if value is not None and hasattr(known, name)
    }


def epsilon_of(config: PretrainedConfig) -> float:
    """The addend under the root of its layer norms."""
    return float(getattr(config, "layer_norm_eps", EPSILON))


def longest_input(config: PretrainedConfig) -> int:
    """How many tokens a model of `config` has positions for."""
    positions = int(config.max_position_embeddings)
    if config.model_type == "roberta":
        return positions - int(config.pad_token_id) - 1
    return positions


def input_names(model: PreTrainedModel) -> tuple[str, ...]:
    """The inputs that a model tells apart: segments only where it knows more than one."""
    segments = int(getattr(model.config, "type_vocab_size", 0)) > 1
    return ("input_ids", "attention_mask", *(("token_type_ids",) if segments else ()))


def shape_of(config: PretrainedConfig) -> Shape:
    """The shape that a configuration describes.

    Raises:
        CheckpointError: no shape describes it.
    """
    family = str(config.model_type)
    width = getattr(config, "embedding_size", config.hidden_size)
    if family not in FAMILIES or width != config.hidden_size:
        given = f"an embedding size of {width} with a hidden size of {config.hidden_size}"
        raise CheckpointError(
            Problem(
                f"a configuration of type {family!r}",
                given if family in FAMILIES else "unsupported family",
                f"{', '.join(sorted(FAMILIES))}, with equal embedding and hidden sizes",
            )
        )
    inner = config.hidden_dim if family == "distilbert" else config.intermediate_size
    extra = 2 if family == "roberta" else 0
    stated = {
        "family": family,
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "heads": config.num_attention_heads,
        "intermediate": inner,
        "vocabulary": config.vocab_size,
        "positions": config.max_position_embeddings - extra,
        "token_types": None if family == "distilbert" else config.type_vocab_size,
    }
    try:
        return Shape.model_validate(stated)
    except ValidationError as error:
        where = f"a configuration of type {family!r}"
        raise CheckpointError(
            *(
                Problem(where, f"{key} {problem['input']!r}: {problem['msg']}")
                for problem in error.errors()
                for key in [".".join(map(str, problem["loc"])) or "shape"]
            )
        ) from error


def _sizes(shape: Shape) -> dict[str, Any]:
    if shape.family == "distilbert":
        return {
            "vocab_size": shape.vocabulary,
            "max_position_embeddings": shape.positions,
            "dim": shape.hidden,
            "n_layers": shape.layers,
            "n_heads": shape.heads,
            "hidden_dim": shape.intermediate,
        }
    return {
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions + (2 if shape.family == "roberta" else 0),
        "type_vocab_size": shape.segments,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.intermediate,
        **({"embedding_size": shape.hidden} if shape.family == "electra" else {}),
    }
