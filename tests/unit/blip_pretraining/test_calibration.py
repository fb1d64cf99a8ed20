"""Match probabilities a person can trust."""

import numpy as np
import pytest

from blipsearch.blip.pretraining.calibration import (
    auroc,
    calibration_error,
    fit_temperature,
)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_pairs_is_found_again(temperature: float) -> None:
    rng = np.random.default_rng(0)
    margins = rng.normal(0, 4, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-margins / temperature))
    assert fit_temperature(margins, truth) == pytest.approx(temperature, rel=0.1)


def test_probabilities_that_come_true_as_often_as_they_say_have_no_error() -> None:
    rng = np.random.default_rng(0)
    told = rng.random(50_000)
    truth = (rng.random(50_000) < told).astype(float)
    assert calibration_error(told, truth) < 0.01
    assert calibration_error(np.full(4, 0.95), np.array([1.0, 1.0, 0.0, 0.0])) == pytest.approx(
        0.45
    )


def test_the_area_is_one_when_all_are_above_and_a_half_when_none_can_be_told_apart() -> None:
    assert auroc(np.array([0.8, 0.9]), np.array([0.1, 0.2, 0.3])) == 1
    assert auroc(np.ones(3), np.ones(4)) == 0.5
    assert auroc(np.array([0.5]), np.array([0.1, 0.9])) == 0.5
