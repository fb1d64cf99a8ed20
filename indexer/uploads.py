"""Pictures that come one by one: kept in the library, and searchable at once."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import numpy as np
from PIL import Image

from blipsearch.blip import Retriever
from blipsearch.catalog.annotations import check_metadata
from blipsearch.collection import Collection
from blipsearch.errors import ImageTooLargeError, ImageUnreadableError, LibraryError
from blipsearch.images import RETRY_HINTS
from blipsearch.library import uploads_of
from blipsearch.places import Place
from blipsearch.records import ImageEntry, ImageFile, StateKey
from indexer.batch import Batch
from indexer.decode import Refused, decode_here, rules_for
from indexer.plan import Candidate

__all__ = ["Upload", "Uploads"]

MOST_NAME = 80
"""Bytes of the name that a picture came with that its file keeps."""

MOST_DECODE_BYTES = 1640 << 20
"""What decoding a single upload may take."""

LOCKS = 64
"""How many locks files share; only those that are the same must not be written at once."""

_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came; its name is only the end of the name that it gets."""

    content: bytes
    name: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)


class Uploads:
    """Adds pictures to collections and takes them out again."""

    def __init__(self, library: Path, *, max_pixels: int) -> None:
        # As the catalog gives out the roots of sources.
        self._library = Path(os.path.normpath(library.absolute()))
        self._max_pixels = max_pixels
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    def add(self, collection: Collection, retriever: Retriever, upload: Upload) -> tuple[int, bool]:
        """Keep and index a picture; returns its id and whether it is new to the collection.

        When it returns, file and row are on disk. Content that was uploaded before keeps its id.
        Raises ImageUnreadableError, ImageTooLargeError, LibraryError, and QueryError for metadata
        that cannot be kept.
        """
        collection.check_checkpoint(retriever.identity)
        check_metadata(upload.metadata)
        path = self._folder(collection) / _file_name(upload)
        with self._alone(path):
            image_id, is_new = self._add(path, upload.content, collection, retriever)
            if upload.tags:
                collection.set_tags(image_id, upload.tags)
            if upload.metadata:
                collection.set_metadata(image_id, upload.metadata)
            return image_id, is_new

    def remove(self, collection: Collection, entry: ImageEntry) -> None:
        """Take an image out of the collection, and delete its file if it was uploaded."""
        path = Path(entry.absolute_path)
        with self._alone(path):
            collection.remove([entry.id])
            if path.parent != self._folder(collection):
                return
            # Removed by another before, it may have been added anew, with another id.
            if collection.known_file(entry.source.id, entry.path) is None:
                path.unlink(missing_ok=True)

    def _alone(self, path: Path) -> threading.Lock:
        """One thread at a time for the same file, or one would delete what another indexed."""
        return self._locks[hash(path) % LOCKS]

    def _add(
        self, path: Path, content: bytes, collection: Collection, retriever: Retriever
    ) -> tuple[int, bool]:
        source = collection.add_source(str(path.parent))
        known = collection.known_file(source.id, path.name)
        if known is not None and known.status != "indexed":
            known = None
        if known is not None and path.is_file():
            return known.id, False
        _keep(path, content)
        try:
            return self._index(path, source.id, collection, retriever), known is None
        except Exception:
            path.unlink(missing_ok=True)
            raise

    def _folder(self, collection: Collection) -> Path:
        return uploads_of(self._library, collection.id)

    def _index(
        self, path: Path, source_id: int, collection: Collection, retriever: Retriever
    ) -> int:
        stat = path.stat()
        file = ImageFile(source_id, path.name, stat.st_size, stat.st_mtime_ns)
        place = Place("folder", str(path.parent), path.name)
        rules = rules_for(retriever, self._max_pixels, MOST_DECODE_BYTES)
        outcome = decode_here(Candidate(file, place, None), rules)
        if isinstance(outcome, Refused):
            too_large = outcome.reason.endswith(RETRY_HINTS)
            kind = ImageTooLargeError if too_large else ImageUnreadableError
            raise kind(f"the picture was not added: {outcome.reason}")
        batch = Batch(1)
        batch.add(outcome)
        (square,) = batch.take_squares()
        pixels = retriever.prepare(Image.fromarray(square))
        encoded = retriever.encode_prepared(pixels[np.newaxis])
        (image_id,) = collection.write(batch.indexed_files(encoded.features))
        kind_kept = collection.states_kind
        if retriever.has_itm and kind_kept != "none":
            key = StateKey(image_id, batch.contents()[0])
            states = retriever.pack_states(encoded.states, kind_kept)
            collection.keep_states([key], states, kind_kept)
        return image_id


def _file_name(upload: Upload) -> str:
    """A name that says which content it is; of the given one what no file system minds."""
    digest = sha256(upload.content).hexdigest()[:32]
    given = _UNSAFE.sub("-", Path(upload.name.replace("\\", "/")).name).strip(".-")
    # The end, which has the suffix; a file system counts bytes.
    given = given.encode()[-MOST_NAME:].decode("utf-8", "ignore")
    return f"{digest}-{given}" if given else digest


def _keep(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there, and wait until the disk has it."""
    # A name of its own: another process may keep the same picture.
    unfinished = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise LibraryError(
            f"the picture cannot be kept in {path.parent}: {error}; make room there"
        ) from error
