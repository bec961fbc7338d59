"""Checkpoints: plain transformers folders plus a small zoo.json that identifies them."""

import copy
import json
from collections.abc import Collection
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from zoo.errors import CheckpointError, Problem, at
from zoo.json_files import read_json, shortened
from zoo.models.anatomy import anatomy_of
from zoo.models.configuration import Head, input_names, longest_input
from zoo.models.identity import IDENTITY_FILE, REBUILD, Identity, Wanted, hashed_files, verified
from zoo.models.load import load_weights
from zoo.models.weights import stored_names
from zoo.paths import new_folder
from zoo.spec.task import Task


def save_checkpoint(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    identity: Identity,
    left_out: Collection[str] = (),
) -> None:
    """Write a checkpoint with the hashes of its files, atomically.

    Parameters that are `left_out` are not written: nobody trained them.
    """
    kept = {name: value for name, value in model.state_dict().items() if name not in left_out}
    with new_folder(folder) as fresh:
        model.save_pretrained(fresh, state_dict=kept if left_out else None)
        fitted(tokenizer, model).save_pretrained(fresh)
        whole = identity.model_copy(update={"files": hashed_files(fresh)})
        text = json.dumps(whole.model_dump(mode="json"), indent=2, sort_keys=True)
        (fresh / IDENTITY_FILE).write_text(text + "\n", encoding="utf-8")


def fitted(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> PreTrainedTokenizerBase:
    """The tokenizer with what transformers must know of its model.

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
                f"this checkpoint predicts {identity.task or 'masked tokens'}",
                f"one that predicts {answers or 'masked tokens'}",
            )
        )
    if head.task is not None:
        _refuse_other_labels(folder, head.task)
    return load_weights(folder, head, seed=identity.seed), load_tokenizer(folder)


def _refuse_other_labels(folder: Path, task: Task) -> None:
    """Hold the labels of the configuration against the task's, which `load_weights` puts there."""
    path = folder / "config.json"
    if not path.is_file():
        return  # load_weights tells what is wrong with the folder
    config = read_json(path, dict, remedy=REBUILD, error=CheckpointError)
    stated = config.get("id2label") or {}
    if not isinstance(stated, dict) or not all(map(str.isdecimal, stated)):
        given = f"not labels by class id: {shortened(stated)}"
        raise CheckpointError(Problem(at(path, key="id2label"), given, "an object", REBUILD))
    labels = [stated[number] for number in sorted(stated, key=int)]
    if task.labels and labels != list(task.labels):
        raise CheckpointError(
            Problem(
                at(path, key="id2label"),
                f"the labels are {', '.join(map(str, labels)) or 'not stated'}",
                f"{', '.join(task.labels)}, in this order",
                "build it again: its class ids would change meaning",
            )
        )


def require_word_head(folder: Path, model: PreTrainedModel) -> None:
    """Check that a checkpoint's weights contain the masked-language-model head.

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
                f"these weights have no masked-language-model head: missing {needed}",
                "a model with its masked-language-model head",
                "declare `words` in the teacher's spec to train one, use another teacher (for "
                "ELECTRA, the generator), or a method that compares no logits on text",
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
    except Exception as error:  # the tokenizers library raises no narrower one
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        if not folder.is_dir():
            reason = "there is no such folder"
        raise CheckpointError(
            Problem(
                str(folder),
                f"no readable tokenizer here: {reason}",
                "tokenizer.json, or the vocabulary files of the family, in UTF-8",
                "add the tokenizer files that belong to these weights",
            )
        ) from error
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    if not tokenizer.is_fast:
        given = f"{type(tokenizer).__name__} is not backed by the tokenizers library"
        remedy = "save it as tokenizer.json with save_pretrained() of transformers"
        raise CheckpointError(Problem(str(folder), given, remedy=remedy))
    if len(tokenizer) < 10:
        raise CheckpointError(
            Problem(str(folder), f"the vocabulary has {len(tokenizer)} tokens", "a vocabulary")
        )
    return tokenizer
