"""Explain: why an image is a hit, as a picture of where each word of the query was found."""

from __future__ import annotations

import numpy as np
from PIL import Image

from blipsearch.blip import Retriever
from blipsearch.collection import Collection
from blipsearch.contents import open_picture, stamp_of
from blipsearch.errors import ImageError
from blipsearch.heatmap import LARGEST, heat_map_sheet
from blipsearch.records import ImageEntry, ImageStates, StateKey

__all__ = ["Explainer"]


class Explainer:
    """Draws heat maps for images of one collection with the checkpoint that embedded it.

    Raises CollectionCheckpointError when the retriever's weights are not the ones that made the
    collection's embeddings.
    """

    def __init__(self, collection: Collection, retriever: Retriever, *, max_pixels: int) -> None:
        collection.check_checkpoint(retriever.identity)
        self._collection = collection
        self._retriever = retriever
        self._max_pixels = max_pixels

    def heat_map(self, entry: ImageEntry, text: str) -> Image.Image:
        """Return a sheet of the picture's heat maps for a text: the whole, and each content word.

        States that are stored unmerged are used, else the vision tower runs. Raises ImageError's
        kin, naming the file, where the picture cannot be read: there is nothing to draw on then;
        CheckpointMismatchError where the checkpoint has no ITM head.
        """
        picture = self._open(entry)
        states = self._stored(entry)
        if states is None:
            prepared = self._retriever.prepare(picture)[np.newaxis]
            states = ImageStates(self._retriever.encode_prepared(prepared).states)
        found = self._retriever.heat_maps(text, states)
        content = list(found.content)
        return heat_map_sheet(
            picture,
            [found.words[number] for number in content],
            found.maps[0, content],
            found.overall[0],
            title=text,
            match=float(self._retriever.match_probability(found.logits)[0]),
        )

    def _open(self, entry: ImageEntry) -> Image.Image:
        # Large enough to be drawn; for a network of 384 pixels the same as a search reads it.
        size = max(self._retriever.image_size, LARGEST // 2)
        try:
            return open_picture(entry.place, max_pixels=self._max_pixels, network_size=size).image
        except ImageError as error:
            raise type(error)(
                f"no heat map without the picture: {entry.absolute_path}: {error}"
            ) from error

    def _stored(self, entry: ImageEntry) -> ImageStates | None:
        """The image's states where they are stored, have places, and are of the file as it is."""
        if not _is_as_indexed(entry):
            return None
        _, states = self._collection.stored_states([StateKey(entry.id, entry.sha256)])
        return None if states is None or states.sizes is not None else states


def _is_as_indexed(entry: ImageEntry) -> bool:
    try:
        return stamp_of(entry.place) == (entry.size, entry.mtime_ns)
    except (OSError, ImageError):
        return False
