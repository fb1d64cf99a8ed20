"""Where a run stands between its start and its end, and what follows from that."""

import math

from blipsearch.blip.pretraining.recipe import Recipe

__all__ = ["learning_rate", "progress"]

_RAMP = 0.02
"""Share of the run in which the learning rate rises, at the start of each phase."""


def progress(recipe: Recipe, step: int, minutes: float) -> float:
    """How much of the run is done, 0 to 1: by steps or by time, whichever is further.

    A machine that is busy with other things then shortens the run; it does not cut its end off.
    """
    return min(1.0, max(step / recipe.steps, minutes / recipe.minutes))


def learning_rate(recipe: Recipe, done: float) -> float:
    """The learning rate when a share `done` of the run is over.

    Rises, stays while the vision tower trains alone, rises again with the joint phase and then
    falls along a half cosine to a hundredth.
    """
    if done < recipe.warmup_share:
        return recipe.learning_rate * min(1.0, (done + 1e-4) / _RAMP)
    since = done - recipe.warmup_share
    rise = min(1.0, (since + 1e-3) / _RAMP)
    fall = 0.5 * (1 + math.cos(math.pi * since / (1 - recipe.warmup_share)))
    return recipe.learning_rate * rise * max(0.01, fall)
