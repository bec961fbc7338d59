"""Initial weights from elsewhere, accepted only as declared and with the right tokenizer."""

from dataclasses import replace
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from zoo.errors import CheckpointError, Problem, at
from zoo.models.checkpoint import load_tokenizer
from zoo.models.identity import Wanted, read_identity, verified
from zoo.paths import Project
from zoo.spec.base import Inputs
from zoo.spec.jobs import PretrainJob
from zoo.spec.recipe import Given, TransferredSource
from zoo.training.fetch import Brought, fetch_source, load_declared, source_sha256

_TOLD = 3
"""Pieces that a message names; it says how many there are."""
_ROLES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")


def given_weights(project: Project, job: PretrainJob, source: Given) -> Brought:
    """What a source holds; a student's tokenizer is its teacher's.

    Raises:
        CheckpointError: they cannot be had, are not as declared, or the tokenizer that lies beside
            a student's weights is not its teacher's.
    """
    student = job.teacher is not None
    if isinstance(source, TransferredSource):
        folder = _transferred(project, job, source)
        brought = load_declared(folder, source.shape, student=student)
    else:
        brought = fetch_source(source, job.places, student=student)
    if job.teacher is None:
        return brought
    theirs = load_tokenizer(project.entry(job.suite, job.teacher).pretrained)
    _refuse_other_tokenizer(job, brought.tokenizer, theirs)
    return replace(brought, tokenizer=theirs)


def given_inputs(project: Project, job: PretrainJob, source: Given) -> Inputs:
    """What weights are brought from, by content; and the teacher whose tokenizer they must have.

    Raises:
        CheckpointError: as `given_weights`.
    """
    if isinstance(source, TransferredSource):
        found = {"transferred": read_identity(_transferred(project, job, source)).digest}
    else:
        found = {"weights": source_sha256(source)}
    if job.teacher is not None:
        teacher = project.entry(job.suite, job.teacher).pretrained
        found["tokenizer of"] = read_identity(teacher).digest
    return found


def _transferred(project: Project, job: PretrainJob, source: TransferredSource) -> Path:
    """What the entry left, if it is what the spec means."""
    assert job.origin is not None
    folder = project.entry(job.suite, job.origin).transferred
    verified(folder, Wanted(job.suite, job.origin, "transferred", source.transfer))
    return folder


def _refuse_other_tokenizer(
    job: PretrainJob, ours: PreTrainedTokenizerBase, theirs: PreTrainedTokenizerBase
) -> None:
    """Weights know tokens by id: both tokenizers must assign the same ids."""
    differing = _differing_pieces(ours.get_vocab(), theirs.get_vocab())
    roles = [
        f"{role} is {getattr(ours, role)!r} here and {getattr(theirs, role)!r} there"
        for role in _ROLES
        if getattr(ours, role) != getattr(theirs, role)
    ]
    if not differing and not roles:
        return
    whole = len(ours.get_vocab().keys() | theirs.get_vocab().keys())
    counted = [f"{len(differing)} of {whole} tokens differ"] if differing else []
    more = ["..."] if len(differing) > _TOLD else []
    told = "; ".join([*counted, *differing[:_TOLD], *more, *roles])
    raise CheckpointError(
        Problem(
            at(f"{job.suite}/{job.entry}", key="student.start"),
            f"the tokenizer of these weights differs from that of teacher {job.teacher!r}: {told}",
            "the same vocabulary with the same ids, and the same special tokens",
            "choose another `start`, or a teacher with this tokenizer",
        )
    )


def _differing_pieces(ours: dict[str, int], theirs: dict[str, int]) -> list[str]:
    """Tokens with different ids or missing on one side, in the order of our ids."""
    pieces = [*sorted(ours, key=ours.__getitem__), *sorted(theirs.keys() - ours.keys())]
    return [
        f"{piece!r} is {ours.get(piece, 'missing')} here and {theirs.get(piece, 'missing')} there"
        for piece in pieces
        if ours.get(piece) != theirs.get(piece)
    ]
