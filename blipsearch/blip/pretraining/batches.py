"""From stored groups to what one training step sees."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from blipsearch.blip.pixels import IMAGE_MEAN, IMAGE_STD
from blipsearch.blip.pretraining.groups import Group, load_group

__all__ = ["Batch", "make_batch", "random_batches"]

FALSE_TEXTS = 2
"""False captions of a picture in one batch, beside its full caption and another true one."""

_SHARES = (1.5, 1.5, 1.2, 2.5, 0.4)
"""How likely a false caption is taken, by what it differs in (world.DIFFERENCES): relations are
by far the hardest to tell, settings the easiest."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some of a group's texts with all its pictures, as tensors on the device that trains.

    Fields as in Group, but `pixels` is normalised, float32 (n, 3, size, size).
    """

    pixels: Tensor
    patches: Tensor
    settings: Tensor
    texts: Tensor
    text_image: Tensor
    text_kind: Tensor
    truth: Tensor
    captions: Tensor
    questions: Tensor
    answers: Tensor
    question_image: Tensor


def make_batch(group: Group, rng: np.random.Generator, device: torch.device) -> Batch:
    """A batch of `group` with another choice of its texts each time."""
    chosen = _some_texts(group, rng)
    return Batch(
        pixels=normalised(torch.from_numpy(group.pixels).to(device)),
        patches=_numbers(group.patches, device),
        settings=_numbers(group.settings, device),
        texts=_numbers(group.texts[chosen], device),
        text_image=_numbers(group.text_image[chosen], device),
        text_kind=_numbers(group.text_kind[chosen], device),
        truth=torch.from_numpy(group.truth[chosen]).to(device),
        captions=_numbers(group.captions, device),
        questions=_numbers(group.questions, device),
        answers=_numbers(group.answers, device),
        question_image=_numbers(group.question_image, device),
    )


def normalised(pixels: Tensor) -> Tensor:
    """BLIP's input (n, 3, size, size), float32, of pixels (n, size, size, 3), uint8."""
    mean = torch.tensor(IMAGE_MEAN, device=pixels.device)
    std = torch.tensor(IMAGE_STD, device=pixels.device)
    return ((pixels.float() / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def random_batches(folder: Path, seed: int, device: torch.device) -> Iterator[Batch]:
    """Batches without end, of the groups in `folder`, which may grow meanwhile.

    Every group is seen once before any is seen again, new ones first.
    """
    rng, order = np.random.default_rng(seed), random.Random(seed)
    seen: dict[Path, int] = {}
    while True:
        paths = sorted(folder.glob("*.npz"))
        least = min(seen.get(path, 0) for path in paths)
        path = order.choice([path for path in paths if seen.get(path, 0) == least])
        seen[path] = seen.get(path, 0) + 1
        yield make_batch(load_group(path), rng, device)


def _some_texts(group: Group, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Numbers of the full caption, another true one and FALSE_TEXTS false ones of every picture."""
    # The largest of u ** (1 / share) is each text with the chance of its share.
    shares = np.array((1.0, 1.0, *_SHARES))[group.text_kind]
    draw = 1 - rng.random(len(group.texts)) ** (1 / shares)
    chosen = []
    for i in range(len(group.pixels)):
        own = group.text_image == i
        for of_kind, most in ((0, 1), (1, 1), (2, FALSE_TEXTS)):
            numbers = np.flatnonzero(own & (np.minimum(group.text_kind, 2) == of_kind))
            chosen.append(numbers[np.argsort(draw[numbers])[:most]])
    return np.concatenate(chosen)


def _numbers(array: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    return torch.from_numpy(array.astype(np.int64)).to(device)
