"""How long a run lasts and how fast it learns."""

import pytest

from blipsearch.blip.pretraining.recipe import Recipe
from blipsearch.blip.pretraining.schedule import learning_rate, progress

RECIPE = Recipe(steps=1000, minutes=10.0, warmup_share=0.2, learning_rate=1.0)


@pytest.mark.parametrize(("step", "minutes", "done"), [(500, 1, 0.5), (10, 9, 0.9), (10, 99, 1)])
def test_a_run_ends_by_steps_or_by_time(step: int, minutes: float, done: float) -> None:
    assert progress(RECIPE, step, minutes) == done


def test_the_rate_rises_in_both_phases_and_ends_low() -> None:
    assert learning_rate(RECIPE, 0.0) < 0.1 < learning_rate(RECIPE, 0.1) == 1.0
    assert learning_rate(RECIPE, 0.2) < 0.1
    assert learning_rate(RECIPE, 0.25) > 0.9
    assert learning_rate(RECIPE, 0.6) == pytest.approx(0.5, abs=0.01)
    assert learning_rate(RECIPE, 1.0) == pytest.approx(0.01)
