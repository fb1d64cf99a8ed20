"""Image states made small for the disk, and made ready again for the network.

`float16` halves what the tower says, `int8` halves that with a scale a token, `merged` halves it
once more: tokens that say nearly the same become one, which then weighs as many times in attention.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from blipsearch.blip.matcher import Seen
from blipsearch.blip.products import round_rows
from blipsearch.records import ImageStates, StatesKind

__all__ = ["merge_tokens", "merged_tokens", "pack_states", "unpack_states"]

MERGE_STEPS = 5
"""Rounds of k-means. On the built-in benchmark ten give the same recall as three."""


def merged_tokens(tokens: int, width: int) -> int:
    """How many tokens are left of an image: what a quarter of its states in float16 holds.

    A token takes `width` bytes of int8, four of its scale and two of its size. At least two.
    """
    return max(2, tokens * width // (2 * (width + 6)))


def pack_states(states: torch.Tensor, kind: StatesKind) -> ImageStates:
    """Return states (n, tokens, width), in any float dtype, as they are stored; `none`: float32."""
    if kind == "int8":
        return _as_int8(states.float())
    if kind == "merged":
        merged, sizes = merge_tokens(states.float(), merged_tokens(*states.shape[1:]))
        small = _as_int8(merged)
        return ImageStates(small.values, small.scales, sizes.cpu().numpy().astype(np.uint16))
    dtype = torch.float16 if kind == "float16" else torch.float32
    return ImageStates(states.to(dtype).cpu().numpy())


def unpack_states(
    states: ImageStates, device: torch.device, dtype: torch.dtype, *, int8: bool = False
) -> Seen:
    """Return stored states as the match takes them: in `dtype`, or rounded to int8."""
    sizes = None if states.sizes is None else states.sizes.astype(np.float32)
    log_sizes = None if sizes is None else _on_device(sizes, device).log().to(dtype)
    values = _on_device(states.values, device)
    if int8 and states.scales is not None:
        return Seen(values, _on_device(states.scales, device), log_sizes)
    values = values.to(dtype)
    if states.scales is not None:
        values = values.mul_(_on_device(states.scales, device).to(dtype)[:, :, None])
    if not int8:
        return Seen(values, None, log_sizes)
    rounded, scales = round_rows(values.flatten(0, 1))
    return Seen(rounded.view_as(values), scales.view(values.shape[:2]), log_sizes)


def _on_device(array: npt.NDArray[np.generic], device: torch.device) -> torch.Tensor:
    """Copy only where torch has to: it warns of sharing memory that is read-only."""
    own = np.ascontiguousarray(array)
    if not own.flags.writeable:
        own = own.copy()
    return torch.from_numpy(own).to(device)


def _as_int8(states: torch.Tensor) -> ImageStates:
    values, scales = round_rows(states.flatten(0, 1))
    return ImageStates(
        values.view(states.shape).cpu().numpy(), scales.view(states.shape[:2]).cpu().numpy()
    )


def merge_tokens(states: torch.Tensor, left: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge the tokens (n, tokens, width) of each image to `left` means; return them and sizes.

    The first token, which stands for the whole image, stays by itself; the others are grouped by
    k-means from evenly spaced ones, so that the same states always give the same groups. Sizes
    (n, left) count tokens; 0 marks a group that has become empty.
    """
    patches, groups = states[:, 1:], left - 1
    start = torch.linspace(0, patches.shape[1] - 1, groups, device=states.device).round().long()
    means = patches[:, start]
    for _ in range(MERGE_STEPS):
        # The nearest mean; a patch's own norm is the same for all of them.
        distances = means.square().sum(2)[:, None] - 2 * patches @ means.transpose(1, 2)
        nearest = distances.argmin(dim=2)
        sums = torch.zeros_like(means).scatter_add_(
            1, nearest[:, :, None].expand_as(patches), patches
        )
        sizes = torch.zeros(means.shape[:2], device=states.device).scatter_add_(
            1, nearest, torch.ones_like(nearest, dtype=torch.float32)
        )
        means = torch.where(sizes[:, :, None] > 0, sums / sizes.clamp(min=1)[:, :, None], means)
    whole = torch.ones(len(states), 1, device=states.device)
    return torch.cat([states[:, :1], means], dim=1), torch.cat([whole, sizes], dim=1)
