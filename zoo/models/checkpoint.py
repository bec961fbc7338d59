"""Checkpoints: plain transformers folders plus a small zoo.json that says what they are."""

import copy
import json
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from zoo.errors import CheckpointError, Problem, at
from zoo.models.anatomy import anatomy_of
from zoo.models.configuration import Head, input_names, longest_input
from zoo.models.load import load_weights
from zoo.models.weights import stored_names
from zoo.paths import new_folder
from zoo.spec.base import Spec
from zoo.spec.task import Task

IDENTITY_FILE = "zoo.json"


class Identity(Spec):
    """What a checkpoint is: where it stands in the zoo, and the digest of what made it."""

    schema_version: int = 1
    suite: str
    entry: str
    stage: str
    """pretrained, transferred or trained."""
    task: str | None = None
    seed: int
    digest: str
    """sha256 of the resolved spec that made it."""


def save_checkpoint(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    identity: Identity,
    left_out: Collection[str] = (),
) -> None:
    """Write a checkpoint: the whole folder appears, or nothing does.

    Parameters that are `left_out` are not written: nobody trained them.
    """
    kept = {name: value for name, value in model.state_dict().items() if name not in left_out}
    with new_folder(folder) as fresh:
        model.save_pretrained(fresh, state_dict=kept if left_out else None)
        fitted(tokenizer, model).save_pretrained(fresh)
        text = json.dumps(identity.model_dump(mode="json"), indent=2, sort_keys=True)
        (fresh / IDENTITY_FILE).write_text(text + "\n", encoding="utf-8")


def fitted(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> PreTrainedTokenizerBase:
    """The tokenizer with what transformers must know of the model beside it.

    Its pipelines cut texts to `model_max_length` and give a model what `model_input_names` lists.
    """
    ours = copy.deepcopy(tokenizer)
    ours.backend_tokenizer.no_truncation()
    ours.backend_tokenizer.no_padding()
    ours.model_max_length = longest_input(model.config)
    names = list(input_names(model))
    if set(names) != set(ours.model_input_names):
        # Only what a tokenizer was made with is written.
        ours.model_input_names = ours.init_kwargs["model_input_names"] = names
    return ours


def load_checkpoint(folder: Path, head: Head) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and tokenizer of one of the zoo's checkpoints, with the head it was saved with.

    Raises:
        CheckpointError: it is not one of the zoo's, is incomplete, answers another task, or has
            the task's classes in another order.
    """
    identity = read_identity(folder)
    wanted = head.task.name if head.task else None
    if identity.task != wanted:
        raise CheckpointError(
            Problem(
                str(folder),
                f"this checkpoint answers {identity.task or 'masked pieces'}",
                f"one for {wanted or 'masked pieces'}",
            )
        )
    if head.task is not None:
        _refuse_other_labels(folder, head.task)
    return load_weights(folder, head, seed=identity.seed), load_tokenizer(folder)


def _refuse_other_labels(folder: Path, task: Task) -> None:
    """Hold the labels of the configuration against the task's, which `load_weights` puts there."""
    path = folder / "config.json"
    try:
        stated = json.loads(path.read_text(encoding="utf-8")).get("id2label") or {}
    except (OSError, ValueError):
        return  # load_weights tells what is wrong with the folder
    labels = [stated[number] for number in sorted(stated, key=int)]
    if task.labels and labels != list(task.labels):
        raise CheckpointError(
            Problem(
                at(path, key="id2label"),
                f"the labels are {', '.join(map(str, labels)) or 'not stated'}",
                f"{', '.join(task.labels)}, in this order",
                "build it again: its class ids would mean something else",
            )
        )


def require_word_head(folder: Path, model: PreTrainedModel) -> None:
    """Let a checkpoint pass whose weights hold the head that answers masked pieces.

    transformers gives a model without one a random head, from which nothing could be learnt.

    Raises:
        CheckpointError: the weights lack it.
    """
    anatomy, known = anatomy_of(model), stored_names(folder)
    parts = (f"{part}.{kind}" for part in anatomy.head for kind in ("weight", "bias"))
    needed = next((name for name in parts if name not in known), None)
    if needed is not None:
        raise CheckpointError(
            Problem(
                str(folder),
                f"these weights answer no masked pieces: there is no {needed}",
                "a model with its masked-language-model head",
                "take another teacher (of ELECTRA the generator), or a method that compares"
                " no logits on text",
            )
        )


def read_identity(folder: Path) -> Identity:
    """The zoo.json of a checkpoint.

    Raises:
        CheckpointError: there is none, or it is not ours.
    """
    path = folder / IDENTITY_FILE
    try:
        return Identity.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(
            Problem(
                str(path),
                "this checkpoint is missing or not one of the zoo's",
                remedy="build it with `dvc repro`, or `dvc checkout` to restore it",
            )
        ) from error
    except ValueError as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise CheckpointError(
            Problem(
                str(path),
                f"not an identity of a checkpoint: {first}",
                remedy="build it with `dvc repro`, or `dvc checkout` to restore it",
            )
        ) from error


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a model folder.

    Raises:
        CheckpointError: there is none, or it knows no words.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the tokenizers library raises no narrower one
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        if not folder.is_dir():
            reason = "there is no such folder"
        raise CheckpointError(
            Problem(
                str(folder),
                f"there is no tokenizer here that can be read: {reason}",
                "tokenizer.json, or the vocabulary files of the family, in UTF-8",
                "bring the files that belong to these weights",
            )
        ) from error
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    if not tokenizer.is_fast:
        given = f"{type(tokenizer).__name__} is not one of the tokenizers library"
        remedy = "save it as tokenizer.json with save_pretrained() of transformers"
        raise CheckpointError(Problem(str(folder), given, remedy=remedy))
    if len(tokenizer) < 10:
        raise CheckpointError(
            Problem(str(folder), f"this tokenizer knows {len(tokenizer)} pieces", "a vocabulary")
        )
    return tokenizer
