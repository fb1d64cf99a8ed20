"""What the renderer knows about every patch, asked of the vision tower while it trains.

Linear heads on the patch states tell what thing covers the patch and what that thing stands in
relation to; heads on the [CLS] state tell the setting and which things there are. This teaches a
small tower to see in minutes what captions alone teach in hours. The heads are not exported.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from blipsearch.picturebook import world

__all__ = ["FACT_SIZES", "DenseHeads"]

FACT_SIZES = (
    len(world.KINDS) + 1,
    len(world.COLOURS) + 1,
    len(world.SIZES) + 1,
    4,
    len(world.RELATIONS) + 2,
    len(world.KINDS) + 1,
    len(world.COLOURS) + 1,
)
"""How many values each of the facts about a patch has, "none" included."""

_FACT_WEIGHTS = (3.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0)
"""The kind takes by far the longest to learn, the count second."""

_PAIRS = len(world.KINDS) * len(world.COLOURS)


class DenseHeads(nn.Module):
    """Heads over image states of `width`; calling it gives the loss."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.facts = nn.Linear(width, sum(FACT_SIZES))
        self.setting = nn.Linear(width, len(world.SETTINGS))
        self.pairs = nn.Linear(width, _PAIRS)

    def forward(self, states: Tensor, patches: Tensor, settings: Tensor) -> Tensor:
        """The loss of `states` (n, 1 + patches, width).

        `patches` (n, patches, facts) and `settings` (n,) hold the numbers of the true values.
        """
        told = self.facts(states[:, 1:]).flatten(0, 1).split(FACT_SIZES, dim=-1)
        wanted = patches.flatten(0, 1).long()
        # Background is most of a picture and soon easy: things count four times as much.
        weight = torch.where(wanted[:, 0] > 0, 4.0, 1.0)
        loss = torch.zeros((), device=states.device)
        for logits, fact, share in zip(told, wanted.T, _FACT_WEIGHTS, strict=True):
            each = cross_entropy(logits.float(), fact, reduction="none")
            loss = loss + share * (each * weight).sum() / weight.sum()
        first = states[:, 0]
        loss = loss + cross_entropy(self.setting(first).float(), settings.long())
        there = binary_cross_entropy_with_logits(self.pairs(first).float(), _present(patches))
        return loss + 20 * there


def _present(patches: Tensor) -> Tensor:
    """Which colour-kind pairs a picture shows, (n, kinds * colours) of 0 and 1."""
    kind, colour = patches[..., 0].long(), patches[..., 1].long()
    pair = torch.where(kind > 0, (kind - 1) * len(world.COLOURS) + colour, 0)
    there = torch.zeros(len(patches), _PAIRS + 1, device=patches.device)
    return there.scatter_(1, pair, 1.0)[:, 1:]
