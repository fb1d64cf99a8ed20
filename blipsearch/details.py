"""What there is to tell of one image of a collection, and to change about it."""

from __future__ import annotations

from typing import BinaryIO

from blipsearch.collection import Collection
from blipsearch.contents import is_there, open_content
from blipsearch.errors import ImageNotFoundError, ImageUnreadableError
from blipsearch.images import cannot_be_read
from blipsearch.records import ImageEntry
from blipsearch.schemas import ImageChange, ImageDetail, StoredAnswer, StoredCaption

__all__ = ["changed", "content_of", "detail", "indexed"]


def indexed(collection: Collection, image_id: int) -> ImageEntry:
    """The entry of an indexed image whose file is there. Raises ImageNotFoundError."""
    entry = collection.image(image_id)
    if entry.status != "indexed" or not is_there(entry.place):
        raise ImageNotFoundError(
            f"the file of image {image_id} is not there any more; index its folder again"
        )
    return entry


def content_of(entry: ImageEntry) -> BinaryIO:
    """The bytes of an image's file, to be closed by the caller. Raises ImageError."""
    try:
        return open_content(entry.place)
    except OSError as error:
        raise ImageUnreadableError(f"image {entry.id}: {cannot_be_read(error)}") from error


def detail(collection: Collection, image_id: int) -> ImageDetail:
    """All that is known of an image. Raises ImageNotFoundError."""
    entry = collection.image(image_id)
    exif = entry.exif
    return ImageDetail(
        id=entry.id,
        status=entry.status,
        reason=entry.reason,
        source=entry.source.name,
        path=entry.path,
        bytes=entry.size,
        sha256=entry.sha256,
        width=entry.width,
        height=entry.height,
        format=entry.format,
        taken_at=exif.taken_at,
        camera=exif.camera,
        lens=exif.lens,
        latitude=exif.latitude,
        longitude=exif.longitude,
        tags=entry.tags,
        metadata=entry.metadata,
        captions=tuple(
            StoredCaption(text=one.text, checkpoint=one.checkpoint, match=one.match)
            for one in collection.captions([image_id]).get(image_id, ())
        ),
        answers=tuple(
            StoredAnswer(question=one.question, answer=one.answer, checkpoint=one.checkpoint)
            for one in collection.answers([image_id]).get(image_id, ())
        ),
    )


def changed(collection: Collection, image_id: int, change: ImageChange) -> ImageDetail:
    """Replace an image's tags, its metadata, or both. Raises ImageNotFoundError, QueryError."""
    if change.metadata is not None:  # first: it may be refused, and tags are not then changed
        collection.set_metadata(image_id, change.metadata)
    if change.tags is not None:
        collection.set_tags(image_id, change.tags)
    if change.captions is not None:
        collection.set_captions(image_id, change.captions)
    return detail(collection, image_id)
