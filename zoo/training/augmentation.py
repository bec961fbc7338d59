"""Augmented task data: made once by the pretrained teacher, cached in scratch.

augmented/<task>-<digest>.jsonl    one copy a line: its id, first, second and label
"""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from transformers import PreTrainedTokenizerBase

from zoo.data.augment import augmented, augmented_size
from zoo.data.batches import Encoded, TaskFeed, encode
from zoo.data.examples import Example, Split, TextExample
from zoo.data.masked_words import MaskedWords
from zoo.data.reading import refuse, text_lines
from zoo.data.sources import content_sha256
from zoo.data.word_vectors import WordVectors
from zoo.errors import DataError, Problem, at
from zoo.files import unreadable
from zoo.models.build import MASKED_LM
from zoo.models.checkpoint import load_checkpoint, require_word_head
from zoo.models.identity import read_identity
from zoo.paths import Project, data_folder, file_sha256, write_file
from zoo.resolve.plan import Phase
from zoo.spec.augment import Augment
from zoo.spec.base import Inputs, content, digest
from zoo.spec.jobs import TrainJob
from zoo.spec.recipe import RunRecipe
from zoo.training.device import training_device
from zoo.training.word_head import refuse_weak_words

MAKING = 1
"""Incremented when the same inputs give other copies, so that old ones are not reused."""

_LINE = TypeAdapter(TextExample)


def task_feed(
    project: Project,
    job: TrainJob,
    run: RunRecipe,
    encoded: Encoded,
    tokenizer: PreTrainedTokenizerBase,
) -> Callable[[Phase], TaskFeed]:
    """The batches of each phase of a run: of its training examples, or of these and their copies.

    Raises:
        DataError, CheckpointError, TrainingError: as `augmented_task`, once copies are asked for.
    """

    @cache
    def more() -> Encoded:
        split = augmented_task(project, job, run, encoded.split)
        return encode(encoded.task, split, run.settings, tokenizer)

    def feed(phase: Phase) -> TaskFeed:
        data = more() if phase.stage.data == "augmented" else encoded
        return TaskFeed(data, phase.optimise.batch_size, run.seed)

    return feed


def augmented_task(project: Project, job: TrainJob, run: RunRecipe, split: Split) -> Split:
    """The training examples of a run with their copies; the teacher is loaded to make them only.

    Raises:
        DataError: the word vectors are missing, or what is kept in scratch is damaged.
        CheckpointError: the pretrained teacher is missing.
        TrainingError: its masked-language-model head failed its gate.
    """
    augment = run.recipe.augment
    assert augment is not None  # spec/cross.py refuses a stage that reads what nothing declares
    refuse_weak_words(project, job, run.recipe.teacher.source)
    pretrained = project.entry(job.suite, job.teacher).pretrained
    vectors = _vectors_file(augment)
    identity = digest(
        [
            MAKING,
            content(augment),
            run.task,
            run.settings.max_length,
            content_sha256(split),
            _files_sha256(pretrained),
            vectors and file_sha256(vectors),
        ]
    )
    file = project.scratch / "augmented" / f"{run.task}-{identity[:16]}.jsonl"
    if not file.is_file():
        model, tokenizer = load_checkpoint(pretrained, MASKED_LM)
        require_word_head(pretrained, model)
        masked = MaskedWords(model.to(training_device()), tokenizer, run.settings.max_length)
        near = WordVectors.read(vectors) if vectors else None
        made = augmented(split, augment, masked, near)
        # Only the copies: the originals are read anew, and a change of them is another digest.
        _write(file, made.examples[len(split.examples) :])
    total = augmented_size(len(split.examples), augment)
    examples = (*split.examples, *_read(file, total - len(split.examples)))
    return Split(split.name, examples[:total], split.skipped)


def augmentation_inputs(project: Project, job: TrainJob, augment: Augment) -> Inputs:
    """What the copies of a run's examples are made of besides the examples.

    Raises:
        DataError, CheckpointError: as `augmented_task`.
    """
    pretrained = project.entry(job.suite, job.teacher).pretrained
    vectors = _vectors_file(augment)
    found = {"augmented by": read_identity(pretrained).digest}
    return found | ({"word vectors": file_sha256(vectors)} if vectors else {})


def _vectors_file(augment: Augment) -> Path | None:
    if augment.word_vectors is None:
        return None
    folder = data_folder()
    file = (folder or Path()) / augment.word_vectors
    given = unreadable(file) if folder else "ZOO_DATA is not set"
    if given:
        raise DataError(
            Problem(
                f"augment.word_vectors {file}",
                given,
                "a text file of word vectors below $ZOO_DATA",
                "put the file there, or remove word_vectors: words of several tokens are then kept",
            )
        )
    return file


def _files_sha256(folder: Path) -> str:
    """Of the weights and tokenizer themselves: two trainings of one spec may differ."""
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        whole.update(f"{path.name} {file_sha256(path)}".encode())
    return whole.hexdigest()


def _write(file: Path, copies: tuple[Example, ...]) -> None:
    lines = [json.dumps(vars(copy), ensure_ascii=False) + "\n" for copy in copies]
    write_file(file, "".join(lines))


def _read(file: Path, expected: int) -> list[TextExample]:
    problems: list[Problem] = []
    remedy = "remove this file: it will be rebuilt"
    copies: list[TextExample] = []
    for line, text in text_lines(file, problems):
        try:
            copies.append(_LINE.validate_json(text, strict=True))
        except ValidationError as error:
            given = f"not an example: {error.errors()[0]['msg']}"
            problems.append(Problem(at(file, line), given, remedy=remedy))
    if not problems and len(copies) != max(0, expected):
        problems.append(Problem(at(file), f"{len(copies)} copies", f"{expected}", remedy))
    refuse(problems, str(file))
    return copies
