"""The temperature of match probabilities."""

import numpy as np
import pytest

from blipsearch.blip.pretraining.calibration import fit_temperature


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_pairs_is_found_again(temperature: float) -> None:
    rng = np.random.default_rng(0)
    margins = rng.normal(0, 4, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-margins / temperature))
    assert fit_temperature(margins, truth) == pytest.approx(temperature, rel=0.1)
