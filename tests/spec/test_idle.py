"""Keys that decide nothing, where it takes more than one file to say so."""

from collections.abc import Callable

import pytest

from zoo.errors import SpecError
from zoo.resolve.entry import resolve_suite
from zoo.spec.load import LoadedSuite

Load = Callable[[dict[str, str]], LoadedSuite]

MLKD = "teacher: t\nstudent: {layers: 2}\nmethod: {name: mlkd}\n"
THESEUS = "teacher: t\nstudent: {layers: 2}\nmethod: {name: theseus}\n"


def refused(load: Load, changes: dict[str, str]) -> str:
    with pytest.raises(SpecError) as caught:
        load(changes)
    return str(caught.value)


def test_parts_that_the_suite_states_are_told_at_the_method(
    load: Load, files: dict[str, str]
) -> None:
    """The suite's `accumulate` is right for others: the entry states its own."""
    suite = files["suite.yaml"].replace("  batch_size: 32\n", "  batch_size: 32\n  accumulate: 2\n")
    assert refused(load, {"suite.yaml": suite, "mlkd.yaml": MLKD}) == (
        "specs/small/mlkd.yaml:3: method: sample_relation and sample_contrast of stage 'samples'"
        " would only compare samples within a part: a batch has 2 parts\n"
        "  allowed: accumulate: 1\n"
        "  fix: set accumulate: 1 in optimise, or leave sample_relation and sample_contrast out"
        " (method.leave_out)"
    )
    load({"suite.yaml": suite, "mlkd.yaml": MLKD + "optimise: {epochs: 3}\n"})
    without = MLKD.replace("mlkd}", "mlkd, leave_out: [sample_relation, sample_contrast]}")
    load({"suite.yaml": suite, "mlkd.yaml": without})


def test_a_threshold_with_time_to_be_asked_is_right(load: Load, files: dict[str, str]) -> None:
    """More than an epoch for each stage that has one; steps are held when the data is known."""
    old = "  name: kd\n  temperature: 4\n  soft_weight: 0.7\noptimise:\n  epochs: 3\n"
    assert old in files["kd.yaml"]
    for budget in ("epochs: 3.1", "steps: 3"):
        new = f"  name: internal\n  threshold: 0.1\noptimise:\n  {budget}\n"
        load({"kd.yaml": files["kd.yaml"].replace(old, new)})


def test_given_weights_that_the_method_does_not_use_are_told(load: Load) -> None:
    """Also where they are another entry's: successors are the teacher's layers."""
    general = THESEUS.replace("theseus", "minilm")
    start = THESEUS.replace("layers: 2", "layers: 2, start: {kind: distilled, entry: general}")
    assert refused(load, {"general.yaml": general, "theseus.yaml": start}) == (
        "specs/small/theseus.yaml:2: student.start: the method derives its student from the "
        "teacher: initial weights are not used\n"
        "  fix: remove it"
    )


def test_a_start_that_is_not_used_is_in_no_digest(load: Load) -> None:
    """The recipe says `fresh`, as nothing is copied; where successors read it, what is stated."""
    recipe = resolve_suite(load({"theseus.yaml": THESEUS})).entries["theseus"].recipe
    assert recipe.student is not None
    assert recipe.student.start == "fresh"
    reading = THESEUS.replace("theseus}", "theseus, successors: student}")
    recipe = resolve_suite(load({"theseus.yaml": reading})).entries["theseus"].recipe
    assert recipe.student is not None
    assert recipe.student.start == "first"


def test_an_ablation_may_idle_what_its_entry_states(load: Load) -> None:
    """Without soft labels the entry's temperature decides nothing: that is the ablation."""
    study = "entry: kd\naxes:\n  method.leave_out: [[], [soft], [labels]]\n"
    load({"studies/without.yaml": study})


def test_what_a_study_varies_in_vain_is_told(load: Load) -> None:
    """A point that sets a key without effect, at the value that does it."""
    study = (
        "entry: kd\ncombine: product\n"
        "axes:\n  method.soft_weight: [0.5, 0]\n  method.temperature: [1, 2]\n"
    )
    assert refused(load, {"studies/grid.yaml": study}).startswith(
        "specs/small/studies/grid.yaml:5: axes.method.temperature: no effect here: any other value "
        "trains the same model\n  fix: remove it"
    )


def test_every_stated_key_of_a_good_file_may_stay(load: Load, files: dict[str, str]) -> None:
    """Defaults that are written out and decide are right: another value would do something."""
    stated = files["kd.yaml"].replace(
        "  soft_weight: 0.7\n", "  soft_weight: 0.7\n  soft_over: rows\n  leave_out: []\n"
    )
    load({"kd.yaml": stated.replace("  epochs: 3\n", "  epochs: 3\n  clip: null\n  warmup: 0.1\n")})
