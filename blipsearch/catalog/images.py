"""Writing image rows: every change of a row takes a new change number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, bindparam, case, delete, insert, select, update
from sqlalchemy.orm import Session

from blipsearch.catalog.changes import next_changes
from blipsearch.catalog.database import Database, id_chunks
from blipsearch.catalog.given import merge_given
from blipsearch.catalog.rows import (
    IMAGES,
    ids_by_change,
    insert_rows,
    own_ids,
    rows_of_files,
    update_rows,
)
from blipsearch.catalog.sources import sources_of
from blipsearch.errors import SourceError
from blipsearch.records import BY_A_PERSON, Embedding, FailedFile, ImageFile, IndexedFile
from blipsearch.tables import (
    AnswerRow,
    CaptionRow,
    DeletionRow,
    ImageRow,
)

__all__ = ["Images"]


class Images:
    """The rows of `images` as writers see them. A method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(
        self, collection_id: int, indexed: Sequence[IndexedFile], failed: Sequence[FailedFile]
    ) -> list[int]:
        """Write a batch, rows and embeddings together; returns the ids of `indexed` in order.

        A (source, path) that is there is updated and keeps its id. Where its content is another
        than before, the captions and answers of checkpoints go: they described the old picture. A
        path named twice ends as the last one says, failures after images. What is given of an
        image is merged with what people say of it; where nothing is, that stays. Raises
        SourceError for a source of another collection.
        """
        rows = {_key(item.file): indexed_values(item) for item in indexed}
        rows |= {_key(item.file): _failed_values(item) for item in failed}
        if not rows:
            return []
        with self._database.writing() as session:
            _check_sources(session, collection_id, {source_id for source_id, _ in rows})
            before = rows_of_files(session, rows, ImageRow.id, ImageRow.sha256)
            changes = next_changes(session, collection_id, len(rows))
            for row, change in zip(rows.values(), changes, strict=True):
                row.update(collection_id=collection_id, change=change)
            insert_rows(session, [row for key, row in rows.items() if key not in before])
            update_rows(
                session, [{"row_id": before[key].id, **rows[key]} for key in rows if key in before]
            )
            _forget_annotations(
                session,
                [
                    row.id
                    for key, row in before.items()
                    if not row.sha256 or row.sha256 != rows[key]["sha256"]
                ],
            )
            by_change = ids_by_change(session, collection_id, changes)
            ids = [by_change[rows[_key(item.file)]["change"]] for item in indexed]
            given = zip(ids, (item.given for item in indexed), strict=True)
            merge_given(session, {image_id: record for image_id, record in given if record})
        return ids

    def touch(self, collection_id: int, files: Sequence[ImageFile]) -> None:
        """Set size and mtime of files whose content is as before; unknown files are left alone."""
        if not files:
            return
        with self._database.writing() as session:
            changes = next_changes(session, collection_id, len(files))
            session.connection().execute(
                update(IMAGES).where(
                    IMAGES.c.collection_id == collection_id,
                    IMAGES.c.source_id == bindparam("its_source"),
                    IMAGES.c.path == bindparam("its_path"),
                ),
                [
                    {
                        "its_source": file.source_id,
                        "its_path": file.path,
                        "size": file.size,
                        "mtime_ns": file.mtime_ns,
                        "change": change,
                    }
                    for file, change in zip(files, changes, strict=True)
                ],
            )

    def move(self, collection_id: int, moves: Sequence[tuple[int, ImageFile]]) -> None:
        """Say that images are other files now, of the same content; what is known of them stays.

        An image that was missing is found again. Left out are images that are not there, and files
        that are another image by now. Raises SourceError for a source of another collection.
        """
        with self._database.writing() as session:
            _check_sources(session, collection_id, {file.source_id for _, file in moves})
            taken = rows_of_files(session, [_key(file) for _, file in moves], ImageRow.id)
            moves = [
                (image_id, file)
                for image_id, file in moves
                if _key(file) not in taken or taken[_key(file)].id == image_id
            ]
            if not moves:
                return
            changes = next_changes(session, collection_id, len(moves))
            session.connection().execute(
                update(IMAGES)
                .where(IMAGES.c.collection_id == collection_id, IMAGES.c.id == bindparam("its_id"))
                .values(
                    status=case((IMAGES.c.embedding.is_not(None), "indexed"), else_="failed"),
                ),
                [
                    {"its_id": image_id, "change": change, **_file_values(file)}
                    for (image_id, file), change in zip(moves, changes, strict=True)
                ],
            )

    def mark_missing(self, collection_id: int, ids: Iterable[int]) -> None:
        """Set the status of these images to missing; their embeddings stay."""
        self._mark(collection_id, ids, lambda _embedded: "missing", was=("indexed", "failed"))

    def mark_present(self, collection_id: int, ids: Iterable[int]) -> None:
        """Undo `mark_missing`: what has an embedding is indexed again, what has none failed."""
        self._mark(
            collection_id,
            ids,
            lambda embedded: "indexed" if embedded else "failed",
            was=("missing",),
        )

    def remove(self, collection_id: int, ids: Iterable[int]) -> int:
        """Remove images for good and record each removal; returns how many there were."""
        return self._remove(collection_id, ids, ())

    def remove_missing(self, collection_id: int, ids: Iterable[int]) -> int:
        """Remove for good those of these images that are missing now; returns how many."""
        return self._remove(collection_id, ids, (ImageRow.status == "missing",))

    def _remove(
        self, collection_id: int, ids: Iterable[int], conditions: Sequence[ColumnElement[bool]]
    ) -> int:
        with self._database.writing() as session:
            found = own_ids(session, collection_id, ids, *conditions)
            if not found:
                return 0
            now = datetime.now(UTC)
            changes = next_changes(session, collection_id, len(found))
            session.execute(
                insert(DeletionRow),
                [
                    {
                        "collection_id": collection_id,
                        "change": change,
                        "image_id": image_id,
                        "deleted_at": now,
                    }
                    for image_id, change in zip(found, changes, strict=True)
                ],
            )
            for chunk in id_chunks(found):
                session.execute(delete(ImageRow).where(ImageRow.id.in_(chunk)))
            return len(found)

    def _mark(
        self,
        collection_id: int,
        ids: Iterable[int],
        status: Callable[[bool], str],
        was: tuple[str, ...],
    ) -> None:
        with self._database.writing() as session:
            found = [
                (image_id, status(embedded))
                for chunk in id_chunks(ids)
                for image_id, embedded in session.execute(
                    select(ImageRow.id, ImageRow.embedding.is_not(None)).where(
                        ImageRow.collection_id == collection_id,
                        ImageRow.id.in_(chunk),
                        ImageRow.status.in_(was),
                    )
                )
            ]
            if not found:
                return
            changes = next_changes(session, collection_id, len(found))
            update_rows(
                session,
                [
                    {"row_id": image_id, "status": new, "change": change}
                    for (image_id, new), change in zip(found, changes, strict=True)
                ],
            )


def _pack_embedding(embedding: Embedding) -> bytes:
    """Write a (dim,) embedding as float32, little-endian, whatever the machine."""
    return np.asarray(embedding, dtype="<f4").tobytes()


def _key(file: ImageFile) -> tuple[int, str]:
    return file.source_id, file.path


def _file_values(file: ImageFile) -> dict[str, Any]:
    return {
        "source_id": file.source_id,
        "path": file.path,
        "size": file.size,
        "mtime_ns": file.mtime_ns,
    }


def indexed_values(item: IndexedFile) -> dict[str, Any]:
    exif = item.exif
    return _file_values(item.file) | {
        "status": "indexed",
        "reason": "",
        "lasting": True,
        "sha256": item.sha256,
        "perceptual_hash": item.perceptual_hash,
        "width": item.width,
        "height": item.height,
        "format": item.format,
        "taken_at": exif.taken_at.replace(tzinfo=None) if exif.taken_at else None,
        "camera": exif.camera,
        "lens": exif.lens,
        "latitude": exif.latitude,
        "longitude": exif.longitude,
        "orientation": exif.orientation,
        "embedding": _pack_embedding(item.embedding),
    }


_NOTHING_KNOWN: dict[str, Any] = {
    "sha256": "",
    "perceptual_hash": None,
    "width": None,
    "height": None,
    "format": None,
    "taken_at": None,
    "camera": None,
    "lens": None,
    "latitude": None,
    "longitude": None,
    "orientation": 1,
    "embedding": None,
}


def _failed_values(item: FailedFile) -> dict[str, Any]:
    said = {"status": "failed", "reason": item.reason, "lasting": item.lasting}
    return _file_values(item.file) | _NOTHING_KNOWN | said


def _check_sources(session: Session, collection_id: int, used: set[int]) -> None:
    foreign = sorted(used - set(sources_of(session, collection_id)))
    if foreign:
        raise SourceError(
            f"source {foreign[0]} does not belong to this collection; add it with add_source first"
        )


def _forget_annotations(session: Session, ids: list[int]) -> None:
    """Forget what checkpoints said of pictures that changed; what people said stays."""
    for chunk in id_chunks(ids):
        of_checkpoints = CaptionRow.image_id.in_(chunk), CaptionRow.checkpoint != BY_A_PERSON
        session.execute(delete(CaptionRow).where(*of_checkpoints))
        session.execute(delete(AnswerRow).where(AnswerRow.image_id.in_(chunk)))
