"""A suite at a glance: which student is named, and a table of eight columns."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.board.conftest import common, measured, scored, timed
from tests.made import latency_record, subject
from zoo.board.advice import advice
from zoo.board.compared import MEAN, Compared, Costs, compared, means_of
from zoo.board.fastest import Fastest
from zoo.board.leaderboard import summary
from zoo.board.overview import OVERVIEW, leaderboard_text, links, overview_text
from zoo.board.table import Row, make_rows
from zoo.records.statistics import Contrast, MeanStanding, SuiteStatistics, Summary

OVER = (("sentiment", "dev"),)


def contrast(rival: str, difference: float, p_holm: float = 0.01) -> Contrast:
    low, high = difference - 0.01, difference + 0.01
    return Contrast(
        rival=rival,
        difference=difference,
        low=low,
        high=high,
        p=p_holm / 2,
        p_holm=p_holm,
        test="paired permutation",
    )


def mean(entry: str, value: float, rank: tuple[int, int] | None = None, **more: Any) -> Any:
    known = Summary(
        mean=value, sd=None, low=value - 0.02, high=value + 0.02, seeds_low=None, seeds_high=None
    )
    return MeanStanding(entry=entry, summary=known, rank=rank, **more)


def statistics(*means: MeanStanding) -> SuiteStatistics:
    return SuiteStatistics(
        suite="tiny",
        inputs="0" * 64,
        resamples=10,
        permutations=10,
        tests=0,
        standings=(),
        means=means,
        mean_over=OVER if means else (),
        resolutions=(),
    )


def of_three() -> SuiteStatistics:
    return statistics(
        mean("teacher", 0.9),
        mean("finetune", 0.7, (2, 2), to_teacher=contrast("teacher", -0.2)),
        mean(
            "kd",
            0.82,
            (1, 1),
            to_teacher=contrast("teacher", -0.08, p_holm=0.2),
            to_twin=contrast("finetune", 0.12),
        ),
    )


def rows_of(records: Sequence[Any]) -> list[Row]:
    return make_rows(records)


def student(
    entry: str,
    score: float,
    rank: tuple[int, int] | None,
    parameters: int | None = 500,
    ratio: tuple[float, float, float] | None = (0.5, 0.49, 0.51),
) -> Compared:
    """The mean of a student whose teacher has 1,000 parameters."""
    fastest = ratio and Fastest("onnx-fp32", "1x8", 1.0, *ratio, False, "fp32", 5)
    return Compared(
        entry=entry,
        method="kd",
        teacher="teacher",
        task=MEAN,
        split="",
        rows=(),
        score=score,
        low=None,
        high=None,
        teacher_score=1.0,
        against_teacher=contrast("teacher", score - 1.0),
        against_twin=None,
        rank=rank,
        costs=Costs(parameters, 1000, fastest),
    )


BEST = student("best", 0.9, (1, 3))
SMALL = student("small", 0.85, (1, 3), parameters=300)
QUICK = student("quick", 0.8, (1, 3), ratio=(0.3, 0.29, 0.31))
TINY = student("tiny", 0.5, (4, 4), parameters=100)
KEPT = "30 % of its teacher's parameters, 50 % of its time, -15.0 points"


def test_the_smallest_and_the_fastest_of_the_best_are_named() -> None:
    """With what they cost and lose, and what a smaller one would."""
    assert advice([TINY, BEST, QUICK, SMALL]) == (
        f"Take `small` ({KEPT}): of the 3 students (of 4) that no other beats significantly, it is"
        " the smallest; `quick` (50 % of its teacher's parameters, 30 % of its time, -20.0 points)"
        " is the fastest. The best mean, not significantly better, is that of `best` (50 % of its"
        " teacher's parameters, 50 % of its time, -10.0 points). Smaller, and significantly worse"
        " than some: `tiny` (10 % of its teacher's parameters, 50 % of its time, -50.0 points)."
    )


def test_where_nothing_can_be_told_apart_that_is_said() -> None:
    told = advice([BEST, SMALL])
    assert told.startswith(
        f"Take `small` ({KEPT}): no mean of the 2 students can be told apart from the others', and"
        " it is the smallest, and none is faster. The best mean"
    )


def test_what_is_significantly_best_is_taken() -> None:
    first, second = replace(BEST, rank=(1, 1)), replace(QUICK, rank=(2, 2))
    assert "): its mean is significantly the best of 2." in advice([second, first])
    assert "), the only student." in advice([first])


@pytest.mark.parametrize("parameters", [500, 505])
def test_equal_sizes_and_times_are_decided_by_the_mean(parameters: int) -> None:
    """A pooler more or less, and a time within two per cent, make no difference."""
    near = student("near", 0.8, (1, 2), parameters=parameters - 5, ratio=(0.495, 0.49, 0.50))
    ratio = 0.507, 0.505, 0.509
    other = student("first", 0.9, (1, 2), parameters=parameters, ratio=ratio)
    told = advice([near, other])
    assert told.startswith("Take `first` (")
    assert told.endswith("it has the best mean, and none is smaller or faster.")


def test_without_times_only_the_size_counts() -> None:
    lines = [replace(one, costs=replace(one.costs, fastest=None)) for one in (BEST, SMALL, QUICK)]
    told = advice(lines)
    assert "faste" not in told
    assert "it is the smallest. The best mean" in told


def test_without_a_shared_task_nobody_is_named() -> None:
    told = "No student can be recommended: no task is shared by all entries."
    assert advice([replace(BEST, score=None, rank=None)]) == told
    assert advice([]) == told


TEXT = """\
Take `kd` (100 % of its teacher's parameters, 50 % of its time, -8.0 points): its mean is \
significantly the best of 2.

| entry | method | mean | to teacher | to twin | parameters | MB | ms |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
| teacher | teacher | 90.0 ± 2.0 |  |  | 0.00123 M | 0.00500 fp32 | 3.00 |
| kd | kd | 82.0 ± 2.0 | -8.0 ± 1.0 | +12.0 ± 1.0 ▲ | 0.00123 M (100 %) | 0.00500 fp32 | 1.50 (0.50 x) |
| finetune | finetune | 70.0 ± 2.0 | -20.0 ± 1.0 ▼ |  | 0.00123 M (100 %) | 0.00500 fp32 | 1.50 (0.50 x) |

- mean: over sentiment, x 100; ± is half the 95 % interval over examples. Seeds: 1, 2.
- to teacher, to twin: difference of the means; the twin is the same student trained on labels \
alone. ▲ better, ▼ worse, significantly (Holm-corrected, and an interval without 0); all others \
cannot be told apart.
- MB, ms: of the fastest runtime, torch-fp32, at batch x length 1x8; x: relative to the teacher; \
◦: under other load only x is valid. Scores are those of the PyTorch model.
- More."""  # noqa: E501  (a table's lines are as long as they are)


def test_the_overview_to_the_byte(records: Any) -> None:
    """Teachers first, then the best mean; eight columns."""
    assert len(OVERVIEW) == 8
    assert overview_text("tiny", rows_of(records), of_three(), ["More."]) == TEXT
    assert overview_text("tiny", [], None) == "No records yet."


def test_the_fastest_runtime_decides_about_size_and_time(records: Any) -> None:
    """Where it is not everybody's, that is said; a disturbed time has a sign."""
    quick = timed("kd", runtime="onnx-int8", student=subject(1.0), teacher=subject(4.0), ratio=0.25)
    busy = quick.model_copy(
        update={"circumstances": quick.circumstances.model_copy(update={"busy": True})}
    )
    text = overview_text("tiny", rows_of([*records, busy]), of_three())
    (own,) = [line for line in text.splitlines() if line.startswith("| kd")]
    assert own.endswith("| 2.50 int8 | 1.00 (0.25 x) ◦ |")
    assert "torch-fp32 (kd onnx-int8), at batch x length 1x8" in text


def test_entries_are_compared_on_one_device(records: Any) -> None:
    """What was timed on a GPU too is not faster than the others for it."""
    on_gpu = timed("kd", device="cuda", runtime="onnx-fp16", student=subject(0.1))
    lines = {one.entry: one for one in compared(rows_of([*records, on_gpu]), of_three())}
    fastest = lines["kd"].costs.fastest
    assert fastest is not None
    assert (fastest.runtime, fastest.latency_ms) == ("torch-fp32", 1.5)
    alone = means_of(compared(rows_of([scored("kd", 0.8), on_gpu]), None))
    assert alone[0].costs.fastest is not None
    assert alone[0].costs.fastest.runtime == "onnx-fp16@cuda"


def on_tasks(*made: tuple[str, float, int]) -> list[Any]:
    """Scores of `kd` on tasks, each with a median time and a scale of its sizes."""
    found: list[Any] = []
    for task, median, scale in made:
        size, export, *_ = measured("kd")
        here = common("kd", task, 1)
        timing = latency_record(here | {"student": subject(median), "runtime": "onnx-fp32"})
        more = here | {"parameters": 1234 * scale}
        found += [
            scored("kd", 0.8, task),
            size.model_copy(update=more),
            export.model_copy(update=here | {"bytes": 6_000_000 * scale}),
            timing,
        ]
    return found


def test_several_tasks_count_with_their_middle_time_and_largest_size() -> None:
    rows = rows_of(on_tasks(("cola", 1.5, 1), ("mrpc", 9.0, 3), ("sst2", 2.0, 2)))
    (line, *_) = compared(rows, None)
    fastest = line.costs.fastest
    assert fastest is not None
    assert (fastest.latency_ms, fastest.file_bytes) == (2.0, 18_000_000)
    assert line.costs.parameters == 3 * 1234


def test_a_teacher_is_timed_beside_its_own_students(records: Any) -> None:
    """Another teacher's students say nothing about it."""
    other = [
        scored("second", 0.9, method="teacher", teacher="second"),
        scored("its", 0.8, method="kd", teacher="second"),
        timed("its", student=subject(0.1), teacher=subject(0.2), runtime="onnx-fp32"),
    ]
    lines = {one.entry: one for one in compared(rows_of([*records, *other]), None)}
    found = {name: lines[name].costs.fastest for name in ("teacher", "second")}
    assert {name: one and one.latency_ms for name, one in found.items()} == {
        "teacher": 3.0,
        "second": 0.2,
    }


def test_the_interval_of_a_mean_covers_its_seeds(records: Any) -> None:
    known = mean("kd", 0.82, (1, 1))
    wide = known.summary.model_copy(update={"seeds_low": 0.7, "seeds_high": 0.9})
    found = statistics(known.model_copy(update={"summary": wide}))
    text = overview_text("tiny", rows_of(records), found)
    assert "| 82.0 ± 10.0 |" in text
    assert "half the 95 % interval over examples and seeds. Seeds: 1, 2." in text


def test_without_statistics_there_is_no_mean(records: Any) -> None:
    """Sizes and times are shown nevertheless."""
    text = overview_text("tiny", rows_of(records), None)
    assert text.startswith("No student can be recommended")
    assert "- No mean: no task is shared by all entries." in text
    assert "| kd | kd |  |  | 0.00123 M (100 %) |" in text


def test_what_is_out_of_date_or_cut_is_told(records: Any) -> None:
    rows = [
        row.model_copy(update={"declared": False, "marks": ("cut",)}) for row in rows_of(records)
    ]
    text = overview_text("tiny", rows, of_three())
    assert "| kd ‡ § |" in text
    assert "- ‡ out of date" in text
    assert "- § kd: cut." in text


def test_the_leaderboard_has_both_tables(records: Any) -> None:
    """At a glance, then with a column per task; links lead from where the text lies."""
    rows = rows_of(records)
    text = leaderboard_text("tiny", rows, of_three(), summary(rows, "tiny"))
    assert text.startswith("# tiny\n\nTake `kd`")
    assert text.index("| to twin |") < text.index("## Task by task") < text.index("| sentiment (")
    assert "](comparison.md), [columns](../../docs/columns.md)" in text
    assert "[per task](results/tiny/leaderboard.md)" in links("results/tiny/")
    assert "[columns](docs/columns.md)" in links("results/tiny/")
    assert leaderboard_text("tiny", [], None, summary([], "tiny")) == "# tiny\n\nNo records yet.\n"
