import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import onnx
import pytest
import torch

from tests import tiny
from tests.made import declare_again, identity, keep_job
from zoo.cli.export import export
from zoo.errors import CheckpointError, ExportError, UsageError
from zoo.export.exam import load_exam
from zoo.export.export_runs import export_runs
from zoo.export.quantise import InputFeed, quantise_int8_static
from zoo.models.checkpoint import save_checkpoint
from zoo.models.cost import parameter_counts
from zoo.paths import Project, onnx_name
from zoo.spec.bench import Export
from zoo.spec.measuring import ExportJob
from zoo.spec.task import TASKS

_TASKS = ("inference", "similarity", "span")
_EXPORT = Export(
    precisions=("fp32", "fp16", "int8", "int8-static"), examples=32, calibration=8, int8_loss=1.0
)

_PLAIN = """
import json, sys
import numpy, onnxruntime, tokenizers
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
tokenizer = tokenizers.Tokenizer.from_file(sys.argv[2])
tokenizer.enable_truncation(int(about["max_length"]), strategy="longest_first")
tokenizer.enable_padding()
answers = []
for texts in json.load(sys.stdin):
    encoded = tokenizer.encode_batch([tuple(text) for text in texts])
    columns = {
        "input_ids": [one.ids for one in encoded],
        "attention_mask": [one.attention_mask for one in encoded],
        "token_type_ids": [one.type_ids for one in encoded],
    }
    feeds = {entry.name: numpy.array(columns[entry.name]) for entry in session.get_inputs()}
    answers.append([answer.tolist() for answer in session.run(None, feeds)])
foreign = ("torch", "transformers", "z" + "oo")
assert not [name for name in sys.modules if name.split(".")[0] in foreign]
print(json.dumps({"about": about, "answers": answers}))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with one entry whose runs are built for three tasks, and the working folder."""
    project = Project(tmp_path)
    project.specs.mkdir()
    for task in _TASKS:
        made = identity(
            "e", "trained", task=task, declared=tiny.run(task).declared, digest="d" * 64
        )
        folder = project.entry("s", "e").checkpoint(task, 1)
        save_checkpoint(folder, tiny.model(task=task), tiny.tokenizer(), made)
    keep_job(project, "export", _job(_EXPORT))
    monkeypatch.chdir(tmp_path)
    return project


def _job(limits: Export, *tasks: str) -> ExportJob:
    return ExportJob(
        suite="s", entry="e", runs=tuple(tiny.run(task) for task in tasks or _TASKS), export=limits
    )


def test_the_stage_leaves_every_precision_with_its_record(project: Project) -> None:
    """Four files of a task, four whole records, and the tokenizer of the checkpoint."""
    export_runs(project, _job(_EXPORT, "inference"))
    folder = project.entry("s", "e").export
    precisions = ("fp32", "fp16", "int8", "int8-static")
    names = {onnx_name("inference", precision) for precision in precisions}
    records = {f"export-inference-{precision}-1.json" for precision in precisions}
    assert {path.name for path in folder.iterdir()} == {
        *names,
        *records,
        "tokenizer.json",
        "manifest.json",
    }
    total = parameter_counts(tiny.model(task="inference")).total
    for precision in precisions:
        record = json.loads((folder / f"export-inference-{precision}-1.json").read_text())
        file = folder / onnx_name("inference", precision)
        assert record["bytes"] == file.stat().st_size
        assert record["parameters"] == total
        assert record["compared"] == 32
        assert len(record["shapes"]) >= 5
        assert record["metric"] == "accuracy"
        assert abs(record["metric_model"] - record["metric_file"]) <= record["flips"] / 32
        assert (record["route"], record["max_length"]) == ("torchscript", 48)
        assert record["nodes"] > sum(record["fused"].values()) > 0
        properties = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
        assert properties == {
            "digest": "d" * 64,
            "entry": "s/e",
            "task": "inference",
            "labels": '["entailment", "neutral", "contradiction"]',
            "max_length": "48",
            "precision": precision,
            "route": "torchscript",
        }


@pytest.mark.parametrize(("declared", "expected"), [(8, 8), (500, 20)])
def test_calibration_reads_training_examples_without_padding(
    declared: int, expected: int, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of the task's training examples, at most what the suite trains on, each alone."""
    shown: list[tuple[int, ...]] = []

    def spy(source: Path, target: Path, feeds: Iterable[InputFeed]) -> None:
        feeds = list(feeds)
        shown.extend(tuple(feed["input_ids"][0]) for feed in feeds)
        assert all(feed["input_ids"].shape[0] == 1 for feed in feeds)
        assert all(feed["attention_mask"].all() for feed in feeds)
        quantise_int8_static(source, target, feeds)

    monkeypatch.setattr("zoo.export.export_runs.quantise_int8_static", spy)
    run = tiny.run("inference")
    run = run.model_copy(update={"settings": run.settings.model_copy(update={"train": 20})})
    declare_again(project.entry("s", "e").checkpoint(run.task, run.seed), run.declared)
    limits = _EXPORT.model_copy(update={"precisions": ("int8-static",), "calibration": declared})
    export_runs(project, _job(limits).model_copy(update={"runs": (run,)}))
    training = tiny.encoded("inference", 20).features[:expected]
    assert shown == [feature.input_ids for feature in training]


@pytest.mark.parametrize("limits", [{"tolerance": 1e-12}, {"fp16_tolerance": 1e-9}])
def test_a_breach_leaves_no_folder(limits: dict[str, float], project: Project) -> None:
    """Whichever file fails, nothing of the entry's export appears."""
    with pytest.raises(ExportError, match="logits differ"):
        export_runs(project, _job(_EXPORT.model_copy(update=limits), "inference"))
    root = project.entry("s", "e").root
    assert [path.name for path in root.iterdir()] == ["runs"]


@pytest.mark.parametrize("task", _TASKS)
def test_a_folder_serves_without_the_checkpoint_or_the_zoo(task: str, project: Project) -> None:
    """onnxruntime and tokenizers alone give the model's logits on real texts, for every head."""
    export_runs(project, _job(Export(examples=32, precisions=("fp32",)), task))
    folder = project.entry("s", "e").export
    examples = load_exam(tiny.run(task), tiny.tokenizer(), 12).encoded.split.examples
    texts = [[e.question, e.context] if task == "span" else [e.first, e.second] for e in examples]
    batches = [texts[:1], texts[1:4], texts[4:12]]
    assert "zoo" not in _PLAIN
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            _PLAIN,
            folder / onnx_name(task, "fp32"),
            folder / "tokenizer.json",
        ],
        input=json.dumps(batches),
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert tuple(json.loads(told["about"]["labels"])) == TASKS[task].labels
    model, tokenizer = tiny.model(task=task).eval(), tiny.tokenizer()
    shapes = set()
    for batch, answers in zip(batches, told["answers"], strict=True):
        pieces = tokenizer(
            [first for first, _ in batch],
            [second for _, second in batch],
            padding=True,
            truncation="longest_first",
            max_length=48,
            return_tensors="pt",
        )
        shapes.add(tuple(pieces["input_ids"].shape))
        with torch.no_grad():
            output = model(**pieces)
        names = ("start_logits", "end_logits") if task == "span" else ("logits",)
        for name, answer in zip(names, answers, strict=True):
            torch.testing.assert_close(torch.tensor(answer), output[name], rtol=0, atol=1e-5)
    assert len(shapes) == 3


def _export(entry: str = "s/e", **options: object) -> str:
    defaults = {"task": None, "precisions": (), "route": None, "out": None, "as_json": False}
    return export(entry, **{**defaults, **options})


def test_the_verb_writes_what_was_asked_for_beside_what_is_there(project: Project) -> None:
    """One task in two precisions; other files stay, and the table tells the figures."""
    out = project.root / "served"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    text = _export(task="similarity", precisions=["int8"], out=out)
    names = ["similarity-fp32.onnx", "similarity-int8.onnx"]
    records = ["export-similarity-fp32-1.json", "export-similarity-int8-1.json"]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*names, *records, "manifest.json", "notes.txt", "tokenizer.json"]
    )
    heading, full, small, last = text.splitlines()
    assert heading.split() == [
        "file", "bytes", "error", "flips", "metric", "model", "exported", "parameters", "fused",
    ]  # fmt: skip
    size = f"{(out / names[0]).stat().st_size:,}"
    assert full.split()[:2] == [names[0], size]
    assert full.split()[3:5] == ["0/32", "pearson"]
    assert small.startswith(names[1])
    assert last == "tokenizer.json is in the same folder"


def test_the_verb_tells_programs_the_records(project: Project) -> None:
    """JSON holds the records; by default the files lie in the entry's own folder."""
    told = json.loads(_export(task="span", precisions=["fp32"], as_json=True))
    folder = project.entry("s", "e").root / "onnx"
    assert [record["precision"] for record in told] == ["fp32"]
    assert told[0]["bytes"] == (folder / "span-fp32.onnx").stat().st_size


def test_a_breach_takes_older_files_away(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure nothing stands that could be taken for this call's file."""
    out = project.root / "served"
    out.mkdir()
    (out / "span-fp32.onnx").write_bytes(b"older")
    monkeypatch.setattr("zoo.cli.export.read_job", lambda *_: _strict())
    with pytest.raises(ExportError):
        _export(task="span", precisions=["fp32"], out=out)
    assert list(out.iterdir()) == []
    assert not [path for path in project.root.iterdir() if path.name.startswith(".served")]


def _strict() -> ExportJob:
    return _job(_EXPORT.model_copy(update={"tolerance": 1e-12}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"task": "spam"},
            (
                "task 'spam': there is no such task\n"
                "  allowed: inference, similarity, span\n  fix: did you mean 'span'?"
            ),
        ),
        (
            {"precisions": ["int4"]},
            (
                "precision 'int4': there is no such precision\n"
                "  allowed: fp32, fp16, int8, int8-static\n  fix: did you mean 'int8'?"
            ),
        ),
        (
            {"route": "dynamos"},
            (
                "route 'dynamos': there is no such route\n"
                "  allowed: torchscript, dynamo\n  fix: did you mean 'dynamo'?"
            ),
        ),
    ],
)
def test_wrong_usage_is_told(options: dict[str, object], message: str, project: Project) -> None:
    """What does not exist is named with what does."""
    with pytest.raises(UsageError) as caught:
        _export(**options)
    assert str(caught.value) == message
    assert sorted(path.name for path in project.entry("s", "e").root.iterdir()) == ["runs"]


def test_an_entry_that_is_not_built_says_how(project: Project) -> None:
    """A missing checkpoint names the command that makes it."""
    project.entry("s", "e").checkpoint("span", 1).rename(project.root / "gone")
    with pytest.raises(CheckpointError) as caught:
        _export()
    assert str(caught.value) == (
        "build/s/e/runs/span/1: this checkpoint is not built\n  fix: build it with `zoo run s/e`"
    )
