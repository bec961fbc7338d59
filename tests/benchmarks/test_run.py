"""The benchmark's command: what it measures, what it leaves out, and the tables it prints."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.utils import parameters_to_vector

from benchmarks import run
from benchmarks.cases import CASES, QUICK, Case
from benchmarks.engines import ENGINES, OURS, Engine
from benchmarks.measure import Cost
from benchmarks.same_work import three_steps
from benchmarks.table import Comparison, engines_table, goals_table
from benchmarks.work import Workload, text_rows

FIXED = Case("fixed shapes", None, 1, 0.9)
FAST, SLOW = Engine("fast", "plain"), Engine("slow", "plain")


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the engines that were measured, at stated CPU seconds."""
    asked: list[str] = []
    took = {OURS.name: 1.0, "fast": 2.0, "slow": 9.0}

    def cost_of(engine: Engine, work: Workload) -> Cost:
        asked.append(engine.name)
        return Cost(took[engine.name], work.steps)

    monkeypatch.setattr(run, "cost_of", cost_of)
    return asked


def test_engines_take_turns_and_the_slow_ones_are_measured_once(seconds: list[str]) -> None:
    work = three_steps((1, 1), 64, 200)
    found = run.compared(FIXED, "fp32", work, [OURS, FAST, SLOW], 3)
    assert seconds == [OURS.name, "fast", "slow", "fast", OURS.name, OURS.name, "fast"]
    assert {name: len(costs) for name, costs in found.costs.items()} == {
        OURS.name: 3,
        "fast": 3,
        "slow": 1,
    }


def test_another_number_of_steps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "cost_of", lambda *_: Cost(1.0, 2))
    with pytest.raises(RuntimeError, match="distilzoo: 2 steps instead of 3"):
        run.compared(FIXED, "fp32", three_steps((1, 1), 64, 200), [OURS], 1)


def test_engines_are_compared_in_a_precision_that_they_have(seconds: list[str]) -> None:
    fp32_only = Engine("slow", "plain", precisions=("fp32",))
    run.compared(FIXED, "bf16", three_steps((1, 1), 64, 200), [OURS, fp32_only], 1)
    assert seconds == [OURS.name]


def test_tables() -> None:
    ours = [Cost(2.0, 8), Cost(3.0, 8), Cost(2.5, 8)]
    theirs = [Cost(4.0, 8), Cost(5.0, 8), Cost(4.0, 8)]
    found = Comparison(FIXED, "fp32", {"ours": ours, "best": theirs, "slow": [Cost(20.0, 8)]})
    assert engines_table([found]).splitlines()[2:] == [
        "| fixed shapes | fp32 | ours | 3 | 8 | 2.5 [2.0, 3.0] |  |",
        "| fixed shapes | fp32 | best | 3 | 8 | 4.0 [4.0, 5.0] | 0.600 [0.500, 0.625] |",
        "| fixed shapes | fp32 | slow | 1 | 8 | 20.0 | 0.100 |",
    ]
    assert goals_table([found]).splitlines()[2:] == [
        "| fixed shapes | fp32 | best | 0.600 [0.500, 0.625] | <= 0.9 | yes |"
    ]


@pytest.mark.usefixtures("seconds")
def test_the_command_prints_tables_and_writes_every_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ZOO_DATA", raising=False)
    monkeypatch.setattr(run, "ENGINES", (OURS, Engine("missing", "plain", needs=("no_such",))))
    monkeypatch.setattr(run, "CASES", (FIXED, CASES[-1]))
    monkeypatch.setattr(Case, "work", lambda *_: three_steps((1, 1), 64, 200))
    run.main(["--quick", "--json", str(tmp_path / "found.json")])
    printed = capsys.readouterr()
    assert "| fixed shapes | bf16 | distilzoo | 1 | 3 | 1.0 |  |" in printed.out
    assert "missing is left out: pip install" in printed.err
    assert "MRPC, 3 epochs is left out: set ZOO_DATA" in printed.err
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["comparisons"][0]["cpu_s"] == {OURS.name: [1.0]}
    assert found["size"] == QUICK._asdict()
    assert "torch" in found["environment"]["libraries"]


def test_engines_that_differ_are_not_timed(
    monkeypatch: pytest.MonkeyPatch, seconds: list[str]
) -> None:
    monkeypatch.setattr(run, "ENGINES", ENGINES[:1])
    monkeypatch.setattr(run, "differences", lambda *_: {"other": 1e-3, "broken": float("nan")})
    with pytest.raises(SystemExit, match="not the same work within 1e-05: other, broken"):
        run.main(["--quick"])
    assert not seconds


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run.main(["--help"])
    assert left.value.code == 0
    assert "--quick" in capsys.readouterr().out


def test_text_is_the_first_rows_of_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film"]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    file = tmp_path / "glue" / "SST-2" / "train.tsv"
    file.parent.mkdir(parents=True)
    file.write_text("sentence\tlabel\ngood film\t1\nbad film\t0\nbad\t0\n", encoding="utf-8")
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    rows = text_rows("sst2", 2, tmp_path / "vocab.txt")
    assert [feature.input_ids for feature in rows.features] == [(2, 5, 7, 3), (2, 6, 7, 3)]


def test_ours_may_find_what_a_first_training_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --stored, and nobody else."""
    monkeypatch.setattr(run, "ENGINES", ENGINES[:3])
    found = {engine.name: engine.options for engine in run._installed(stored=True)}
    assert found.pop(OURS.name) == {"stored": True}
    assert found == {engine.name: engine.options for engine in ENGINES[1:3]}


def test_a_stored_training_asks_no_teacher(tmp_path: Path) -> None:
    """It ends with the weights of the first one."""
    once = three_steps((2, 1), 64, 200)
    # In a second epoch it is tried whether what is stored is what the teacher gives.
    work = replace(once, optimise=once.optimise.model_copy(update={"epochs": 2.0}))
    first = parameters_to_vector(OURS.prepare(work, tmp_path / "cold")().parameters())
    training = replace(OURS, options={"stored": True}).prepare(work, tmp_path / "warm")
    work.teacher.requires_grad_(requires_grad=True)  # which a training refuses
    assert torch.equal(parameters_to_vector(training().parameters()), first)
