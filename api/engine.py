"""What a request's thread does: search, say, draw, add; each with the ticket of its request."""

from __future__ import annotations

from contextlib import ExitStack

from api.batching import Batcher, Ticket
from api.networks import SharedNetworks
from api.observe import Metrics
from api.open_collections import OpenCollections
from api.settings import ServiceSettings
from blipsearch.blip.device import share_cores
from blipsearch.library import Library
from blipsearch.operations import Operations
from blipsearch.resource import Resource
from blipsearch.schemas import SearchRequest, SearchResponse
from blipsearch.search import OnEvent, SearchEvent
from blipsearch.settings import Settings
from blipsearch.vectors import IndexNeeds
from indexer.uploads import Upload, Uploads

__all__ = ["Engine"]


class Engine(Resource):
    """The open library and the checkpoints in memory; safe to use from any thread.

    Every method that takes a ticket raises CancelledError once its client has left,
    OverloadedError once its time is up, CollectionNotFoundError, and CheckpointError where a
    checkpoint cannot be loaded. Making one raises the errors of `Library.open` and DeviceError.
    """

    def __init__(self, settings: Settings, service: ServiceSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._resources = ExitStack()
        self.library = self._resources.enter_context(Library.open(settings.library))
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
        self.networks = SharedNetworks(settings, self.batcher)
        self._uploads = Uploads(self.library.path, max_pixels=settings.max_pixels)
        self._closed = False

    def __str__(self) -> str:
        return f"the search engine of {self._settings.library}"

    def close(self) -> None:
        """Stop the networks, close the collections and the library; may be called again."""
        self._closed = True
        self._resources.close()

    def operations(self, name: str, ticket: Ticket) -> Operations:
        """What can be asked of a collection, computed for one request."""
        networks = self.networks.for_request(ticket)
        max_pixels = self._settings.max_pixels
        return Operations(self.collections.get(name), networks, max_pixels=max_pixels)

    def search(
        self, name: str, request: SearchRequest, ticket: Ticket, on_event: OnEvent | None = None
    ) -> SearchResponse:
        """Search a collection; see Operations.search."""

        def told(event: SearchEvent) -> None:
            ticket.check()
            if on_event is not None:
                on_event(event)

        return self.operations(name, ticket).search(request, told)

    def add(self, name: str, upload: Upload, ticket: Ticket) -> tuple[int, bool]:
        """Add a picture to a collection; returns its id, and whether it is new there.

        Raises ImageError where it cannot be read, LibraryError where it cannot be kept.
        """
        collection = self.collections.get(name)
        retriever = self.networks.for_request(ticket).retriever(collection.checkpoint)
        return self._uploads.add(collection, retriever, upload)

    def remove(self, name: str, image_id: int) -> None:
        """Take an image out of a collection; only an uploaded one's file goes, too.

        Raises ImageNotFoundError.
        """
        collection = self.collections.get(name)
        self._uploads.remove(collection, collection.image(image_id))
