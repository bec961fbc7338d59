"""The attention stage: each head beside the teacher's, over real tokens alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from tests import tiny
from tests.made import identity
from zoo.data.batches import Encoded, collate, encode
from zoo.data.sources import content_sha256, load_evaluation
from zoo.distil.method import MisfitError
from zoo.evaluation.attention import attention_divergences, compare_attention
from zoo.models.anatomy import layers_of
from zoo.models.capture import model_inputs
from zoo.models.checkpoint import save_checkpoint
from zoo.paths import Project
from zoo.records.attention import AttentionRecord
from zoo.records.store import read_records
from zoo.spec.data import PocketData, TaskSettings
from zoo.spec.study import AttentionJob
from zoo.spec.task import TASKS

SMALL = TaskSettings(train=24, dev=70, max_length=48)


def probabilities(model: PreTrainedModel, encoded: Encoded, row: int) -> NDArray[np.float64]:
    """What the model itself says that its heads attend to, (L, A, S, S), without any padding."""
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        output = model.eval()(
            **model_inputs(model, collate(encoded, [row])), output_attentions=True
        )
    return torch.cat(output.attentions).double().numpy()


def test_every_head_is_compared_over_the_tokens_of_the_split() -> None:
    """As by hand, sequence by sequence; the last of every two layers of the teacher."""
    student, teacher = tiny.model(task="sentiment"), tiny.model(tiny.TEACHER, "sentiment", seed=1)
    encoded = tiny.encoded("sentiment", 70)  # more than a batch, of several lengths
    found = attention_divergences(student, teacher, encoded)
    sums, rows = 0.0, 0
    for row in range(len(encoded.features)):
        ours, theirs = (probabilities(model, encoded, row) for model in (student, teacher))
        taught = theirs[1::2]
        sums = sums + (taught * np.log(taught / ours)).sum(-1).sum(-1)
        rows += ours.shape[-1]
    assert found.rows == rows
    assert [layer.teacher_layer for layer in found.layers] == [1, 3]
    assert [layer.heads for layer in found.layers] == [
        pytest.approx(heads, rel=1e-3, abs=1e-5) for heads in sums / rows
    ]


def test_a_model_is_not_far_from_its_like() -> None:
    student, alike = (tiny.model(task="sentiment") for _ in range(2))
    found = attention_divergences(student, alike, tiny.encoded("sentiment"))
    assert {value for layer in found.layers for value in layer.heads} == {0.0}


def test_what_cannot_be_compared_is_refused() -> None:
    """Other heads, or layers without a counterpart."""
    student = tiny.model(task="sentiment")
    heads = tiny.STUDENT.model_copy(update={"heads": 1})
    with pytest.raises(ValueError, match="cannot be compared head by head"):
        attention_divergences(tiny.model(heads, "sentiment"), student, tiny.encoded("sentiment"))
    odd = tiny.STUDENT.model_copy(update={"layers": tiny.STUDENT.layers + 1})
    with pytest.raises(MisfitError):
        attention_divergences(student, tiny.model(odd, "sentiment"), tiny.encoded("sentiment"))


def test_runs_are_compared_with_their_teachers_run(tmp_path: Path) -> None:
    """Every seed with the one run of the teacher; records name both by their weights."""
    project, runs = Project(tmp_path), [tiny.run("sentiment", seed, SMALL) for seed in (1, 2)]
    for entry, run, shape in (
        ("e", runs[0], None),
        ("e", runs[1], None),
        ("t", runs[0], tiny.TEACHER),
    ):
        made = identity(entry, "trained", task=run.task, declared=run.declared, seed=run.seed)
        model = tiny.model(shape or tiny.STUDENT, "sentiment", seed=run.seed)
        folder = project.entry("s", entry).checkpoint(run.task, run.seed)
        save_checkpoint(folder, model, tiny.tokenizer(), made)
    job = AttentionJob(
        suite="s", entry="e", study="st", teacher="t", runs=tuple(runs), beside=(runs[0],)
    )
    compare_attention(project, job)
    found = read_records(project.entry("s", "st").attention / "e")
    assert [record.name for record in found] == [
        "attention-sentiment-dev-1",
        "attention-sentiment-dev-2",
    ]
    split = load_evaluation(TASKS["sentiment"], SMALL, PocketData())["dev"]
    encoded = encode(TASKS["sentiment"], split, SMALL, tiny.tokenizer())
    for record in found:
        assert isinstance(record, AttentionRecord)
        assert (record.entry, record.teacher, record.split) == ("e", "t", "dev")
        assert record.data_sha256 == content_sha256(split)
        assert len(record.layers) == len(layers_of(tiny.model()))
        assert record.rows == sum(len(feature.input_ids) for feature in encoded.features)
        every = [value for layer in record.layers for value in layer.heads]
        assert record.mean == pytest.approx(np.mean(every))
    first, second = found
    assert first.layers != second.layers
    assert first.teacher_sha256 == second.teacher_sha256
    assert first.weights_sha256 != second.weights_sha256
