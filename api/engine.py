"""What a request's thread does: search, say, draw, add; each with the ticket of its request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from PIL import Image

from api.batched import BatchedRetriever
from api.batching import Batcher, Ticket
from api.details import indexed
from api.networks import Networks, Writer
from api.observe import Metrics
from api.open_collections import OpenCollections
from api.settings import ServiceSettings
from api.uploads import Upload, Uploads
from blipsearch.blip.captioner import PROMPT
from blipsearch.blip.device import share_cores
from blipsearch.collection import Collection
from blipsearch.errors import ImageError
from blipsearch.explain import Explainer
from blipsearch.images import open_image
from blipsearch.library import open_library
from blipsearch.records import ImageEntry
from blipsearch.rerank import Candidate, Judgement, Reranker
from blipsearch.resource import Resource
from blipsearch.schemas import (
    AnswerRequest,
    AnswerResponse,
    CaptionRequest,
    CaptionResponse,
    Hit,
    SearchRequest,
    SearchResponse,
)
from blipsearch.search import OnEvent, Searcher, SearchEvent
from blipsearch.settings import Settings
from blipsearch.timings import Timings
from blipsearch.vectors import IndexNeeds

__all__ = ["Engine"]


class Engine(Resource):
    """The open library and the checkpoints in memory; safe to use from any thread.

    Every method that takes a ticket raises CancelledError once its client has left,
    OverloadedError once its time is up, CollectionNotFoundError, and CheckpointError where a
    checkpoint cannot be loaded. Making one raises the errors of `open_library` and DeviceError.
    """

    def __init__(self, settings: Settings, service: ServiceSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._resources = ExitStack()
        self.library = self._resources.enter_context(open_library(settings.library))
        needs = IndexNeeds(settings.vector_bytes, settings.vector_recall)
        self.collections = self._resources.enter_context(OpenCollections(self.library, needs))
        self.batcher = self._resources.enter_context(
            Batcher(
                share_cores(settings.device, service.threads or int(not service.batching)),
                wait=service.batch_wait,
                gathering=service.batching,
                watch=metrics.batch,
            )
        )
        self.networks = Networks(settings, self.batcher)
        self._uploads = Uploads(self.library.path, max_pixels=settings.max_pixels)
        self._closed = False

    def __str__(self) -> str:
        return f"the search engine of {self._settings.library}"

    def close(self) -> None:
        """Stop the networks, close the collections and the library; may be called again."""
        self._closed = True
        self._resources.close()

    def search(
        self, name: str, request: SearchRequest, ticket: Ticket, on_event: OnEvent | None = None
    ) -> SearchResponse:
        """Search a collection as Searcher.search does; captions and answers come along if asked."""
        collection = self.collections.get(name)
        retriever = self._retriever(collection, ticket)

        def told(event: SearchEvent) -> None:
            ticket.check()
            if on_event is not None:
                on_event(event)

        searcher = Searcher(
            collection,
            retriever,
            max_pixels=self._settings.max_pixels,
            describe=partial(self._describe, collection, ticket),
        )
        response = searcher.search(request, on_event=told)
        if not request.ask and "caption" not in request.include:
            return response
        timings = Timings(dict(response.timings))
        with timings.stage("say"):
            hits = self._said(collection, response.hits, request, ticket)
        return response.model_copy(update={"hits": hits, "timings": timings.milliseconds})

    def caption(
        self, name: str, image_id: int, request: CaptionRequest, ticket: Ticket
    ) -> CaptionResponse:
        """Caption an image, and say how well the caption matches. Raises ImageError, QueryError."""
        collection = self.collections.get(name)
        entry = indexed(collection, image_id)
        writer = self.networks.captioner(collection.checkpoint.name, ticket)
        image = self._open(entry, writer.image_size)
        text = _caption(writer, [image], request.prompt, ticket)[0]
        retriever = self._retriever(collection, ticket)
        match = None
        if retriever.has_itm:
            reranker = Reranker(collection, retriever, max_pixels=self._settings.max_pixels)
            judged = reranker.rerank([Judgement(text)], [Candidate(entry, 0.0, 0.0)], Timings())
            match = judged.candidates[0].match
        return CaptionResponse(text=text, match=match, checkpoint=writer.name)

    def answer(
        self, name: str, image_id: int, request: AnswerRequest, ticket: Ticket
    ) -> AnswerResponse:
        """Answer a question about an image. Raises ImageError, QueryError."""
        collection = self.collections.get(name)
        entry = indexed(collection, image_id)
        writer = self.networks.answerer(collection.checkpoint.name, ticket, request.choices)
        image = self._open(entry, writer.image_size)
        (answer,) = writer.write([image], request.question, ticket)
        return AnswerResponse(question=request.question, answer=answer, checkpoint=writer.name)

    def heat_map(self, name: str, image_id: int, text: str, ticket: Ticket) -> Image.Image:
        """Draw which part of an image answers to which word of a text; see Explainer.heat_map."""
        collection = self.collections.get(name)
        entry = indexed(collection, image_id)
        retriever = self._retriever(collection, ticket)
        explainer = Explainer(collection, retriever, max_pixels=self._settings.max_pixels)
        return explainer.heat_map(entry, text)

    def add(self, name: str, upload: Upload, ticket: Ticket) -> tuple[int, bool]:
        """Add a picture to a collection; returns its id, and whether it is new there.

        Raises ImageError where it cannot be read, LibraryError where it cannot be kept.
        """
        collection = self.collections.get(name)
        return self._uploads.add(collection, self._retriever(collection, ticket), upload)

    def remove(self, name: str, image_id: int) -> None:
        """Take an image out of a collection; only an uploaded one's file goes, too.

        Raises ImageNotFoundError.
        """
        collection = self.collections.get(name)
        self._uploads.remove(collection, collection.image(image_id))

    def _retriever(self, collection: Collection, ticket: Ticket) -> BatchedRetriever:
        return self.networks.retriever(collection.checkpoint, ticket)

    def _describe(self, collection: Collection, ticket: Ticket, image: Image.Image) -> str:
        writer = self.networks.captioner(collection.checkpoint.name, ticket)
        return _caption(writer, [image], None, ticket)[0]

    def _said(
        self, collection: Collection, hits: Sequence[Hit], request: SearchRequest, ticket: Ticket
    ) -> tuple[Hit, ...]:
        """The hits with captions and answers; one whose file cannot be read goes without."""
        said: dict[int, dict[str, str]] = {hit.id: {} for hit in hits}
        entries = {entry.id: entry for entry in collection.images(list(said))}
        checkpoint = collection.checkpoint.name
        if "caption" in request.include:
            stored = collection.best_captions(entries)
            others = [entry for entry in entries.values() if entry.id not in stored]
            writer = self.networks.captioner(checkpoint, ticket)
            write = partial(_caption, writer, prompt=None, ticket=ticket)
            for image_id, text in {**stored, **self._written(others, writer, write)}.items():
                said[image_id]["caption"] = text
        if request.ask:
            writer = self.networks.answerer(checkpoint, ticket)
            ask = partial(writer.write, words=request.ask, ticket=ticket)
            for image_id, text in self._written(list(entries.values()), writer, ask).items():
                said[image_id]["answer"] = text
        return tuple(hit.model_copy(update=said[hit.id]) for hit in hits)

    def _written(
        self,
        entries: Sequence[ImageEntry],
        writer: Writer,
        write: Callable[[Sequence[Image.Image]], list[str]],
    ) -> dict[int, str]:
        opened: dict[int, Image.Image] = {}
        for entry in entries:
            try:
                opened[entry.id] = self._open(entry, writer.image_size)
            except ImageError:
                continue
        return dict(zip(opened, write(list(opened.values())), strict=True))

    def _open(self, entry: ImageEntry, size: int) -> Image.Image:
        try:
            return open_image(
                entry.absolute_path, max_pixels=self._settings.max_pixels, network_size=size
            ).image
        except ImageError as error:
            raise type(error)(f"image {entry.id}: {error}") from error


def _caption(
    writer: Writer, images: Sequence[Image.Image], prompt: str | None, ticket: Ticket
) -> list[str]:
    """Captions; without a prompt they begin with the authors' own, which is not part of them."""
    if prompt is not None:
        return writer.write(images, prompt, ticket)
    return [text.removeprefix(PROMPT) for text in writer.write(images, PROMPT, ticket)]
