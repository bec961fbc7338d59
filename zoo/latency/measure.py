"""Interleaved timing of calls, so that noise affects all runners alike."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median

from pydantic import BaseModel, ConfigDict, Field

Runner = Callable[[int], object]
"""Synchronous work; its argument is the number of the round, or of the example."""
Clock = Callable[[], int]
"""A clock in nanoseconds from an arbitrary origin."""

_NANOSECONDS_PER_MILLISECOND = 1e6
_NANOSECONDS_PER_SECOND = 1e9


class TimingPlan(BaseModel):
    """Length of warm-up and measurement; a round calls every runner once.

    Warm-up ends when the median of each runner's last `warmup_window` calls lies within
    `warmup_tolerance` (a share) of the window before, or at a bound. Measuring ends after `samples`
    rounds, or with the first round that passes `seconds`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: int = Field(default=200, ge=1)
    seconds: float = Field(default=20.0, gt=0)
    warmup_window: int = Field(default=5, ge=1)
    warmup_tolerance: float = Field(default=0.1, gt=0)
    warmup_max_rounds: int = Field(default=100, ge=1)
    warmup_seconds: float = Field(default=10.0, gt=0)


def warm_up(
    runners: Mapping[str, Runner],
    plan: TimingPlan,
    turns: Sequence[int] = (0,),
    clock: Clock = time.perf_counter_ns,
) -> tuple[int, bool]:
    """Warm up; return the number of rounds, and whether every runner's durations have settled.

    A window goes through `turns` from the start, so that windows hold the same work.

    Args:
        runners: each called once per round, in this order.
        plan: criteria for settling and giving up; `warmup_seconds` counts from here.
        turns: the argument of the runners, one per round.
        clock: nanoseconds.
    """
    durations: dict[str, list[float]] = {name: [] for name in runners}
    end = clock() + plan.warmup_seconds * _NANOSECONDS_PER_SECOND
    for done in range(plan.warmup_max_rounds):
        turn = turns[done % plan.warmup_window % len(turns)]
        now = _round(runners, durations, turn, clock)
        whole = (done + 1) % plan.warmup_window == 0
        if whole and all(_settled(calls, plan) for calls in durations.values()):
            return done + 1, True
        if now >= end:
            return done + 1, False
    return plan.warmup_max_rounds, False


def time_rounds(
    runners: Mapping[str, Runner], plan: TimingPlan, clock: Clock = time.perf_counter_ns
) -> dict[str, tuple[float, ...]]:
    """The milliseconds of each runner's calls, one per round, in order; equal numbers of each.

    The k-th values of two runners are from the same round, and may be compared in pairs.
    """
    durations: dict[str, list[float]] = {name: [] for name in runners}
    with _uncollected():
        end = clock() + plan.seconds * _NANOSECONDS_PER_SECOND
        for turn in range(plan.samples):
            if _round(runners, durations, turn, clock) >= end:
                break
    return {name: tuple(calls) for name, calls in durations.items()}


@contextmanager
def _uncollected() -> Iterator[None]:
    """Disable garbage collection in the block, as it would hit some calls and not others."""
    was_on = gc.isenabled()
    # Collect once before: garbage from loading must not stay until after the block.
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _settled(calls: Sequence[float], plan: TimingPlan) -> bool:
    window = plan.warmup_window
    if len(calls) < 2 * window:
        return False
    before, now = median(calls[-2 * window : -window]), median(calls[-window:])
    return abs(now - before) <= plan.warmup_tolerance * before


def _round(
    runners: Mapping[str, Runner], durations: Mapping[str, list[float]], turn: int, clock: Clock
) -> int:
    """Call every runner once and record its milliseconds; return the end time of the last."""
    done = 0
    for name, runner in runners.items():
        # Each call has its own start, to exclude recording the previous one.
        start = clock()
        runner(turn)
        done = clock()
        durations[name].append((done - start) / _NANOSECONDS_PER_MILLISECOND)
    return done
