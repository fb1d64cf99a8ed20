"""Whole images that come from elsewhere: added to what is here, nothing of which is overwritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from blipsearch.catalog.annotations import check_metadata
from blipsearch.catalog.changes import next_changes
from blipsearch.catalog.database import Database, id_chunks
from blipsearch.catalog.images import indexed_values
from blipsearch.catalog.rows import (
    AnyRow,
    ids_by_change,
    insert_rows,
    renumber,
    rows_of_files,
    update_rows,
)
from blipsearch.catalog.transfer import GivenFacts
from blipsearch.columns import stored_text
from blipsearch.errors import QueryError
from blipsearch.records import ImageFile, IndexedFile
from blipsearch.tables import CaptionRow, GivenRow, ImageRow, ImageTagRow

__all__ = ["Arrival", "Arrivals", "NewCaption", "NewImage"]


@dataclass(frozen=True, slots=True)
class NewCaption:
    """A caption that comes with an image; `checkpoint` is BY_A_PERSON where a person wrote it."""

    text: str
    checkpoint: str
    match: float | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewImage:
    """One image that comes from elsewhere, with what is known of it there.

    `indexed.given` is left out: `given` says what was given before, and changes nothing now.
    """

    indexed: IndexedFile
    is_missing: bool
    metadata: Mapping[str, object]
    tags: tuple[str, ...]
    captions: tuple[NewCaption, ...]
    given: GivenFacts | None


Arrival = Literal["added", "completed", "unchanged", "other"]
"""New here; here already, and something was added to it; here just so or with more; here with
another content, and left alone."""


class Arrivals:
    """Adds whole images."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, collection_id: int, images: Sequence[NewImage]) -> list[Arrival]:
        """Add images, of distinct files, in one transaction; says what became of each.

        Nothing is overwritten. To an image that is here with the same content come the tags,
        metadata keys and captions that it lacks; one that failed here is completed.
        """
        with self._database.writing() as session:
            known = _known(session, [image.indexed.file for image in images])
            arrivals: list[Arrival] = ["unchanged"] * len(images)
            ids: dict[int, int] = {}
            new: list[int] = []
            for place, image in enumerate(images):
                row = known.get((image.indexed.file.source_id, image.indexed.file.path))
                if row is None:
                    new.append(place)
                    arrivals[place] = "added"
                elif row.embedding_bytes and row.sha256 != image.indexed.sha256:
                    arrivals[place] = "other"
                else:
                    ids[place] = row.id
                    if not row.embedding_bytes:
                        _complete(session, row.id, image)
                        arrivals[place] = "completed"
            ids |= _insert(session, collection_id, images, new)
            changed = _annotate(session, {ids[place]: images[place] for place in ids})
            for place, image_id in ids.items():
                if image_id in changed and arrivals[place] == "unchanged":
                    arrivals[place] = "completed"
            renumber(
                session,
                collection_id,
                [image_id for place, image_id in ids.items() if arrivals[place] == "completed"],
            )
            return arrivals


def _known(session: Session, files: Sequence[ImageFile]) -> dict[tuple[int, str], AnyRow]:
    """The id, content and bytes of the embedding of those files that have a row here."""
    length = func.coalesce(func.length(ImageRow.embedding), 0).label("embedding_bytes")
    keys = [(file.source_id, file.path) for file in files]
    return rows_of_files(session, keys, ImageRow.id, ImageRow.sha256, length)


def _values(image: NewImage) -> dict[str, Any]:
    values = indexed_values(image.indexed)
    return values | {"status": "missing"} if image.is_missing else values


def _complete(session: Session, image_id: int, image: NewImage) -> None:
    """Give an image that failed here what it was found to be elsewhere."""
    update_rows(session, [{"row_id": image_id, **_values(image)}])


def _insert(
    session: Session, collection_id: int, images: Sequence[NewImage], places: Sequence[int]
) -> dict[int, int]:
    """Insert those at these places; returns place -> id."""
    if not places:
        return {}
    changes = next_changes(session, collection_id, len(places))
    insert_rows(
        session,
        [
            {"collection_id": collection_id, "change": change, **_values(images[place])}
            for place, change in zip(places, changes, strict=True)
        ],
    )
    ids = ids_by_change(session, collection_id, changes)
    return {place: ids[change] for place, change in zip(places, changes, strict=True)}


def _annotate(session: Session, images: Mapping[int, NewImage]) -> set[int]:
    """Add what is said of these images and not known here; returns to which there was anything."""
    changed: set[int] = set()
    for chunk in id_chunks(images):
        own = {image_id: images[image_id] for image_id in chunk}
        changed |= _add_metadata(session, own)
        changed |= _add_tags(session, own)
        changed |= _add_captions(session, own)
        changed |= _add_given(session, own)
    return changed


def _add_metadata(session: Session, images: Mapping[int, NewImage]) -> set[int]:
    changed = set()
    statement = select(ImageRow.id, ImageRow.user_metadata).where(ImageRow.id.in_(images))
    for image_id, metadata in session.execute(statement).all():
        merged = dict(images[image_id].metadata) | dict(metadata)
        if merged == metadata:
            continue
        try:
            check_metadata(merged)
        except QueryError:
            continue  # together it would be too much; what is here stays
        session.execute(
            update(ImageRow).where(ImageRow.id == image_id).values(user_metadata=merged)
        )
        changed.add(image_id)
    return changed


def _add_tags(session: Session, images: Mapping[int, NewImage]) -> set[int]:
    tags = select(ImageTagRow.image_id, ImageTagRow.tag).where(ImageTagRow.image_id.in_(images))
    there = {(image_id, tag) for image_id, tag in session.execute(tags)}
    new: list[dict[str, Any]] = [
        {"image_id": image_id, "tag": tag}
        for image_id, image in images.items()
        for tag in sorted({stored_text(tag) for tag in image.tags} - {""})
        if (image_id, tag) not in there
    ]
    if new:
        session.execute(insert(ImageTagRow), new)
    return {row["image_id"] for row in new}


def _add_captions(session: Session, images: Mapping[int, NewImage]) -> set[int]:
    captions = select(CaptionRow.image_id, CaptionRow.text, CaptionRow.checkpoint).where(
        CaptionRow.image_id.in_(images)
    )
    there = {
        (image_id, text, checkpoint) for image_id, text, checkpoint in session.execute(captions)
    }
    new: list[dict[str, Any]] = []
    for image_id, image in images.items():
        for caption in image.captions:
            key = (image_id, stored_text(caption.text), caption.checkpoint)
            if key not in there:
                there.add(key)
                new.append(
                    {
                        "image_id": image_id,
                        "text": caption.text,
                        "checkpoint": caption.checkpoint,
                        "match": caption.match,
                        "created_at": caption.created_at,
                    }
                )
    if new:
        session.execute(insert(CaptionRow), new)
    return {row["image_id"] for row in new}


def _add_given(session: Session, images: Mapping[int, NewImage]) -> set[int]:
    there = set(session.scalars(select(GivenRow.image_id).where(GivenRow.image_id.in_(images))))
    new: list[dict[str, Any]] = [
        {"image_id": image_id, "stamp": image.given.stamp, "content": dict(image.given.content)}
        for image_id, image in images.items()
        if image.given is not None and image_id not in there
    ]
    if new:
        session.execute(insert(GivenRow), new)
    return {row["image_id"] for row in new}
