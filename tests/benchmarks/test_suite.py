"""`python -m benchmarks.suite`: in what order it builds, when it stops, and what it expects."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import suite as command
from benchmarks.plan import estimate as plan
from benchmarks.plan.estimate import Estimate, Estimator, estimate
from benchmarks.plan.flops import LENGTHS, Amount, Curve, phase_costs
from benchmarks.plan.pace import Calibration, Pace, Paces, fitted
from benchmarks.plan.reading import Data
from benchmarks.plan.report import estimate_table
from benchmarks.plan.work import RunWork, Works
from tests.pipeline.conftest import FILES, Load, load, make_project
from tests.tiny import STUDENT, TEACHER, model
from zoo.distil.method import Setting
from zoo.errors import UsageError
from zoo.methods import method_class, stages_of
from zoo.models.build import Head
from zoo.models.cost import forward_flops
from zoo.paths import Project
from zoo.pipeline.compile import entry_pipeline
from zoo.resolve.entry import ResolvedSuite, read_suite
from zoo.resolve.plan import Phase
from zoo.spec.optimise import Optimise
from zoo.spec.task import TASKS

__all__ = ["load"]

ORDER = ["teacher", "finetune", "distilbert", "kd"]
HEAD = Head(TASKS["sentiment"])


def test_teachers_are_built_first_then_twins(load: Load) -> None:
    suite = load()
    assert command.build_order(suite, []) == ORDER
    assert command.build_order(suite, ["kd", "finetune", "kd"]) == ["kd", "finetune"]


def test_an_unknown_entry_is_named(load: Load) -> None:
    with pytest.raises(UsageError) as raised:
        command.build_order(load(), ["kd", "missing"])
    assert str(raised.value) == (
        "missing: tiny has no entry or study 'missing'\n"
        "  allowed: teacher, distilbert, finetune, kd"
    )


def nothing(suite: str) -> Estimate:
    return Estimate(suite, 1, 1, (), 0.0, Paces())


def test_entries_are_built_in_turn_and_then_the_board(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(command, "_zoo_run", lambda target, _jobs: ran.append(target) or 0)
    assert command.build(load(), ORDER, 2, nothing("tiny")) == 0
    assert ran == [*(f"tiny/{name}" for name in ORDER), "tiny"]
    told = capsys.readouterr().out.splitlines()
    assert len(told) == len(ORDER)
    assert told[0].startswith("tiny/teacher: ")
    assert "CPU hours (0 estimated)" in told[0]


def test_some_entries_make_no_board(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(command, "_zoo_run", lambda target, _jobs: ran.append(target) or 0)
    assert command.build(load(), ["kd"], 2, nothing("tiny")) == 0
    assert ran == ["tiny/kd"]


def test_an_interruption_ends_the_build_with_its_exit_code(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def interrupted(target: str, _jobs: int) -> int:
        ran.append(target)
        return 130 if target == "tiny/finetune" else 0

    monkeypatch.setattr(command, "_zoo_run", interrupted)
    assert command.build(load(), ORDER, 2, nothing("tiny")) == 130
    assert ran == ["tiny/teacher", "tiny/finetune"]


def phases(method: str) -> Sequence[Phase]:
    setting = Setting(STUDENT, TEACHER, "classification")
    stages = stages_of(method_class(method)(), setting)
    return [Phase(stage, Optimise(epochs=1)) for stage in stages if stage.data != "corpus"]


def test_operations_on_other_lengths_follow_from_three() -> None:
    """As `zoo.models.cost` counts them; training does thrice as much."""
    (cost,) = phase_costs(STUDENT, TEACHER, HEAD, phases("kd"))
    assert 40 not in LENGTHS
    amount = Amount(batches=1, sequences=1, tokens=40, squares=1600)
    teacher, student = (
        forward_flops(model(shape, "sentiment"), 40) for shape in (TEACHER, STUDENT)
    )
    assert cost.answered.over(amount) == pytest.approx(teacher)
    assert cost.trained.over(amount) == pytest.approx(3 * student, rel=0.01)


def test_surgery_on_a_teacher_counts_what_it_trains() -> None:
    """Half of the modules are the teacher's two layers, which are frozen, in the mean."""
    replacing, successors = phase_costs(STUDENT, TEACHER, HEAD, phases("theseus"))
    amount = Amount(batches=1, sequences=1, tokens=40, squares=1600)
    plain = successors.trained.over(amount)
    assert 0.5 * plain < replacing.trained.over(amount) < 1.5 * plain


def test_a_pace_goes_through_two_measurements() -> None:
    assert fitted([1e9, 3e9], [0.3, 0.7]) == pytest.approx(Pace(0.1, 5e9))
    assert fitted([1e9, 3e9], [0.1, 0.7]) == pytest.approx(Pace(0.0, 5e9))
    assert fitted([1e9, 3e9], [0.7, 0.7]).batch_s == 0.0
    assert Pace(0.1, 5e9).cpu_s(10, 1e10) == pytest.approx(3.0)


def test_a_curve_counts_what_batches_share_once() -> None:
    curve = Curve.of(lambda rows, length: 7 + rows * (5 + 3 * length + 2 * length**2))
    assert curve.over(Amount(2, 4, 10, 100)) == pytest.approx(2 * 7 + 4 * 5 + 10 * 3 + 100 * 2)


def works_of(works: Works, suite: ResolvedSuite, entry: str) -> list[RunWork]:
    jobs = [stage.job for stage in entry_pipeline(suite.entries[entry]).stages]
    return [work for job in jobs for work in works.of(job)]


@pytest.mark.parametrize("entry", ["kd", "distilbert", "teacher"])
def test_a_phase_of_the_engine_is_timed(load: Load, tmp_path: Path, entry: str) -> None:
    """Steps on tasks and on text, and a teacher's answers."""
    suite = load()
    for work in works_of(Works(Data(Project(tmp_path), suite)), suite, entry):
        for phase in work.phases:
            own = Calibration.of(phase.phase, phase.shapes, phase.head, phase.cost, 1)
            assert own.trained().flops_per_s > 0.0
            if phase.asked.batches:
                assert own.answered().flops_per_s > 0.0


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path, FILES)


@pytest.fixture
def expected(project: Project, monkeypatch: pytest.MonkeyPatch) -> Estimate:
    """Of the tiny suite, of which all but the teacher is left, at a pace of 1 GFLOP/s."""
    suite = read_suite(project, "tiny")
    pace = Pace(0.0, 1e9)
    monkeypatch.setattr(Calibration, "trained", lambda _: pace)
    monkeypatch.setattr(Calibration, "answered", lambda _: pace)
    stages = plan._stages(suite, ORDER)
    left = {stage.key for stage in stages if stage.owner != "teacher"}
    monkeypatch.setattr(plan, "_pending", lambda *_: left)
    estimator = Estimator(Works(Data(project, suite)), threads=2)
    return estimate(project, suite, ORDER, 2, estimator)


def test_rows_say_what_is_read_and_what_is_left(expected: Estimate) -> None:
    rows = {(row.owner, row.data): row for row in expected.rows if row.data}
    assert list(rows) == [
        ("teacher", "corpus"),
        ("teacher", "sentiment"),
        ("distilbert", "corpus"),
        ("distilbert", "sentiment"),
        ("finetune", "sentiment"),
        ("kd", "sentiment"),
    ]
    kd = rows["kd", "sentiment"]
    # Four steps of 16 sequences of at most 16 tokens, of an epoch of three batches.
    assert 4 * 16 * 8 < kd.tokens <= 4 * 16 * 16
    assert kd.cpu_s == pytest.approx((kd.student_flops + kd.teacher_flops) / 1e9)
    assert kd.left_s == kd.cpu_s
    assert rows["teacher", "sentiment"].built
    assert rows["teacher", "sentiment"].left_s == 0.0
    assert rows["teacher", "sentiment"].teacher_flops == 0.0
    assert expected.left_s == pytest.approx(sum(row.left_s for row in expected.rows))
    assert expected.left_of({"kd"}) == pytest.approx(kd.cpu_s)


def test_a_teacher_answers_each_sequence_once(load: Load, tmp_path: Path) -> None:
    """Whoever comes first pays: its answers are stored."""
    suite = load(kd2=FILES["kd.yaml"])
    works = Works(Data(Project(tmp_path), suite))
    trained = [work for name in ("kd", "kd2") for work in works_of(works, suite, name)]
    flops = [phase.teacher_flops for work in trained for phase in work.phases]
    assert flops[0] > 0.0
    assert flops[1:] == [0.0]


def test_the_table_and_the_json_say_the_same(expected: Estimate) -> None:
    shown = estimate_table(expected)
    assert "kd                      sentiment" in shown
    assert "other stages" in shown
    assert "not counted, as no build has timed them: " in shown
    stated = json.loads(json.dumps(expected.as_json()))
    assert stated["cpu_s"] == pytest.approx(expected.left_s)
    assert {row["owner"] for row in stated["rows"]} == set(ORDER)
    assert {pace["stage"] for pace in stated["paces"]} >= {"soft labels", "fine-tuning"}


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(["--help"])
    assert left.value.code == 0
    assert "--estimate" in capsys.readouterr().out
