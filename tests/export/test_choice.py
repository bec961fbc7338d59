"""int8 candidates compared on training examples, and timed together."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.made import identity
from zoo.data.sources import load_train
from zoo.export import choice
from zoo.export.choice import choose_scheme, cpu_ms
from zoo.export.exam import Exam, singly
from zoo.export.export_runs import export_runs
from zoo.export.onnx import export_onnx
from zoo.export.parity import Parity, measure_parity
from zoo.export.quantise import quantise_int8
from zoo.models.checkpoint import save_checkpoint
from zoo.paths import Project, file_sha256, onnx_name
from zoo.records.choice import Choice, choose
from zoo.records.export import ExportRecord
from zoo.records.store import read_record
from zoo.spec.bench import Export, Scheme
from zoo.spec.measuring import ExportJob

LOOSE = {"examples": 32, "int8_flips": 1.0, "int8_loss": 1.0}
TASK = "inference"


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """An fp32 file."""
    path = tmp_path / "full.onnx"
    export_onnx(tiny.model(task=TASK), path, max_length=48, metadata={})
    return path


@pytest.fixture
def exam() -> Exam:
    """Sixteen examples one by one."""
    return singly(tiny.encoded(TASK, 16), tiny.SETTINGS)


def writer(full: Path, scheme: Scheme) -> Callable[[Path], None]:
    return lambda draft: quantise_int8(full, draft, scheme)


def test_candidates_are_compared_with_the_fp32_file(full: Path, exam: Exam) -> None:
    """Each by its own bytes and answers; a file that is the fp32 file changes nothing."""
    writers = {
        "dynamic": writer(full, "dynamic"),
        "static": lambda draft: draft.write_bytes(full.read_bytes()),
    }
    made = choose_scheme(full, writers, exam, 1.0)
    dynamic, same = made.candidates
    assert (made.examples, made.tokens, made.most_loss) == (16, 48, 1.0)
    assert (same.scheme, same.bytes, same.flips, same.mean_abs_error, same.loss) == (
        "static", full.stat().st_size, 0, 0.0, 0.0,
    )  # fmt: skip
    assert dynamic.bytes < same.bytes
    assert dynamic.mean_abs_error > 0
    assert made.fp32_cpu_ms > 0
    assert same.cpu_ms > 0


def test_a_file_with_infinite_logits_is_not_chosen(
    full: Path, exam: Exam, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its figures are missing in the record, and another candidate is taken."""
    verdicts = iter([math.nan, 0.5])

    def measured(*given: Any) -> Parity:
        return replace(measure_parity(*given), mean_abs_error=next(verdicts))

    monkeypatch.setattr(choice, "measure_parity", measured)
    writers = {scheme: writer(full, scheme) for scheme in ("dynamic", "mixed")}
    made = choose_scheme(full, writers, exam, 1.0)
    assert [one.mean_abs_error for one in made.candidates] == [None, 0.5]
    assert made.chosen == "mixed"


def test_a_file_takes_its_turn_at_every_place(exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread each; the median of the rounds after warming up, in milliseconds."""
    clock, order = [0.0], []
    seconds = {"a": 0.002, "b": 0.004, "c": 0.008}

    def forward_of_file(file: Path, threads: int) -> Callable[..., None]:
        assert threads == 1

        def forward(_: object) -> None:
            order.append(file.name)
            cold = len(order) <= 9
            clock[0] += 1.0 if cold else seconds[file.name]

        return forward

    monkeypatch.setattr(choice, "forward_of_file", forward_of_file)
    monkeypatch.setattr(choice.time, "process_time", lambda: clock[0])
    taken = cpu_ms([Path("a"), Path("b"), Path("c")], exam.batches[0], rounds=2)
    assert taken == pytest.approx([2.0, 4.0, 8.0])
    assert "".join(order[:9]) == "abcbcacab"


def test_the_timed_sequence_is_as_long_as_the_task_allows(exam: Exam) -> None:
    """A real sequence repeated: 128 tokens at most, none of them padding."""
    for longest, length in ((48, 48), (500, 128)):
        settings = tiny.SETTINGS.model_copy(update={"max_length": longest})
        call = choice._timed_call(Exam(exam.encoded, settings, exam.batches))
        assert {tuple(t.shape) for t in (call.input_ids, call.token_type_ids)} == {(1, length)}
        assert bool(call.real.all())
        rows = {tuple(batch.input_ids[0].tolist()) for batch in exam.batches}
        first = max(map(len, rows))
        assert tuple(call.input_ids[0, :first].tolist()) in rows


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An entry with one run."""
    project = Project(tmp_path / "project")
    made = identity("e", "trained", task=TASK, declared=tiny.run(TASK).declared)
    save_checkpoint(
        project.entry("s", "e").checkpoint(TASK, 1), tiny.model(task=TASK), tiny.tokenizer(), made
    )
    return project


def exported(project: Project, **stated: object) -> ExportRecord:
    """The record of the int8 file that the stage writes."""
    export = Export.model_validate(LOOSE | stated)
    export_runs(project, ExportJob(suite="s", entry="e", runs=(tiny.run(TASK),), export=export))
    record = read_record(project.entry("s", "e").export / f"export-{TASK}-int8-1.json")
    assert isinstance(record, ExportRecord)
    return record


def test_the_stage_exports_what_the_rule_chooses(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule, applied to what the record says, gives the scheme of the exported file."""
    pace = {"dynamic": 9.0, "mixed": 4.0, "blockwise": 4.1}
    monkeypatch.setattr(
        choice, "cpu_ms", lambda files, _: [pace.get(file.stem, 20.0) for file in files]
    )
    schemes = ("dynamic", "mixed", "blockwise")
    record = exported(project, int8_candidates=schemes, choice_examples=24, choice_loss=1.0)
    made = record.choice
    assert made is not None
    assert tuple(one.scheme for one in made.candidates) == schemes
    assert [one.cpu_ms for one in made.candidates] == [9.0, 4.0, 4.1]
    assert (made.fp32_cpu_ms, made.examples) == (20.0, 24)
    best, why = choose(made.candidates, made.most_loss)
    assert (best.scheme, why) == (made.chosen, made.why)
    assert made.chosen in ("mixed", "blockwise")
    folder = project.entry("s", "e").export
    wanted = tmp_path / "wanted.onnx"
    quantise_int8(folder / onnx_name(TASK, "fp32"), wanted, made.chosen)
    assert record.file_sha256 == file_sha256(wanted)
    assert best.bytes == record.bytes


def test_candidates_see_the_last_training_examples(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never those that the board scores, nor the first, which calibrate."""
    seen: list[tuple[str, ...]] = []

    def spy(full: Path, writers: dict, exam: Exam, most_loss: float) -> Choice:
        seen.append(tuple(example.id for example in exam.encoded.split.examples))
        assert all(bool(batch.real.all()) for batch in exam.batches)
        return choose_scheme(full, writers, exam, most_loss)

    monkeypatch.setattr("zoo.export.export_runs.choose_scheme", spy)
    exported(project, int8_candidates=("dynamic", "static"), choice_examples=10)
    run = tiny.run(TASK)
    train = load_train(run.definition, run.settings, run.data).examples
    assert seen == [tuple(example.id for example in train[-10:])]


def test_one_candidate_is_exported_unasked(project: Project) -> None:
    """Nothing is compared, and records are what they were before there were candidates."""
    for scheme in ("dynamic", "blockwise"):
        record = exported(project, int8_candidates=(scheme,))
        assert record.choice is None
        folder = project.entry("s", "e").export
        stated = json.loads((folder / f"{record.name}.json").read_text())
        assert {"choice", "kept"}.isdisjoint(stated)
        again = folder / "again.onnx"
        quantise_int8(folder / onnx_name(TASK, "fp32"), again, scheme)
        assert record.file_sha256 == file_sha256(again)
        again.unlink()


def test_what_a_file_keeps_is_measured_on_the_whole_split(project: Project) -> None:
    """All dev examples, though the exam compares fewer; the fp32 file has nothing to lose."""
    record = exported(project, scored=True)
    assert record.compared == 32
    (kept,) = record.kept
    assert (kept.split, kept.examples) == ("dev", 500)
    assert kept.score is not None
    assert kept.score_fp32 is not None
    assert kept.lost == pytest.approx(kept.score_fp32 - kept.score, abs=1e-5)
    assert kept.low is not None
    assert kept.high is not None
    assert kept.low <= kept.lost <= kept.high
    assert abs(kept.lost) <= kept.flips / 500
    full = read_record(project.entry("s", "e").export / f"export-{TASK}-fp32-1.json")
    assert isinstance(full, ExportRecord)
    assert full.kept == ()
