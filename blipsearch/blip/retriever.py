"""BlipRetriever: embeddings to search by, and match logits to rank by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn.functional import normalize

from blipsearch.blip.checkpoint import Checkpoint
from blipsearch.blip.find import BUILTIN, RELEASED, Task
from blipsearch.blip.matcher import match_states
from blipsearch.blip.pixels import Pixels
from blipsearch.blip.text import pad
from blipsearch.blip.tower import IMAGE_BATCH, States, Tower
from blipsearch.errors import CheckpointMismatchError, ShapeError
from blipsearch.records import Embeddings

__all__ = ["BlipRetriever", "EncodedImages"]

Floats = npt.NDArray[np.float32]

TEXT_BATCH = 64
MATCH_BYTES = 32 << 20
"""Image states matched at once, in bytes: 18 images of base size in float32. Keys and values
of one layer take twice as much again."""


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """What the vision tower says of n images.

    `features` are their embeddings, (n, dim) float32, unit rows; `states` what ITM, captions and
    answers attend to, (n, tokens, width) float32.
    """

    features: Embeddings
    states: Floats


class BlipRetriever(Tower):
    """Embeds images and texts for search (ITC) and scores pairs of them (ITM).

    Takes a BlipForImageTextRetrieval checkpoint, or a real BlipModel with all its projections,
    which has no ITM head: then `has_itm` is False and `match` raises.
    """

    task: ClassVar[Task] = "itm"

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        self.has_itm: bool = hasattr(self._network, "itm_head")

    @property
    def dim(self) -> int:
        """The length of an embedding."""
        return self.identity.dim

    @torch.inference_mode()
    def get_image_features(self, images: Sequence[Image.Image]) -> Embeddings:
        """Return the images' embeddings, (n, dim) float32, rows of unit norm."""
        features = np.empty((len(images), self.dim), dtype=np.float32)
        for start in range(0, len(images), IMAGE_BATCH):
            pixels = self._prepare_all(images[start : start + IMAGE_BATCH])
            features[start : start + IMAGE_BATCH] = _to_numpy(self._embed_pixels(pixels)[0])
        return features

    @torch.inference_mode()
    def get_text_features(self, texts: Sequence[str]) -> Embeddings:
        """Return the texts' embeddings, (n, dim) float32, rows of unit norm.

        Texts are cleaned as the original's captions are and cut at 35 tokens.
        """
        if isinstance(texts, str):
            raise ShapeError(f"texts are a list of str, not one str; pass [{texts!r}]")
        features = np.empty((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), TEXT_BATCH):
            batch = texts[start : start + TEXT_BATCH]
            features[start : start + TEXT_BATCH] = _to_numpy(self._embed_texts(batch))
        return features

    def encode_images(self, images: Sequence[Image.Image]) -> EncodedImages:
        """Return the images' embeddings and states from one pass of the vision tower."""
        return self.encode_prepared(self._prepare_all(images))

    @torch.inference_mode()
    def encode_prepared(self, pixels: Pixels) -> EncodedImages:
        """Return embeddings and states of pictures that `prepare` made, (n, 3, size, size) float32.

        Raises ShapeError for another shape.
        """
        self._check_pixels(pixels)
        features = np.empty((len(pixels), self.dim), dtype=np.float32)
        states = np.empty((len(pixels), self.tokens, self.width), dtype=np.float32)
        for start in range(0, len(pixels), IMAGE_BATCH):
            embedded, encoded = self._embed_pixels(pixels[start : start + IMAGE_BATCH])
            features[start : start + IMAGE_BATCH] = _to_numpy(embedded)
            states[start : start + IMAGE_BATCH] = _to_numpy(encoded)
        return EncodedImages(features, states)

    @torch.inference_mode()
    def match(self, text: str, states: States) -> Floats:
        """Return the ITM logits of one text with n images, (n, 2) float32; column 1 is a match.

        `states` are (n, tokens, width), float32 or float16, from this checkpoint's tower. They are
        worked through in batches of bounded memory; the vision tower is not run. The published
        ranking score is `logits[:, 1] + cosine`, both raw.

        Raises ShapeError for other states, CheckpointMismatchError where there is no ITM head.
        """
        self._check_itm()
        self._check_states(states)
        ids = torch.tensor(
            [self._vocabulary.caption_ids(text, self._vocabulary.enc)],
            device=self._checkpoint.device,
        )
        batch = max(1, MATCH_BYTES // (self.tokens * self.width * self._checkpoint.dtype.itemsize))
        logits = np.empty((len(states), 2), dtype=np.float32)
        for start in range(0, len(states), batch):
            chunk = self._to_device(states[start : start + batch])
            logits[start : start + batch] = _to_numpy(match_states(self._network, ids, chunk))
        return logits

    def match_probability(self, logits: Floats) -> Floats:
        """Return the probability of a match, (n,) float32 in 0..1, for logits (n, 2) from `match`.

        It is `softmax(logits / temperature)[:, 1]`, with the temperature of the checkpoint's
        config.json (`blipsearch_itm_temperature`, 1.0 where there is none). For people; the
        ranking uses the raw logit.

        Raises ShapeError for another shape.
        """
        if logits.ndim != 2 or logits.shape[1] != 2:
            raise ShapeError(f"match logits are (n, 2), not {logits.shape}")
        margin = (logits[:, 1].astype(np.float64) - logits[:, 0]) / self._checkpoint.temperature
        # The logistic function through tanh, which never overflows.
        return (0.5 * (1.0 + np.tanh(margin / 2.0))).astype(np.float32)

    def _embed_pixels(self, pixels: Pixels) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.has_itm:
            output = self._network.get_image_features(pixel_values=self._to_device(pixels))
            return normalize(output.pooler_output.float(), dim=-1), output.last_hidden_state
        states = self._encode_pixels(pixels)
        features = self._network.vision_proj(states[:, 0])
        return normalize(features.float(), dim=-1), states

    def _embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        vocabulary = self._vocabulary
        rows = [vocabulary.caption_ids(text, vocabulary.cls) for text in texts]
        # Without the mask padding is attended, and a text's embedding changes with its batch.
        ids, mask = (
            torch.from_numpy(part).to(self._checkpoint.device) for part in pad(rows, vocabulary.pad)
        )
        if not self.has_itm:
            pooled = self._network.get_text_features(input_ids=ids, attention_mask=mask)
            return normalize(pooled.pooler_output.float(), dim=-1)
        output = self._network.text_encoder(input_ids=ids, attention_mask=mask)
        features = self._network.text_proj(output.last_hidden_state[:, 0])
        return normalize(features.float(), dim=-1)

    def _check_itm(self) -> None:
        if not self.has_itm:
            raise CheckpointMismatchError(
                f"checkpoint {self.identity.name!r} is a BlipModel and has no ITM head, so it can "
                f"rank by cosine only; to rerank use {RELEASED['itm']} or `{BUILTIN}`"
            )


def _to_numpy(tensor: torch.Tensor) -> Floats:
    array: Floats = tensor.float().cpu().numpy()
    return array
