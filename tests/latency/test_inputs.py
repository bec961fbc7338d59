import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from tests import tiny
from zoo.data import pocket
from zoo.data.batches import encode
from zoo.data.examples import SpanExample
from zoo.errors import MeasurementError
from zoo.latency.inputs import Tokeniser, drawn_inputs, lengths_of, warmup_turns
from zoo.latency.report import InputShape, Replay, ReplayExample, TimedModel
from zoo.spec.task import TASKS, Reader, TaskKind

_TASKS = [name for name, task in TASKS.items() if task.reader is Reader.GENERATOR]


def _length(length: int) -> dict[str, np.ndarray]:
    return {"input_ids": np.zeros((1, length), dtype=np.int64)}


def _replay(task: str, max_length: int = 48, max_query: int = 16) -> tuple[Replay, list]:
    examples = pocket.split(task, "dev", 40, 0).examples
    asked = [
        ReplayExample(first=each.question, second=each.context)
        if isinstance(each, SpanExample)
        else ReplayExample(first=each.first, second=each.second)
        for each in examples
    ]
    span = TASKS[task].kind is TaskKind.SPAN
    return Replay(
        examples=tuple(asked), span=span, max_length=max_length, max_query=max_query
    ), list(examples)


def test_inputs_are_drawn_once_and_for_all(student: TimedModel) -> None:
    """Same seed, same pieces, all real, none of them padding, the whole vocabulary in use."""
    shape = InputShape(batch=256, length=64)
    inputs = drawn_inputs(student.folder, shape, seed=5)
    again = drawn_inputs(student.folder, shape, seed=5)
    assert all(np.array_equal(inputs[name], again[name]) for name in inputs)
    assert not np.array_equal(
        inputs["input_ids"], drawn_inputs(student.folder, shape, seed=6)["input_ids"]
    )
    assert set(inputs["input_ids"].flatten().tolist()) == set(range(1, 600))
    assert {name: (call.shape, call.dtype) for name, call in inputs.items()} == dict.fromkeys(
        ("input_ids", "attention_mask", "token_type_ids"), ((256, 64), np.dtype(np.int64))
    )
    assert inputs["attention_mask"].min() == 1
    assert inputs["token_type_ids"].max() == 0


def test_roberta_counts_positions_after_its_padding_piece(tmp_path: Path) -> None:
    """Two of RoBERTa's positions are for padding; its padding piece is not drawn."""
    config = {"model_type": "roberta", "vocab_size": 40, "max_position_embeddings": 34}
    (tmp_path / "config.json").write_text(json.dumps(config))
    inputs = drawn_inputs(tmp_path, InputShape(batch=64, length=32), seed=0)
    assert set(inputs["input_ids"].flatten().tolist()) == set(range(40)) - {1}
    with pytest.raises(MeasurementError) as caught:
        drawn_inputs(tmp_path, InputShape(batch=1, length=33), seed=0)
    assert str(caught.value) == (
        f"{tmp_path}: length: 33 tokens\n"
        "  allowed: 1 to 32, the number of positions of this checkpoint\n"
        "  fix: measure shorter inputs"
    )


def test_a_configuration_without_sizes_is_refused(tmp_path: Path) -> None:
    """All missing keys are named; a file that is no JSON is, too."""
    path = tmp_path / "config.json"
    path.write_text("{}")
    shape = InputShape(batch=1, length=1)
    with pytest.raises(MeasurementError) as caught:
        drawn_inputs(tmp_path, shape, seed=0)
    assert str(caught.value) == (
        f"{path}: vocab_size: missing\n  allowed: an integer\n"
        f"{path}: max_position_embeddings: missing\n  allowed: an integer"
    )
    path.write_text("{")
    with pytest.raises(MeasurementError) as caught:
        drawn_inputs(tmp_path, shape, seed=0)
    assert str(caught.value) == (
        f"{path}:1: column 2: not JSON: Expecting property name enclosed in double quotes\n"
        "  fix: take the config.json of a checkpoint"
    )


@pytest.mark.parametrize("max_length", [20, 48])
@pytest.mark.parametrize("task", _TASKS)
def test_replayed_pieces_are_those_that_scoring_reads(
    task: str, max_length: int, student: TimedModel
) -> None:
    """Ids and segments of each example, of a long context the first window, cut or not."""
    replay, _ = _replay(task, max_length, max_query=5)
    settings = tiny.SETTINGS.model_copy(update={"max_length": max_length, "max_query": 5})
    tokenizer = AutoTokenizer.from_pretrained(student.folder)
    split = pocket.split(task, "dev", 40, 0)
    features = encode(TASKS[task], split, settings, tokenizer).features
    first = {feature.example: feature for feature in reversed(features)}
    calls = Tokeniser(student.folder, replay).inputs()
    assert len(calls) == len(first) == 40
    for example, call in enumerate(calls):
        assert call["input_ids"].tolist() == [list(first[example].input_ids)]
        assert call["token_type_ids"].tolist() == [list(first[example].token_type_ids)]
        assert call["attention_mask"].min() == 1


def test_examples_come_again_from_the_first(student: TimedModel) -> None:
    """Rounds beyond the examples go through them again."""
    replay, _ = _replay("inference")
    tokeniser = Tokeniser(student.folder, replay)
    assert tokeniser(40).ids == tokeniser(0).ids != tokeniser(1).ids == tokeniser(41).ids


def test_a_length_without_room_is_refused(student: TimedModel) -> None:
    """A question as long as allowed leaves room for a piece of its context, or nothing is cut."""
    replay, _ = _replay("span", max_length=19, max_query=16)
    with pytest.raises(MeasurementError) as caught:
        Tokeniser(student.folder, replay)
    assert str(caught.value) == (
        f"{student.folder}: max_length: 19 tokens leave no room for text\n"
        "  allowed: more than 19\n"
        "  fix: raise the task's max_length or lower its max_query"
    )


def test_lengths_and_warm_up_go_from_shortest_to_longest() -> None:
    """Five examples that stand at even steps in the order of length; fewer if there are fewer."""
    inputs = [_length(length) for length in (9, 3, 7, 5, 1, 8, 2, 6, 4)]
    assert lengths_of(inputs) == (1, 5, 9)
    assert [inputs[turn]["input_ids"].shape[1] for turn in warmup_turns(inputs)] == [1, 3, 5, 7, 9]
    assert lengths_of(inputs[:2]) == (3, 3, 9)
    assert warmup_turns(inputs[:2]) == (1, 0)
    assert warmup_turns(inputs[:1]) == (0,)


def test_onnx_cells_import_neither_torch_nor_transformers(student: TimedModel) -> None:
    """What an ONNX engine imports, and an ONNX runner with it, is light."""
    program = f"""
import sys
import zoo.latency.engine, zoo.latency.onnx_runner
from pathlib import Path
from zoo.latency.inputs import drawn_inputs
from zoo.latency.report import InputShape
from zoo.spec.bench import RUNTIMES
inputs = [drawn_inputs(Path({str(student.folder)!r}), InputShape(batch=1, length=8), 0)]
file = Path({str(student.onnx["fp32"])!r})
zoo.latency.onnx_runner.OnnxRunner(RUNTIMES["onnx-fp32"], file, inputs, "cpu", 1)(0)
print({{"torch", "transformers", "scipy", "datasets"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"set()"
