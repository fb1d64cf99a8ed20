"""A library that is searched in this process: nothing has to be served."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue

from blipsearch.collection import Collection
from blipsearch.describe import LoadedNetworks
from blipsearch.details import changed, content_of, detail, indexed
from blipsearch.errors import (
    CollectionNotFoundError,
    ImageUnreadableError,
    LibraryError,
    QueryError,
)
from blipsearch.heatmap import png_bytes
from blipsearch.image_search import ImageSearch, TextOptions, text_options
from blipsearch.images import cannot_be_read
from blipsearch.library import Library
from blipsearch.operations import Operations
from blipsearch.pictures import Picture, PictureSource
from blipsearch.query import checked, checked_request
from blipsearch.query.text import parse_query
from blipsearch.records import ImageEntry
from blipsearch.resource import Resource
from blipsearch.schemas import (
    AnswerRequest,
    AnswerResponse,
    CaptionRequest,
    CaptionResponse,
    CollectionSummary,
    EventName,
    ImageChange,
    ImageDetail,
    Judgements,
    SearchRequest,
    SearchResponse,
)
from blipsearch.search import SearchEvent
from blipsearch.settings import Settings, make_settings
from blipsearch.thumbnails import Thumbnails
from indexer.uploads import Upload, Uploads

__all__ = ["OpenLibrary", "open_library"]


def open_library(
    path: str | os.PathLike[str],
    *,
    collection: str = "default",
    settings: Settings | None = None,
) -> OpenLibrary:
    """Open the library in a directory, to search its collections in this process.

    `collection` is the one that is searched where a method names none. `settings` say how this
    machine computes, and with which checkpoints it captions and answers; without them the
    environment and the defaults do. Checkpoints are loaded when they are first needed.

    Raises LibraryNotFoundError and the other errors of Library.open.
    """
    library = Library.open(path)
    try:
        return OpenLibrary(library, settings or make_settings(), collection)
    except BaseException:
        library.close()
        raise


class OpenLibrary(ImageSearch, Resource):
    """An open library with what it is searched with; made by `open_library`.

    Safe to use from any thread; close it when no thread uses it any more. It follows what other
    processes write: an image that was indexed before a search begins is found. `library` is the
    library itself. What it opened is closed with it, and checkpoints leave the memory.
    """

    def __init__(self, library: Library, settings: Settings, collection: str) -> None:
        self.library = library
        self.default_collection = collection
        self._max_pixels = settings.max_pixels
        self._networks = LoadedNetworks(settings)
        self._uploads = Uploads(library.path, max_pixels=settings.max_pixels)
        self._thumbnails = Thumbnails(max_pixels=settings.max_pixels)
        self._open: dict[str, Collection] = {}
        self._resources = ExitStack()
        self._resources.enter_context(library)
        self._lock = threading.Lock()
        self._closed = False

    def __str__(self) -> str:
        return f"the open {self.library}"

    @property
    def bytes_at_hand(self) -> bool:
        """True: pictures are on this machine."""
        return True

    def close(self) -> None:
        """Close the collections and the library; a second call does nothing."""
        with self._lock:
            self._closed = True
            self._open.clear()
            self._networks.clear()
            self._resources.close()

    def respond(self, request: SearchRequest, collection: str) -> SearchResponse:
        """See ImageSearch.respond."""
        return self._operations(collection).search(request)

    def respond_to_text(self, text: str, options: TextOptions, collection: str) -> SearchResponse:
        """See ImageSearch.respond_to_text."""
        given = text_options(text, options)
        request = checked_request({"terms": parse_query(text).terms, **given})
        return self.respond(request, collection)

    def events(
        self, request: SearchRequest, collection: str
    ) -> Generator[tuple[EventName, SearchResponse | Judgements]]:
        """See ImageSearch.events. The search runs in a thread of its own.

        Closing the iterator waits for the batch that is being judged.
        """
        operations = self._operations(collection)
        told: SimpleQueue[SearchEvent | None] = SimpleQueue()
        left = threading.Event()

        def tell(event: SearchEvent) -> None:
            if left.is_set():
                raise _LeftError
            told.put(event)

        with ThreadPoolExecutor(1, thread_name_prefix="search") as thread:
            answer = thread.submit(operations.search, request, tell)
            answer.add_done_callback(lambda _: told.put(None))
            try:
                while (event := told.get()) is not None:
                    yield "ranking" if isinstance(event, SearchResponse) else "matches", event
                yield "result", answer.result()
            finally:
                left.set()

    def caption(
        self,
        image: int | PictureSource,
        prompt: str | None = None,
        *,
        collection: str | None = None,
    ) -> CaptionResponse:
        """See ImageSearch.caption."""
        asked = checked(CaptionRequest, {"prompt": prompt})
        return self._operations(self._named(collection)).caption(_picture(image), asked.prompt)

    def ask(
        self,
        image: int | PictureSource,
        question: str,
        choices: Sequence[str] | None = None,
        *,
        collection: str | None = None,
    ) -> AnswerResponse:
        """See ImageSearch.ask."""
        asked = checked(AnswerRequest, {"question": question, "choices": choices})
        operations = self._operations(self._named(collection))
        return operations.answer(_picture(image), asked.question, asked.choices)

    def heat_map(self, image_id: int, text: str, *, collection: str | None = None) -> bytes:
        """See ImageSearch.heat_map."""
        _check_text(text)
        operations = self._operations(self._named(collection))
        return png_bytes(operations.heat_map(_image_id(image_id), text))

    def file(self, image_id: int, *, collection: str | None = None) -> bytes:
        """See ImageSearch.file."""
        entry = self._indexed(image_id, collection)
        try:
            with content_of(entry) as content:
                return content.read()
        except OSError as error:
            raise ImageUnreadableError(f"image {image_id}: {cannot_be_read(error)}") from error

    def thumbnail(self, image_id: int, size: int = 320, *, collection: str | None = None) -> bytes:
        """See ImageSearch.thumbnail."""
        _check_range("size", size, 16, 2048)
        return self._thumbnails.get(self._indexed(image_id, collection), size)

    def image(self, image_id: int, *, collection: str | None = None) -> ImageDetail:
        """See ImageSearch.image."""
        return detail(self._collection(collection), _image_id(image_id))

    def path_of(self, image_id: int, *, collection: str | None = None) -> str:
        """The absolute path of an image's file. Raises ImageNotFoundError.

        Of a member of an archive it is the archive's path and the member's behind it; of an image
        that is elsewhere its URL.
        """
        return self._collection(collection).image(_image_id(image_id)).absolute_path

    def add_image(
        self,
        image: PictureSource,
        *,
        name: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, object] | None = None,
        collection: str | None = None,
    ) -> ImageDetail:
        """See ImageSearch.add_image."""
        known = checked(ImageChange, {"tags": tags, "metadata": metadata or {}})
        picture = Picture.of(image)
        upload = Upload(
            picture.content,
            picture.name if name is None else name,
            tuple(known.tags or ()),
            known.metadata or {},
        )
        opened = self._collection(collection)
        image_id, _ = self._uploads.add(opened, self._networks.retriever(opened.checkpoint), upload)
        return detail(opened, image_id)

    def change_image(
        self,
        image_id: int,
        *,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, object] | None = None,
        captions: Sequence[str] | None = None,
        collection: str | None = None,
    ) -> ImageDetail:
        """See ImageSearch.change_image."""
        change = checked(ImageChange, {"tags": tags, "metadata": metadata, "captions": captions})
        return changed(self._collection(collection), _image_id(image_id), change)

    def remove_image(self, image_id: int, *, collection: str | None = None) -> None:
        """See ImageSearch.remove_image."""
        opened = self._collection(collection)
        self._uploads.remove(opened, opened.image(_image_id(image_id)))

    def collections(self) -> tuple[CollectionSummary, ...]:
        """See ImageSearch.collections."""
        self._check_open()
        return tuple(self.library.summary(info) for info in self.library.collections())

    def collection(self, name: str | None = None) -> CollectionSummary:
        """See ImageSearch.collection."""
        return self.library.summary(self._collection(name).info)

    def _operations(self, collection: str) -> Operations:
        opened = self._collection(collection)
        return Operations(opened, self._networks, max_pixels=self._max_pixels)

    def _indexed(self, image_id: int, collection: str | None) -> ImageEntry:
        return indexed(self._collection(collection), _image_id(image_id))

    def _collection(self, name: str | None) -> Collection:
        """The open collection, as new as the catalog. Raises CollectionNotFoundError."""
        name = self._named(name)
        with self._lock:
            self._check_open()
            if name in self._open:
                try:
                    is_followed = self._follow(name, self._open[name])
                except CollectionNotFoundError:
                    is_followed = False
                if not is_followed:
                    # Others may still use it: it is closed at the end. There may be a new one.
                    del self._open[name]
            if name not in self._open:
                opened = self.library.collection(name)
                self._open[name] = self._resources.enter_context(opened)
            return self._open[name]

    @staticmethod
    def _follow(name: str, collection: Collection) -> bool:
        """Bring a collection up to date; says whether it still has the name."""
        collection.refresh()
        return collection.name == name

    def _check_open(self) -> None:
        if self._closed:
            raise LibraryError(f"{self.library} is closed; open it again with open_library")


class _LeftError(Exception):
    """Nobody goes on with a search's events; it never leaves its thread."""


def _picture(image: int | PictureSource) -> int | bytes:
    return _image_id(image) if isinstance(image, int) else Picture.of(image).content


def _image_id(image_id: int) -> int:
    _check_range("image_id", image_id, 1, 2**63 - 1)
    return image_id


def _check_text(text: str) -> None:
    _check_range("the length of the text", len(text), 1, 1000)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QueryError(f"there is text that is no Unicode: {error.reason}") from error


def _check_range(what: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise QueryError(f"{what} must be {least} to {most}, not {number}")
