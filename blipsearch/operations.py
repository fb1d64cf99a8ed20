"""What can be asked of one collection: search it, say what is in a picture, draw a heat map."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from PIL import Image

from blipsearch.blip import AnyImage, Retriever
from blipsearch.blip.captioner import PROMPT
from blipsearch.collection import Collection
from blipsearch.contents import open_picture
from blipsearch.describe import Networks, Writer
from blipsearch.details import indexed
from blipsearch.errors import ImageError
from blipsearch.explain import Explainer
from blipsearch.images import ImageSource, OpenedImage, open_image
from blipsearch.records import ImageEntry
from blipsearch.rerank import Candidate, Judgement, Reranker
from blipsearch.schemas import AnswerResponse, CaptionResponse, Hit, SearchRequest, SearchResponse
from blipsearch.search import OnEvent, Searcher
from blipsearch.timings import Timings

__all__ = ["Operations"]


class Operations:
    """Answers requests about one collection, for the service and in-process alike.

    Cheap to make; a checkpoint is asked for when an operation needs it. Every method raises
    CheckpointError where one cannot be loaded, and CollectionCheckpointError where a method needs
    the weights that made the collection's embeddings and there are others. A picture is the id of
    an indexed image, or any picture's file: a path, bytes, or a binary file that can seek. Raises
    ImageNotFoundError for an id that is not there, ImageError where a picture cannot be read.
    """

    def __init__(self, collection: Collection, networks: Networks, *, max_pixels: int) -> None:
        self._collection = collection
        self._networks = networks
        self._max_pixels = max_pixels

    def search(self, request: SearchRequest, on_event: OnEvent | None = None) -> SearchResponse:
        """Search as Searcher.search does; captions and answers come along if asked for.

        A hit whose file cannot be read goes without.
        """
        searcher = Searcher(
            self._collection,
            self._retriever(),
            max_pixels=self._max_pixels,
            describe=self._describe,
        )
        response = searcher.search(request, on_event=on_event)
        if not request.ask and "caption" not in request.include:
            return response
        timings = Timings(dict(response.timings))
        with timings.stage("say"):
            hits = self._said(response.hits, request)
        return response.model_copy(update={"hits": hits, "timings": timings.milliseconds})

    def caption(self, picture: int | ImageSource, prompt: str | None = None) -> CaptionResponse:
        """Caption a picture, and say how well the caption matches; it begins with the prompt.

        Raises QueryError for a prompt that cannot be used.
        """
        found = self._found(picture)
        writer = self._networks.captioner(self._collection.checkpoint.name)
        text = _captions(writer, [self._open(found, writer.image_size)], prompt)[0]
        match = self._match(text, found)
        return CaptionResponse(text=text, match=match, checkpoint=writer.name)

    def answer(
        self, picture: int | ImageSource, question: str, choices: Sequence[str] | None = None
    ) -> AnswerResponse:
        """Answer a question about a picture, freely or with the likeliest of the choices.

        Raises QueryError for a question or choices that cannot be used.
        """
        found = self._found(picture)
        writer = self._networks.answerer(self._collection.checkpoint.name, choices)
        (answer,) = writer.write([self._open(found, writer.image_size)], question)
        return AnswerResponse(question=question, answer=answer, checkpoint=writer.name)

    def heat_map(self, image_id: int, text: str) -> Image.Image:
        """Draw which part of an indexed image answers to which word; see Explainer.heat_map."""
        entry = indexed(self._collection, image_id)
        explainer = Explainer(self._collection, self._retriever(), max_pixels=self._max_pixels)
        return explainer.heat_map(entry, text)

    def _retriever(self) -> Retriever:
        retriever = self._networks.retriever(self._collection.checkpoint)
        self._collection.check_checkpoint(retriever.identity)
        return retriever

    def _found(self, picture: int | ImageSource) -> ImageEntry | ImageSource:
        return indexed(self._collection, picture) if isinstance(picture, int) else picture

    def _describe(self, image: Image.Image) -> str:
        """A sentence for a query's image."""
        writer = self._networks.captioner(self._collection.checkpoint.name)
        return _captions(writer, [image], None)[0]

    def _match(self, text: str, picture: ImageEntry | ImageSource) -> float | None:
        """The probability that a picture matches a text; None without an ITM head."""
        retriever = self._retriever()
        if not retriever.has_itm:
            return None
        if isinstance(picture, ImageEntry):
            reranker = Reranker(self._collection, retriever, max_pixels=self._max_pixels)
            candidates = [Candidate(picture, cosine=0.0, score=0.0)]
            return reranker.rerank([Judgement(text)], candidates, Timings()).candidates[0].match
        pixels = retriever.prepare(self._open(picture, retriever.image_size))
        states = retriever.encode_prepared(pixels[np.newaxis]).states
        # Packed as the collection keeps them: a picture matches alike, indexed or not.
        packed = retriever.pack_states(states, self._collection.states_kind)
        return float(retriever.match_probability(retriever.match(text, packed))[0])

    def _said(self, hits: Sequence[Hit], request: SearchRequest) -> tuple[Hit, ...]:
        """The hits with captions and answers; one whose file cannot be read goes without."""
        said: dict[int, dict[str, str]] = {hit.id: {} for hit in hits}
        entries = {entry.id: entry for entry in self._collection.images(list(said))}
        checkpoint = self._collection.checkpoint.name
        if "caption" in request.include:
            captions = self._collection.best_captions(entries)
            others = [entry for entry in entries.values() if entry.id not in captions]
            if others:  # a checkpoint is loaded only for somebody who needs it
                writer = self._networks.captioner(checkpoint)
                write = partial(_captions, writer, prompt=None)
                captions |= self._written(others, writer, write)
            for image_id, text in captions.items():
                said[image_id]["caption"] = text
        if request.ask and entries:
            writer = self._networks.answerer(checkpoint)
            ask = partial(writer.write, words=request.ask)
            for image_id, text in self._written(list(entries.values()), writer, ask).items():
                said[image_id]["answer"] = text
        return tuple(hit.model_copy(update=said[hit.id]) for hit in hits)

    def _written(
        self,
        entries: Sequence[ImageEntry],
        writer: Writer,
        write: Callable[[Sequence[AnyImage]], list[str]],
    ) -> dict[int, str]:
        opened: dict[int, OpenedImage] = {}
        for entry in entries:
            try:
                opened[entry.id] = self._open(entry, writer.image_size)
            except ImageError:
                continue
        return dict(zip(opened, write(list(opened.values())), strict=True))

    def _open(self, picture: ImageEntry | ImageSource, size: int) -> OpenedImage:
        try:
            if isinstance(picture, ImageEntry):
                opened = open_picture(picture.place, max_pixels=self._max_pixels, network_size=size)
            else:
                opened = open_image(picture, max_pixels=self._max_pixels, network_size=size)
        except ImageError as error:
            raise type(error)(f"{_named(picture)}: {error}") from error
        return opened


def _named(picture: ImageEntry | ImageSource) -> str:
    if isinstance(picture, ImageEntry):
        return f"image {picture.id}"
    if isinstance(picture, str | os.PathLike):
        return str(picture)
    return "the picture cannot be used"


def _captions(writer: Writer, images: Sequence[AnyImage], prompt: str | None) -> list[str]:
    """Captions; without a prompt they begin with the authors' own, which is not part of them."""
    if prompt is not None:
        return writer.write(images, prompt)
    return [text.removeprefix(PROMPT) for text in writer.write(images, PROMPT)]
