"""Match probabilities a person can trust: a temperature for them, and how good they are."""

import numpy as np
import numpy.typing as npt

__all__ = ["auroc", "calibration_error", "fit_temperature"]

Floats = npt.NDArray[np.floating]

_TEMPERATURES = np.geomspace(0.1, 10.0, 400)


def fit_temperature(margins: Floats, truth: npt.NDArray[np.bool_]) -> float:
    """The temperature between 0.1 and 10 with the smallest log loss.

    `margins` (pairs,) are match logits less no-match logits, and `truth` (pairs,) says which pairs
    are a match. Source: Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.
    """
    wrong_way = np.where(truth, -margins, margins).astype(np.float64)
    losses = [np.logaddexp(0.0, wrong_way / t).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def calibration_error(probabilities: Floats, truth: Floats, bins: int = 10) -> float:
    """Expected calibration error of `probabilities` (n,) for `truth` (n,) of 0 and 1.

    Over `bins` bins of equal width. Source: Guo et al., 2017, equation 5.
    """
    number = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [
        abs(probabilities[number == b].mean() - truth[number == b].mean()) * (number == b).mean()
        for b in np.unique(number)
    ]
    return float(np.sum(gaps))


def auroc(positive: Floats, negative: Floats) -> float:
    """The chance that one of `positive` is above one of `negative`, ties counted half."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    up_to = np.searchsorted(ordered, positive, side="right")
    return float((below + up_to).mean() / 2 / len(negative))
