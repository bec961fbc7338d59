"""The attention stage: how far each head of a student is from the teacher's on dev splits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from zoo.data.batches import Encoded, collate, in_length_order
from zoo.data.sources import content_sha256, load_evaluation
from zoo.distil.layermap import mapped
from zoo.evaluation.built import BuiltRun
from zoo.evaluation.predict import BATCH_SIZE
from zoo.losses.attention import attention_kl
from zoo.losses.divergence import require_equal_heads
from zoo.models.anatomy import layers_of
from zoo.models.capture import Capture
from zoo.models.tap import Site, Tap
from zoo.paths import Project, new_folder
from zoo.records.attention import AttentionRecord, LayerDivergence
from zoo.records.environment import Environment, capture_environment
from zoo.records.text import write_record
from zoo.spec.recipe import RunRecipe
from zoo.spec.study import AttentionJob
from zoo.tensors.batch import Batch

_DECIMAL_PLACES = 6


def compare_attention(project: Project, job: AttentionJob) -> None:
    """Compare every run with its teacher's; the folder is created once all are done.

    Raises:
        CheckpointError: a run is not built.
        DataError: a split is missing.
    """
    environment = capture_environment(project.root)
    teachers = {run.task: run for run in job.beside}
    with new_folder(project.entry(job.suite, job.study).attention / job.entry) as folder:
        for run in job.runs:
            for record in _compared(project, job, run, teachers[run.task], environment):
                write_record(folder, record)


@dataclass(frozen=True)
class Divergences:
    """KL divergences of a student's heads from its teacher's, in nats."""

    layers: tuple[LayerDivergence, ...]
    rows: int
    """Real tokens that they are means over."""


@torch.inference_mode()
def attention_divergences(
    student: PreTrainedModel, teacher: PreTrainedModel, encoded: Encoded
) -> Divergences:
    """The divergence of every head, each layer beside the teacher's of the uniform map.

    Means over all real tokens of a split. Aguilar et al. (1910.03723, figure 5).

    Raises:
        ValueError: head counts differ.
        MisfitError: the teacher's depth is no multiple of the student's.
    """
    layers = mapped("uniform", len(layers_of(student)), len(layers_of(teacher)))
    ours = [Tap(Site.SCORES, layer) for layer in range(len(layers))]
    theirs = [Tap(Site.SCORES, layer) for layer in layers]
    sums, rows = torch.zeros(len(layers), 1, dtype=torch.float64), 0
    with Capture(student.eval(), ours) as learner, Capture(teacher.eval(), theirs) as guide:
        for chosen in in_length_order(encoded, BATCH_SIZE):
            batch = collate(encoded, chosen).to(student.device)
            seen, taught = learner(batch), guide(batch)
            pairs = [(seen[one], taught[other]) for one, other in zip(ours, theirs, strict=True)]
            real = int(batch.real.sum())
            sums = sums + real * torch.stack([_of_heads(*pair, batch) for pair in pairs])
            rows += real
    return Divergences(_stated(layers, sums / rows), rows)


def _of_heads(student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
    """The mean divergence of each head of (B, A, S, S) scores: (A,)."""
    require_equal_heads(student, teacher)
    heads = [[head] for head in range(student.shape[1])]
    found = [attention_kl(student[:, head], teacher[:, head], batch) for head in heads]
    return torch.stack(found).double().cpu()


def _stated(layers: Sequence[int], means: Tensor) -> tuple[LayerDivergence, ...]:
    # Equal distributions differ by rounding, to either side.
    rounded = [[round(max(0.0, value), _DECIMAL_PLACES) for value in of] for of in means.tolist()]
    return tuple(
        LayerDivergence(teacher_layer=layer, heads=tuple(heads))
        for layer, heads in zip(layers, rounded, strict=True)
    )


def _compared(
    project: Project, job: AttentionJob, run: RunRecipe, beside: RunRecipe, where: Environment
) -> Iterator[AttentionRecord]:
    """One record for every dev split."""
    student = BuiltRun.load(project, job, run)
    teacher = BuiltRun.load(project, job, beside, job.teacher)
    for split in load_evaluation(run.definition, run.settings, run.data).values():
        found = attention_divergences(student.model, teacher.model, student.encoded(split))
        yield AttentionRecord(
            **student.stated(where),
            teacher=job.teacher,
            teacher_sha256=teacher.identity.weights_sha256,
            split=split.name,
            data_sha256=content_sha256(split),
            rows=found.rows,
            layers=found.layers,
        )
