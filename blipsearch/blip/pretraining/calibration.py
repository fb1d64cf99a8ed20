"""The temperature that turns ITM logits into probabilities a person can trust."""

import numpy as np
import numpy.typing as npt

__all__ = ["fit_temperature"]

_TEMPERATURES = np.geomspace(0.1, 10.0, 400)


def fit_temperature(margins: npt.NDArray[np.floating], truth: npt.NDArray[np.bool_]) -> float:
    """The temperature between 0.1 and 10 with the smallest log loss.

    `margins` (pairs,) are match logits less no-match logits, and `truth` (pairs,) says which pairs
    are a match. Source: Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.
    """
    wrong_way = np.where(truth, -margins, margins).astype(np.float64)
    losses = [np.logaddexp(0.0, wrong_way / t).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])
