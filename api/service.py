"""What one server process holds: the open library, and a searcher per collection."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from PIL import Image

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.describe import Describer
from blipsearch.library import open_library
from blipsearch.records import CollectionInfo
from blipsearch.resource import Resource
from blipsearch.schemas import CollectionSummary, SearchRequest, SearchResponse
from blipsearch.search import Searcher
from blipsearch.settings import Settings
from blipsearch.vectors import IndexNeeds

__all__ = ["SearchService"]


class SearchService(Resource):
    """Owns the library and the checkpoints in memory; used from the server's worker threads.

    A collection's checkpoint is loaded at its first search and shared by all collections that have
    the same fingerprint. The network runs one request at a time: two at once would only share the
    same cores.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._resources = ExitStack()
        self._library = self._resources.enter_context(open_library(settings.library))
        self._collections: dict[str, Collection] = {}
        self._retrievers: dict[str, BlipRetriever] = {}
        self._describers: dict[str, Describer] = {}
        self._needs = IndexNeeds(settings.vector_bytes, settings.vector_recall)
        self._lock = threading.Lock()
        self._closed = False

    def __str__(self) -> str:
        return f"the search service of {self._settings.library}"

    def close(self) -> None:
        """Close the library and its collections; may be called again."""
        self._closed = True
        self._resources.close()

    def collections(self) -> list[CollectionInfo]:
        """Return every collection of the library as it is now."""
        return self._library.collections()

    def summaries(self) -> tuple[CollectionSummary, ...]:
        """Describe every collection of the library as it is now."""
        return tuple(self._library.summary(info) for info in self._library.collections())

    def summary(self, name: str) -> CollectionSummary:
        """Describe one collection as it is now. Raises CollectionNotFoundError."""
        return self._library.summary(self.collection(name).info)

    def collection(self, name: str) -> Collection:
        """Return the open collection, caught up with what other processes wrote.

        Raises CollectionNotFoundError.
        """
        with self._lock:
            return self._open(name)

    def search(self, name: str, request: SearchRequest) -> SearchResponse:
        """Search the collection, and rerank as asked.

        Raises CollectionNotFoundError, QueryError and what else Searcher.search raises.
        """
        with self._lock:
            return self._searcher(name).search(request)

    def heat_map(self, name: str, image_id: int, text: str) -> Image.Image:
        """Draw which part of an image answers to which word of a text.

        Raises CollectionNotFoundError, ImageNotFoundError, ImageError.
        """
        with self._lock:
            return self._searcher(name).heat_map(image_id, text)

    def _open(self, name: str) -> Collection:
        if name not in self._collections:
            opened = self._library.collection(name)
            self._collections[name] = self._resources.enter_context(opened)
        collection = self._collections[name]
        collection.refresh()
        self._keep_index_fit(collection)
        return collection

    def _keep_index_fit(self, collection: Collection) -> None:
        """Build a better index in the background; searches have the old one until it is there."""
        if collection.building or collection.build_error is not None:
            return  # what failed once is in the log, and `blipsearch plan --build` tries it again
        if collection.wants_build(self._needs):
            collection.build_index_in_background(self._needs)

    def _searcher(self, name: str) -> Searcher:
        collection = self._open(name)
        identity = collection.info.checkpoint
        if identity.fingerprint not in self._retrievers:
            self._retrievers[identity.fingerprint] = BlipRetriever.from_pretrained(
                identity.name,
                device=self._settings.device,
                dtype=self._settings.dtype,
                match_dtype=self._settings.match_dtype,
            )
        if identity.name not in self._describers:
            self._describers[identity.name] = Describer(self._settings, identity.name)
        return Searcher(
            collection,
            self._retrievers[identity.fingerprint],
            max_pixels=self._settings.max_pixels,
            describe=self._describers[identity.name],
        )
