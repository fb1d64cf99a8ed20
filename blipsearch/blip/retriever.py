"""BlipRetriever: embeddings to search by, and match logits to rank by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import normalize

from blipsearch.blip.batching import alike_in_length, batches
from blipsearch.blip.checkpoint import Checkpoint, load_checkpoint
from blipsearch.blip.device import check_match_dtype, memory_errors
from blipsearch.blip.find import BUILTIN, RELEASED, Task
from blipsearch.blip.heatmaps import HeatMaps, map_words
from blipsearch.blip.matcher import Matcher, Reading
from blipsearch.blip.packing import pack_states, unpack_states
from blipsearch.blip.pixels import AnyImage, Pixels, Squares
from blipsearch.blip.text import pad
from blipsearch.blip.tower import IMAGE_BATCH, States, Tower
from blipsearch.blip.vision import encode_in_parts
from blipsearch.errors import CheckpointMismatchError, ShapeError
from blipsearch.records import Embeddings, ImageStates, StatesKind

__all__ = ["BlipRetriever", "EncodedImages", "EncodedQuery"]

Floats = npt.NDArray[np.float32]

TEXT_BATCH = 64
MATCH_BYTES = {"cpu": 40 << 20, "cuda": 1 << 30, "mps": 256 << 20}
"""What a batch of the match may take, in bytes, by device: its images' states and a layer's queries
and contexts. On a CPU 16 images of base size and a short query: fewer leave the products of the
text's side too small; more want blocks that malloc takes from the system anew each time (over
32 MiB), and touching fresh pages costs up to a tenth of the match."""


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """What the vision tower says of n images.

    `features` are their embeddings, (n, dim) float32, unit rows; `states` what ITM, captions and
    answers attend to, (n, tokens, width) float32.
    """

    features: Embeddings
    states: Floats


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """A text as far as the match can go without an image; for the retriever that made it."""

    text: str
    reading: Reading


class BlipRetriever(Tower):
    """Embeds images and texts for search (ITC) and scores pairs of them (ITM).

    Takes a BlipForImageTextRetrieval checkpoint, or a real BlipModel with all its projections,
    which has no ITM head: then `has_itm` is False and `match` raises.
    """

    task: ClassVar[Task] = "itm"

    def __init__(self, checkpoint: Checkpoint, *, match_dtype: str = "auto") -> None:
        super().__init__(checkpoint)
        self._has_itm: bool = hasattr(self._network, "itm_head")
        self._int8 = check_match_dtype(match_dtype, checkpoint.device)
        self._matcher = Matcher(self._network, int8=self._int8) if self._has_itm else None

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        revision: str | None = None,
        match_dtype: str = "auto",
    ) -> Self:
        """Load a checkpoint: a name on the Hub, a directory, or `builtin`.

        As `Tower.from_pretrained`; `match_dtype` says what the match computes its text's side in:
        `auto` is `dtype`, `int8` (on a CPU only) is about twice as fast and not quite exact.
        """
        loaded = load_checkpoint(
            str(name_or_path), cls.task, device=device, dtype=dtype, revision=revision
        )
        return cls(loaded, match_dtype=match_dtype)

    @property
    def has_itm(self) -> bool:
        """Whether it can match: a BlipModel has no ITM head."""
        return self._has_itm

    @property
    def dim(self) -> int:
        """The length of an embedding."""
        return self.identity.dim

    @torch.inference_mode()
    def get_image_features(self, images: Sequence[AnyImage]) -> Embeddings:
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

    def encode_images(self, images: Sequence[AnyImage]) -> EncodedImages:
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
    def encode_squares(
        self, squares: Squares, kind: StatesKind
    ) -> tuple[Embeddings, ImageStates | None]:
        """Return embeddings, (n, dim) float32, and states as they are stored, None for `none`.

        `squares` are as for `normalise`. All of them go through the vision tower in one pass: how
        many at a time is the caller's to choose, who is told by DeviceMemoryError that they were
        too many. Only the squares go to the device, and only what is kept comes back.

        Raises ShapeError for another shape.
        """
        self._check_squares(squares)
        with memory_errors(self._checkpoint.device, f"a batch of {len(squares)} images"):
            features, states = self._embed_tensor(self._normalise_on_device(squares))
            packed = None if kind == "none" else pack_states(states, kind)
            return _to_numpy(features), packed

    @torch.inference_mode()
    def pack_states(self, states: States, kind: StatesKind) -> ImageStates:
        """Return states (n, tokens, width) as they are stored: float16, int8 or merged.

        `none` leaves them as they are. Raises ShapeError for other states.
        """
        self._check_states(states)
        return ImageStates(states) if kind == "none" else pack_states(self._to_device(states), kind)

    @torch.inference_mode()
    def encode_query(self, text: str) -> EncodedQuery:
        """Read a text once, to match it with several batches of images.

        Raises CheckpointMismatchError where there is no ITM head.
        """
        return self.encode_queries([text])[0]

    @torch.inference_mode()
    def encode_queries(self, texts: Sequence[str]) -> list[EncodedQuery]:
        """Read several texts, those alike in length in one pass; see `encode_query`."""
        vocabulary = self._vocabulary
        rows = [vocabulary.caption_ids(text, vocabulary.enc) for text in texts]
        found: dict[int, EncodedQuery] = {}
        for group in alike_in_length([len(row) for row in rows]):
            reading = self._read([rows[number] for number in group])
            for place, number in enumerate(group):
                own = reading.of(torch.tensor([place], device=self._checkpoint.device))
                found[number] = EncodedQuery(texts[number], own)
        return [found[number] for number in range(len(texts))]

    def images_at_once(self, query: EncodedQuery) -> int:
        """How many images a batch of the match takes: more at a time are not quicker."""
        return self._pairs_at_once(query.reading)

    @torch.inference_mode()
    def match(self, text: str | EncodedQuery, states: States | ImageStates) -> Floats:
        """Return the ITM logits of one text with n images, (n, 2) float32; column 1 is a match.

        `states` are (n, tokens, width), float32 or float16, from this checkpoint's tower, or what
        `pack_states` made of them. They are worked through in batches of bounded memory; the
        vision tower is not run. The published ranking score is `logits[:, 1] + cosine`, both raw.

        Raises ShapeError for other states, CheckpointMismatchError where there is no ITM head.
        """
        query = self.encode_query(text) if isinstance(text, str) else text
        return self._match(query.reading, [self._checked(states)])[0]

    @torch.inference_mode()
    def match_many(
        self, texts: Sequence[str | EncodedQuery], states: Sequence[States | ImageStates]
    ) -> list[Floats]:
        """Return the ITM logits of each text with its own images: (n_i, 2) float32 for `states[i]`.

        The same numbers as `match` one by one, but the texts share batches: texts alike in length
        are padded to the longest. Raises what `match` raises, and ShapeError unless there are as
        many texts as states.
        """
        if isinstance(texts, str) or len(texts) != len(states):
            raise ShapeError(f"give each text its states: {len(texts)} texts, {len(states)} states")
        checked = [self._checked(one) for one in states]
        unread = [number for number, text in enumerate(texts) if isinstance(text, str)]
        read = self.encode_queries([str(texts[number]) for number in unread])
        readings = [text.reading for text in texts if isinstance(text, EncodedQuery)]
        for number, query in zip(unread, read, strict=True):
            readings.insert(number, query.reading)
        logits: dict[int, Floats] = {}
        for group in alike_in_length([reading.length for reading in readings]):
            reading = Reading.joined([readings[number] for number in group])
            found = self._match(reading, [checked[number] for number in group])
            logits.update(zip(group, found, strict=True))
        return [logits[number] for number in range(len(texts))]

    def heat_maps(self, text: str, states: States | ImageStates) -> HeatMaps:
        """Return where in n images each word of a text finds what speaks for a match.

        `states` are as for `match`, but not merged: merged ones have no places. Computed in float32
        whatever the dtype, image by image, in several times the time of a match.

        Raises ShapeError for other states, CheckpointMismatchError where there is no ITM head.
        """
        self._needed_matcher()
        checked = self._checked(states)
        if checked.sizes is not None:
            raise ShapeError(
                "merged states have no places in the picture; heat maps need states that are "
                "float32, float16 or int8, from encode_images() or kept with `--states float16`"
            )
        vocabulary = self._vocabulary
        ids, words = vocabulary.caption_ids(text, vocabulary.enc), vocabulary.caption_words(text)
        seen = unpack_states(checked, self._checkpoint.device, torch.float32)
        return map_words(self._network, ids, words, seen.values)

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
        return self._embed_tensor(self._to_device(pixels))

    def _embed_tensor(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.has_itm:
            output = self._network.get_image_features(pixel_values=pixels)
            return normalize(output.pooler_output.float(), dim=-1), output.last_hidden_state
        states = encode_in_parts(self._network.vision_model, pixels)
        features = self._network.vision_proj(states[:, 0])
        return normalize(features.float(), dim=-1), states

    def _embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        vocabulary = self._vocabulary
        rows = [vocabulary.caption_ids(text, vocabulary.cls) for text in texts]
        # Without the mask padding is attended, and a text's embedding changes with its batch.
        ids, mask = self._padded(rows)
        if not self.has_itm:
            pooled = self._network.get_text_features(input_ids=ids, attention_mask=mask)
            return normalize(pooled.pooler_output.float(), dim=-1)
        output = self._network.text_encoder(input_ids=ids, attention_mask=mask)
        features = self._network.text_proj(output.last_hidden_state[:, 0])
        return normalize(features.float(), dim=-1)

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        ids, mask = pad(rows, self._vocabulary.pad)
        device = self._checkpoint.device
        return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)

    def _read(self, rows: Sequence[Sequence[int]]) -> Reading:
        return self._needed_matcher().read(*self._padded(rows))

    def _match(self, reading: Reading, states: Sequence[ImageStates]) -> list[Floats]:
        """Return the logits, (n_i, 2), of the reading's text i with the images of `states[i]`."""
        matcher = self._needed_matcher()
        device, dtype = self._checkpoint.device, self._checkpoint.dtype
        logits = [np.empty((len(one), 2), dtype=np.float32) for one in states]
        for pieces in batches([len(one) for one in states], self._pairs_at_once(reading)):
            chunk = ImageStates.joined([states[text].rows(part) for text, part in pieces])
            seen = unpack_states(chunk, device, dtype, int8=self._int8)
            owners = np.repeat(
                [text for text, _ in pieces], [part.stop - part.start for _, part in pieces]
            )
            own = reading if len(states) == 1 else reading.of(torch.from_numpy(owners).to(device))
            found = _to_numpy(matcher.match(own, seen))
            for text, part in pieces:
                logits[text][part], found = np.split(found, [part.stop - part.start])
        return logits

    def _pairs_at_once(self, reading: Reading) -> int:
        numbers = self.tokens * self.width + 2 * reading.asked[0].numel()
        limit = MATCH_BYTES.get(self._checkpoint.device.type, MATCH_BYTES["cpu"])
        return max(1, limit // (numbers * self._checkpoint.dtype.itemsize))

    def _checked(self, states: States | ImageStates) -> ImageStates:
        if not isinstance(states, ImageStates):
            self._check_states(states)
            return ImageStates(states)
        shape = states.values.shape
        if states.sizes is None:
            self._check_states_shape(shape)
        elif len(shape) != 3 or shape[2] != self.width:
            raise ShapeError(f"merged states are (n, tokens, {self.width}), not {shape}")
        if states.values.dtype == np.int8 and states.scales is None:
            raise ShapeError("int8 states need their scales; make them with pack_states()")
        return states

    def _needed_matcher(self) -> Matcher:
        if self._matcher is None:
            raise CheckpointMismatchError(
                f"checkpoint {self.identity.name!r} is a BlipModel and has no ITM head, so it can "
                f"rank by cosine only; to rerank use {RELEASED['itm']} or `{BUILTIN}`"
            )
        return self._matcher


def _to_numpy(tensor: torch.Tensor) -> Floats:
    array: Floats = tensor.float().cpu().numpy()
    return array
