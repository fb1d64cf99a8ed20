"""Reading image rows: entries, what is known of files, embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from blipsearch.catalog.changes import unpack_embeddings
from blipsearch.catalog.database import Database, id_chunks
from blipsearch.catalog.sources import sources_of
from blipsearch.errors import ImageNotFoundError
from blipsearch.places import Place
from blipsearch.records import (
    Embedding,
    Embeddings,
    Exif,
    ImageEntry,
    ImageStatus,
    KnownFile,
    Source,
)
from blipsearch.tables import GivenRow, ImageRow, ImageTagRow

__all__ = ["Entries", "entries_of"]

_PAGE = 1000

# By primary key alone: with the collection in the condition, SQLite walks through all of the
# collection's index instead, a hundred times as long among a million. Made once, for its speed.
_EMBEDDINGS = select(
    ImageRow.id, ImageRow.collection_id, ImageRow.status, ImageRow.embedding
).where(ImageRow.id.in_(bindparam("ids", expanding=True)))

_KnownRow = tuple[str, int, int, int, str, ImageStatus, str, bool, str]
_KNOWN = (
    ImageRow.path,
    # As KnownFile has them.
    *(ImageRow.id, ImageRow.size, ImageRow.mtime_ns, ImageRow.sha256, ImageRow.status),
    *(ImageRow.reason, ImageRow.lasting, func.coalesce(GivenRow.stamp, "")),
)
_SAME_CONTENT = (
    select(ImageRow.id, ImageRow.source_id, ImageRow.path)
    .where(
        ImageRow.collection_id == bindparam("its_collection"),
        ImageRow.sha256 == bindparam("its_content"),
    )
    .order_by(ImageRow.id)
)


class Entries:
    """The rows of `images` as readers see them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known_files(
        self, collection_id: int, source_id: int, path: str | None = None
    ) -> dict[str, KnownFile]:
        """What is known of each file of a source, or of the one with this path, by its path."""
        statement = (
            select(*_KNOWN)
            .outerjoin(GivenRow, GivenRow.image_id == ImageRow.id)
            .where(ImageRow.collection_id == collection_id, ImageRow.source_id == source_id)
        )
        if path is not None:
            statement = statement.where(ImageRow.path == path)
        with self._database.reading() as session:
            # Without the ORM: a source may have a million files.
            rows = session.connection().execute(statement)
            return {row[0]: KnownFile(*row[1:]) for row in cast("Iterable[_KnownRow]", rows)}

    def same_content(self, collection_id: int, sha256: str) -> list[tuple[int, int, str]]:
        """The id, source and path of each image with this content, be it missing or not, by id."""
        with self._database.reading() as session:
            rows = session.connection().execute(
                _SAME_CONTENT, {"its_collection": collection_id, "its_content": sha256}
            )
            return [(image_id, source_id, path) for image_id, source_id, path in rows]

    def get(self, collection_id: int, ids: Sequence[int]) -> list[ImageEntry]:
        """The entries of these ids in their order; unknown ones are left out."""
        found = {}
        with self._database.reading() as session:
            sources = sources_of(session, collection_id)
            for chunk in id_chunks(set(ids)):
                # By primary key alone, as in _EMBEDDINGS.
                rows = session.scalars(select(ImageRow).where(ImageRow.id.in_(chunk))).all()
                own = [row for row in rows if row.collection_id == collection_id]
                for entry in entries_of(session, own, sources):
                    found[entry.id] = entry
        return [found[image_id] for image_id in ids if image_id in found]

    def iterate(
        self,
        collection_id: int,
        status: ImageStatus | None = None,
        source_id: int | None = None,
    ) -> Iterator[ImageEntry]:
        """All entries by id, a page a transaction: a slow reader holds nothing up."""
        last = 0
        while True:
            statement = select(ImageRow).where(
                ImageRow.collection_id == collection_id, ImageRow.id > last
            )
            if status is not None:
                statement = statement.where(ImageRow.status == status)
            if source_id is not None:
                statement = statement.where(ImageRow.source_id == source_id)
            with self._database.reading() as session:
                rows = session.scalars(statement.order_by(ImageRow.id).limit(_PAGE)).all()
                page = entries_of(session, rows, sources_of(session, collection_id))
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1].id

    def embedding(self, collection_id: int, dim: int, image_id: int) -> Embedding:
        """The embedding of one image, (dim,) float32, unit norm. Raises ImageNotFoundError."""
        statement = select(ImageRow.embedding, ImageRow.reason).where(
            ImageRow.collection_id == collection_id, ImageRow.id == image_id
        )
        with self._database.reading() as session:
            row = session.execute(statement).one_or_none()
        if row is None:
            raise ImageNotFoundError(f"no image {image_id} in this collection")
        if row.embedding is None:
            raise ImageNotFoundError(
                f"image {image_id} has no embedding, it could not be indexed: {row.reason}"
            )
        embedding: Embedding = unpack_embeddings([row.embedding], dim)[0]
        return embedding

    def indexed_ids(self, collection_id: int) -> npt.NDArray[np.int64]:
        """The ids of all images that are indexed, (n,) int64, ascending."""
        statement = (
            select(ImageRow.id)
            .where(ImageRow.collection_id == collection_id, ImageRow.status == "indexed")
            .order_by(ImageRow.id)
        )
        with self._database.reading() as session:
            rows = session.connection().execute(statement)
            return np.fromiter((image_id for (image_id,) in rows), dtype=np.int64)

    def embeddings(
        self, collection_id: int, dim: int, ids: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], Embeddings]:
        """The embeddings of those of these ids that are indexed: ids (n,) int64, rows (n, dim).

        They come in any order. About 10 microseconds each where the disk's cache has them.
        """
        found: list[int] = []
        packed: list[bytes] = []
        with self._database.reading() as session:
            connection = session.connection()
            for chunk in id_chunks(np.unique(ids)):
                for image_id, owner, status, embedding in connection.execute(
                    _EMBEDDINGS, {"ids": chunk}
                ):
                    if owner == collection_id and status == "indexed" and embedding is not None:
                        found.append(image_id)
                        packed.append(embedding)
        return np.array(found, dtype=np.int64), unpack_embeddings(packed, dim)


def entries_of(
    session: Session, rows: Sequence[ImageRow], sources: dict[int, Source]
) -> list[ImageEntry]:
    """The entries of rows that were read in this session, in their order."""
    tags = _tags(session, [row.id for row in rows])
    return [_entry(row, sources[row.source_id], tuple(tags.get(row.id, ()))) for row in rows]


def _tags(session: Session, ids: Iterable[int]) -> dict[int, list[str]]:
    tags: dict[int, list[str]] = {}
    for chunk in id_chunks(ids):
        statement = select(ImageTagRow.image_id, ImageTagRow.tag).where(
            ImageTagRow.image_id.in_(chunk)
        )
        for image_id, tag in session.execute(statement.order_by(ImageTagRow.tag)):
            tags.setdefault(image_id, []).append(tag)
    return tags


def _entry(row: ImageRow, source: Source, tags: tuple[str, ...]) -> ImageEntry:
    return ImageEntry(
        id=row.id,
        source=source,
        path=row.path,
        absolute_path=Place(source.kind, source.root, row.path).address,
        size=row.size,
        mtime_ns=row.mtime_ns,
        sha256=row.sha256,
        perceptual_hash=row.perceptual_hash,
        width=row.width,
        height=row.height,
        format=row.format,
        exif=Exif(
            taken_at=row.taken_at,
            camera=row.camera,
            lens=row.lens,
            latitude=row.latitude,
            longitude=row.longitude,
            orientation=row.orientation,
        ),
        metadata=row.user_metadata,
        tags=tags,
        status=cast("ImageStatus", row.status),
        reason=row.reason if row.status == "failed" else "",
        change=row.change,
        lasting=row.lasting,
    )
