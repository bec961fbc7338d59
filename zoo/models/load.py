"""Loading model folders: exactly what their files hold; only a head may be added."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.activations import ACT2FN

from zoo.errors import CheckpointError, Problem, at
from zoo.json_files import read_json
from zoo.models.anatomy import FAMILIES, part_parameters
from zoo.models.configuration import ATTENTION, Head
from zoo.models.weights import FETCH, stored_names

_BODY = re.compile(r"(^|\.)(embeddings\.|embeddings_project\.|(encoder|transformer)\.layer\.)")
_NOT_LEARNT = ("position_ids", "token_type_ids")
"""Numbers that old checkpoints store besides their tables."""
_UNREADABLE = (
    *(OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError, AssertionError),
    *(ImportError, SafetensorError, StrictDataclassError),
)
"""What transformers raises on folders whose files do not fit each other."""


class _Rule(NamedTuple):
    """A key of config.json, its accepted values, and how to fix others."""

    key: str
    passes: Callable[[Any], bool]
    allowed: str
    remedy: str


_OTHER_MODEL = "use another model: these layers are unsupported"
_ACTIVATION = (
    lambda stated: stated in ACT2FN,
    "an activation of transformers, such as gelu, gelu_new, relu or silu",
    "correct its name",
)
_RULES = (
    _Rule(
        "position_embedding_type",
        lambda stated: stated == "absolute",
        "absolute: transformers would load these weights as such, and compute something else",
        _OTHER_MODEL,
    ),
    _Rule("is_decoder", lambda stated: stated is False, "false: an encoder", _OTHER_MODEL),
    _Rule("add_cross_attention", lambda stated: stated is False, "false: an encoder", _OTHER_MODEL),
    _Rule(
        "quantization_config",
        lambda _stated: False,
        "weights of 16, 32 or 64 bits",
        "use the model from before quantisation",
    ),
    _Rule("hidden_act", *_ACTIVATION),
    _Rule("activation", *_ACTIVATION),
)


@dataclass(frozen=True)
class Loaded:
    """A model, and the names of the parameters that its folder lacks: they are random."""

    model: PreTrainedModel
    invented: frozenset[str]


def load_weights(
    folder: Path, head: Head, *, seed: int, heads: int | None = None
) -> PreTrainedModel:
    """The model in a Hugging Face folder under a head; a head the folder lacks is random.

    `heads` cuts the same weights into another number of attention heads than the folder states.

    Raises:
        CheckpointError: as `loaded_weights`.
    """
    return loaded_weights(folder, head, seed=seed, heads=heads).model


def loaded_weights(folder: Path, head: Head, *, seed: int, heads: int | None = None) -> Loaded:
    """As `load_weights`, with the names of what is random.

    Raises:
        CheckpointError: the folder holds no safetensors, or they do not fit its configuration, or
            lack a part of the encoder or have more of it; or the configuration describes no
            encoder of a known family.
    """
    stored_names(folder)
    _refuse_configuration(folder / "config.json")
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
        except _UNREADABLE as error:
            reason = " ".join(str(error).split("\n")[:2])
            given = f"this model cannot be loaded: {reason}"
            raise CheckpointError(Problem(str(folder), given, remedy=FETCH)) from error
    assert isinstance(model, PreTrainedModel)
    _refuse_gaps(folder, model, report["missing_keys"])
    _refuse_more(folder, report["unexpected_keys"])
    return Loaded(model, frozenset(report["missing_keys"]))


def _refuse_configuration(path: Path) -> None:
    """Refuse what transformers would misread, all at once."""
    stated = _read(path)
    family = stated.get("model_type")
    known = ", ".join(sorted(FAMILIES))
    if family not in FAMILIES:
        given = "is missing" if family is None else f"is {family!r}, an unsupported family"
        remedy = "set the family of these weights" if family is None else ""
        raise CheckpointError(Problem(at(path, key="model_type"), given, known, remedy))
    wrong = [
        Problem(at(path, key=rule.key), f"is {stated[rule.key]!r}", rule.allowed, rule.remedy)
        for rule in _RULES
        if stated.get(rule.key) is not None and not rule.passes(stated[rule.key])
    ]
    if wrong:
        raise CheckpointError(*wrong)


def _read(path: Path) -> dict[str, Any]:
    stated: dict[str, Any] = read_json(path, remedy=FETCH, error=CheckpointError, endless=True)
    return stated


def _refuse_gaps(folder: Path, model: PreTrainedModel, missing: Collection[str]) -> None:
    """Only a head may be missing; transformers itself fills any gap with random weights."""
    body = {id(p) for part in ("embeddings", "encoder") for p in part_parameters(model, part)}
    gaps = sorted(
        name
        for name, parameter in model.named_parameters()
        if name in missing and id(parameter) in body
    )
    if gaps:
        given = f"{len(gaps)} encoder tensors are missing from its weights, first {gaps[0]}"
        allowed = "weights that fit config.json"
        raise CheckpointError(Problem(str(folder), given, allowed, FETCH))


def _refuse_more(folder: Path, unexpected: Collection[str]) -> None:
    """Heads may be left over, a part of the encoder not: the model would compute without it."""
    more = sorted(
        name for name in unexpected if _BODY.search(name) and not name.endswith(_NOT_LEARNT)
    )
    if more:
        given = (
            f"its weights contain {len(more)} encoder tensors that config.json does not describe, "
            f"first {more[0]}"
        )
        allowed = "weights that fit config.json"
        raise CheckpointError(Problem(str(folder), given, allowed, "correct config.json"))
