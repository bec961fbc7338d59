"""Holm's correction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.statistics.holm import holm

P_VALUES = st.lists(st.floats(0, 1), max_size=8)


def rejected(p_values: list[float], level: float) -> list[bool]:
    """Holm's procedure as it is defined: step down until one is not small enough."""
    found = [False] * len(p_values)
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for step, test in enumerate(order):
        if p_values[test] * (len(p_values) - step) > level:
            break
        found[test] = True
    return found


@given(P_VALUES, st.floats(0, 0.999))
def test_corrected_values_reject_what_the_procedure_rejects(
    p_values: list[float], level: float
) -> None:
    assert (holm(p_values) <= level).tolist() == rejected(p_values, level)


@given(P_VALUES)
def test_correction_keeps_order_and_raises_values(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert ((corrected >= p_values) & (corrected <= 1)).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()
    assert holm(p_values[::-1]).tolist() == corrected[::-1].tolist()


def test_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_one_test_and_none_need_no_correction() -> None:
    assert holm([0.03]).tolist() == [0.03]
    assert holm([]).tolist() == []
