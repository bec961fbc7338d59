"""Checkpoints: plain transformers folders plus a small zoo.json that says what they are."""

import json
from pathlib import Path

from safetensors import safe_open
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from zoo.errors import CheckpointError, Problem, at
from zoo.json_files import read_json, shortened
from zoo.models.anatomy import anatomy_of
from zoo.models.build import Head, load_weights
from zoo.models.identity import IDENTITY_FILE, Identity, Wanted, hashed_files, verified
from zoo.paths import new_folder
from zoo.spec.task import Task


def save_checkpoint(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    identity: Identity,
) -> None:
    """Write a checkpoint with the hashes of its files: the whole folder appears, or nothing."""
    with new_folder(folder) as fresh:
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        whole = identity.model_copy(update={"files": hashed_files(fresh)})
        text = json.dumps(whole.model_dump(mode="json"), indent=2, sort_keys=True)
        (fresh / IDENTITY_FILE).write_text(text + "\n", encoding="utf-8")


def load_checkpoint(
    folder: Path, head: Head, wanted: Wanted | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and tokenizer of one of the zoo's checkpoints, with the head it was saved with.

    Raises:
        CheckpointError: it is not one of the zoo's or not the wanted one, its bytes are others than
            it was saved with, it answers another task, or has the task's classes in another order.
    """
    identity = verified(folder, wanted)
    answers = head.task.name if head.task else None
    if identity.task != answers:
        raise CheckpointError(
            Problem(
                str(folder),
                f"this checkpoint answers {identity.task or 'masked pieces'}",
                f"one for {answers or 'masked pieces'}",
            )
        )
    if head.task is not None:
        _refuse_other_labels(folder, head.task)
    return load_weights(folder, head, seed=identity.seed), load_tokenizer(folder)


def _refuse_other_labels(folder: Path, task: Task) -> None:
    """Hold the labels of the configuration against the task's, which `load_weights` puts there."""
    path = folder / "config.json"
    remedy = "build it with `dvc repro`, or `dvc checkout` to restore it"
    if not path.is_file():
        return  # load_weights tells what is wrong with the folder
    config = read_json(path, dict, remedy=remedy, error=CheckpointError)
    stated = config.get("id2label") or {}
    if not isinstance(stated, dict) or not all(map(str.isdecimal, stated)):
        given = f"not labels by class id: {shortened(stated)}"
        raise CheckpointError(Problem(at(path, key="id2label"), given, "an object", remedy))
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
    needed = f"{anatomy_of(model).head_dense}.weight"
    with safe_open(folder / "model.safetensors", framework="pt") as weights:
        known = set(weights.keys())
    if needed not in known:
        raise CheckpointError(
            Problem(
                str(folder),
                f"these weights answer no masked pieces: there is no {needed}",
                "a model with its masked-language-model head",
                "take another teacher (of ELECTRA the generator), or a method that compares"
                " no logits on text",
            )
        )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a model folder.

    Raises:
        CheckpointError: there is none, or it knows no words.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise CheckpointError(
            Problem(str(folder), f"there is no tokenizer here: {str(error).splitlines()[0]}")
        ) from error
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    if len(tokenizer) < 10:
        raise CheckpointError(
            Problem(str(folder), f"this tokenizer knows {len(tokenizer)} pieces", "a vocabulary")
        )
    return tokenizer
