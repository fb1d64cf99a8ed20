"""What the three BLIP classes share: a loaded checkpoint and its vision tower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch

from blipsearch.blip.checkpoint import Checkpoint, check_checkpoint, load_checkpoint
from blipsearch.blip.device import dtype_name
from blipsearch.blip.find import Task
from blipsearch.blip.pixels import AnyImage, Pixels, Squares, levels_of, prepare_image
from blipsearch.blip.text import Vocabulary
from blipsearch.blip.untyped import Network
from blipsearch.blip.vision import encode_in_parts, look_up
from blipsearch.errors import QueryError, ShapeError
from blipsearch.records import CheckpointIdentity

__all__ = ["IMAGE_BATCH", "Chunk", "States", "Tower", "spread"]

States = npt.NDArray[np.float32] | npt.NDArray[np.float16]
"""Image states, (n, tokens, width), float32 or float16."""

IMAGE_BATCH = 16
"""Images in the vision tower at once: at base size about 0.3 GiB of activations in float32."""

Chunk = tuple[slice, torch.Tensor]
"""Which images of a request these are, and their states on the device."""


class Tower:
    """A loaded checkpoint and its vision tower. Make one with `from_pretrained`.

    All methods may be called from several threads at once.
    """

    task: ClassVar[Task]

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._network: Network = checkpoint.network
        self._vocabulary = Vocabulary(checkpoint.processor.tokenizer)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        revision: str | None = None,
    ) -> Self:
        """Load a checkpoint: a name on the Hub, a directory, or `builtin`.

        `device` is auto, cpu, cuda, cuda:N or mps; `dtype` is auto, float32, float16 or bfloat16.

        Raises CheckpointNotFoundError, CheckpointUnavailableError (offline, gated, incomplete),
        CheckpointMismatchError (not a checkpoint for this task), or DeviceError.
        """
        return cls(
            load_checkpoint(
                str(name_or_path), cls.task, device=device, dtype=dtype, revision=revision
            )
        )

    @classmethod
    def check(cls, name_or_path: str | Path) -> None:
        """Raise what `from_pretrained` would of a checkpoint, without reading its weights.

        To find out soon what will be needed late. One on the Hub is downloaded.
        """
        check_checkpoint(str(name_or_path), cls.task)

    @property
    def identity(self) -> CheckpointIdentity:
        """Which weights these are; `dim` is 0 for a checkpoint that makes no embeddings."""
        return self._checkpoint.identity

    @property
    def description(self) -> str:
        """One line to say at the start: checkpoint, size, device and dtype."""
        return self._checkpoint.description

    @property
    def device(self) -> str:
        """Where the network runs: `cpu`, `cuda`, `cuda:1`, `mps`."""
        return str(self._checkpoint.device)

    @property
    def dtype(self) -> str:
        """What the network computes in: `float32`, `float16` or `bfloat16`."""
        return dtype_name(self._checkpoint.dtype)

    @property
    def image_size(self) -> int:
        """The side, in pixels, of the square the network sees."""
        return int(self._network.config.vision_config.image_size)

    @property
    def tokens(self) -> int:
        """How many states an image has: its patches and one more, the first, for the whole."""
        return int(self._network.vision_model.embeddings.num_positions)

    @property
    def width(self) -> int:
        """The length of one image state."""
        return int(self._network.config.vision_config.hidden_size)

    def prepare(self, image: AnyImage) -> Pixels:
        """Return one picture as the network reads it, (3, size, size) float32.

        Any mode; transparency shows white. No torch work: meant for the threads that decode.
        """
        return prepare_image(image, self._checkpoint.processor.image_processor)

    def normalise(self, squares: Squares) -> Pixels:
        """Return pictures of the network's size as it reads them, (n, 3, size, size) float32.

        `squares` are (n, size, size, 3) uint8, RGB: what the checkpoint's own resampling makes of
        pictures. Bit for bit what `prepare` returns for these. Raises ShapeError for others.
        """
        self._check_squares(squares)
        pixels = np.empty((len(squares), 3, *squares.shape[1:3]), dtype=np.float32)
        for channel, levels in enumerate(self._levels):
            # "clip" lets numpy write straight into `out`; no level is beyond the table.
            np.take(levels, squares[..., channel], out=pixels[:, channel], mode="clip")
        return pixels

    @cached_property
    def _levels(self) -> npt.NDArray[np.float32]:
        return levels_of(self._checkpoint.processor.image_processor)

    def _prepare_all(self, images: Sequence[AnyImage]) -> Pixels:
        size = self.image_size
        pixels = np.empty((len(images), 3, size, size), dtype=np.float32)
        for number, image in enumerate(images):
            pixels[number] = self.prepare(image)
        return pixels

    @torch.inference_mode()
    def _encode_pixels(self, pixels: Pixels) -> torch.Tensor:
        """Return the states of at most IMAGE_BATCH prepared pictures, in the network's dtype."""
        return encode_in_parts(self._network.vision_model, self._to_device(pixels))

    def _normalise_on_device(self, squares: Squares) -> torch.Tensor:
        """Return what `normalise` does, on the device and in the network's dtype."""
        device = self._checkpoint.device
        levels = torch.from_numpy(self._levels).to(device)
        given = torch.from_numpy(np.ascontiguousarray(squares)).to(device)
        return look_up(levels, given).to(self._checkpoint.dtype)

    def _chunks_of_images(self, images: Sequence[AnyImage]) -> Iterator[Chunk]:
        """Yield a few images at a time, encoded, so that memory does not grow with the request."""
        for start in range(0, len(images), IMAGE_BATCH):
            part = slice(start, start + IMAGE_BATCH)
            yield part, self._encode_pixels(self._prepare_all(images[part]))

    def _chunks_of_states(self, states: States) -> Iterator[Chunk]:
        """Yield a few images' stored states at a time, on the device."""
        for start in range(0, len(states), IMAGE_BATCH):
            part = slice(start, start + IMAGE_BATCH)
            yield part, self._to_device(states[part])

    def _to_device(self, array: npt.NDArray[np.generic]) -> torch.Tensor:
        """Copy an array, which may be read-only, to the device in the network's dtype."""
        return torch.tensor(
            np.ascontiguousarray(array),
            dtype=self._checkpoint.dtype,
            device=self._checkpoint.device,
        )

    def _check_pixels(self, pixels: Pixels) -> None:
        wanted = (3, self.image_size, self.image_size)
        if pixels.ndim != 4 or pixels.shape[1:] != wanted:
            raise ShapeError(
                f"prepared pictures are (n, {wanted[0]}, {wanted[1]}, {wanted[2]}), not "
                f"{pixels.shape}; make them with prepare()"
            )

    def _check_squares(self, squares: Squares) -> None:
        wanted = (self.image_size, self.image_size, 3)
        if squares.ndim != 4 or squares.shape[1:] != wanted or squares.dtype != np.uint8:
            raise ShapeError(
                f"resized pictures are (n, {wanted[0]}, {wanted[1]}, {wanted[2]}) uint8, not "
                f"{squares.shape} {squares.dtype}"
            )

    def _check_states(self, states: States) -> None:
        self._check_states_shape(states.shape)
        if states.dtype not in (np.float32, np.float16):
            raise ShapeError(f"image states are float32 or float16, not {states.dtype}")

    def _check_states_shape(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 3 or shape[1:] != (self.tokens, self.width):
            raise ShapeError(
                f"image states of this checkpoint are (n, {self.tokens}, {self.width}), not "
                f"{shape}; states of another vision tower are of no use here"
            )


def spread(what: str, text: str | Sequence[str], n: int) -> list[str]:
    """Return one text per image from one text for all or a list of n.

    Raises QueryError when the list has another length.
    """
    texts = [text] * n if isinstance(text, str) else list(text)
    if len(texts) != n:
        raise QueryError(f"give one {what} for all images or one each: {len(texts)} for {n} images")
    return texts
