"""What people and checkpoints say about images: metadata, tags, captions, answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from blipsearch.catalog.changes import next_changes
from blipsearch.catalog.database import Database, id_chunks
from blipsearch.columns import stored_text
from blipsearch.errors import ImageNotFoundError, QueryError
from blipsearch.records import BY_A_PERSON, Answer, Caption, WrittenCaption
from blipsearch.tables import AnswerRow, CaptionRow, ImageRow, ImageTagRow

__all__ = ["MOST_METADATA", "MOST_METADATA_DEPTH", "Annotations", "check_metadata"]

MOST_METADATA = 100_000
"""Characters of an image's metadata as JSON: a search answers with those of all its hits."""
MOST_METADATA_DEPTH = 32


class Annotations:
    """The rows of `captions`, `answers` and `image_tags`, and the images' metadata.

    Methods that write raise ImageNotFoundError where the collection does not hold the image.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def set_metadata(
        self, collection_id: int, image_id: int, metadata: Mapping[str, object]
    ) -> None:
        """Replace an image's metadata.

        Raises QueryError for values that JSON cannot hold, and for more than MOST_METADATA.
        """
        check_metadata(metadata)
        with self._database.writing() as session:
            _check_image(session, collection_id, image_id)
            (change,) = next_changes(session, collection_id, 1)
            session.execute(
                update(ImageRow)
                .where(ImageRow.id == image_id)
                .values(user_metadata=dict(metadata), change=change)
            )

    def set_tags(self, collection_id: int, image_id: int, tags: Iterable[str]) -> None:
        """Replace an image's tags."""
        with self._database.writing() as session:
            _check_image(session, collection_id, image_id)
            (change,) = next_changes(session, collection_id, 1)
            session.execute(delete(ImageTagRow).where(ImageTagRow.image_id == image_id))
            # As they are stored: what differs in a NUL alone is one tag there.
            kept = sorted({stored_text(tag) for tag in tags} - {""})
            session.add_all(ImageTagRow(image_id=image_id, tag=tag) for tag in kept)
            session.execute(update(ImageRow).where(ImageRow.id == image_id).values(change=change))

    def add_caption(
        self,
        collection_id: int,
        image_id: int,
        text: str,
        checkpoint: str,
        match: float | None = None,
    ) -> Caption:
        """Add a caption to an image; it can be found by its words from now on."""
        with self._database.writing() as session:
            _check_image(session, collection_id, image_id)
            row = CaptionRow(
                image_id=image_id,
                text=text,
                checkpoint=checkpoint,
                match=match,
                created_at=datetime.now(UTC),
            )
            session.add(row)
            session.flush()
            return caption_of(row)

    def add_captions(
        self, collection_id: int, checkpoint: str, written: Sequence[WrittenCaption]
    ) -> int:
        """Add what a checkpoint wrote of many images; returns how many captions are new.

        Left out are images that changed or went meanwhile, and those that it has captioned.
        """
        if not written:
            return 0
        with self._database.writing() as session:
            open_ids = select(ImageRow.id, ImageRow.sha256).where(
                ImageRow.collection_id == collection_id, _lacks_caption_by(checkpoint)
            )
            contents = {
                image_id: sha256
                for chunk in id_chunks({one.image_id for one in written})
                for image_id, sha256 in session.execute(open_ids.where(ImageRow.id.in_(chunk)))
            }
            fitting = {
                one.image_id: one for one in written if contents.get(one.image_id) == one.content
            }
            now = datetime.now(UTC)
            session.add_all(
                CaptionRow(
                    image_id=one.image_id,
                    text=one.text,
                    checkpoint=checkpoint,
                    match=one.match,
                    created_at=now,
                )
                for one in fitting.values()
            )
        return len(fitting)

    def uncaptioned(self, collection_id: int, checkpoint: str) -> list[int]:
        """The ids of the indexed images that have no caption by a checkpoint, ascending."""
        statement = (
            select(ImageRow.id)
            .where(
                ImageRow.collection_id == collection_id,
                ImageRow.status == "indexed",
                _lacks_caption_by(checkpoint),
            )
            .order_by(ImageRow.id)
        )
        with self._database.reading() as session:
            return list(session.scalars(statement))

    def set_captions(self, collection_id: int, image_id: int, texts: Iterable[str]) -> None:
        """Replace the captions that people wrote of an image; those of checkpoints stay."""
        with self._database.writing() as session:
            _check_image(session, collection_id, image_id)
            (change,) = next_changes(session, collection_id, 1)
            session.execute(
                delete(CaptionRow).where(
                    CaptionRow.image_id == image_id, CaptionRow.checkpoint == BY_A_PERSON
                )
            )
            now = datetime.now(UTC)
            session.add_all(
                CaptionRow(image_id=image_id, text=text, checkpoint=BY_A_PERSON, created_at=now)
                for text in dict.fromkeys(texts)
            )
            session.execute(update(ImageRow).where(ImageRow.id == image_id).values(change=change))

    def captions(self, collection_id: int, ids: Iterable[int]) -> dict[int, list[Caption]]:
        """The captions of those of these images that have any, oldest first."""
        found: dict[int, list[Caption]] = {}
        with self._database.reading() as session:
            for chunk in id_chunks(ids):
                statement = (
                    select(CaptionRow)
                    .join(ImageRow, ImageRow.id == CaptionRow.image_id)
                    .where(ImageRow.collection_id == collection_id, ImageRow.id.in_(chunk))
                )
                for row in session.scalars(statement.order_by(CaptionRow.id)):
                    found.setdefault(row.image_id, []).append(caption_of(row))
        return found

    def add_answer(
        self,
        collection_id: int,
        image_id: int,
        question: str,
        answer: str,
        score: float | None,
        checkpoint: str,
    ) -> Answer:
        """Add what a checkpoint answered to a question about an image."""
        with self._database.writing() as session:
            _check_image(session, collection_id, image_id)
            row = AnswerRow(
                image_id=image_id,
                question=question,
                answer=answer,
                score=score,
                checkpoint=checkpoint,
                created_at=datetime.now(UTC),
            )
            session.add(row)
            session.flush()
            return _answer(row)

    def answers(self, collection_id: int, ids: Iterable[int]) -> dict[int, list[Answer]]:
        """The answers about those of these images that have any, oldest first."""
        found: dict[int, list[Answer]] = {}
        with self._database.reading() as session:
            for chunk in id_chunks(ids):
                statement = (
                    select(AnswerRow)
                    .join(ImageRow, ImageRow.id == AnswerRow.image_id)
                    .where(ImageRow.collection_id == collection_id, ImageRow.id.in_(chunk))
                )
                for row in session.scalars(statement.order_by(AnswerRow.id)):
                    found.setdefault(row.image_id, []).append(_answer(row))
        return found


def _lacks_caption_by(checkpoint: str) -> ColumnElement[bool]:
    by_it = select(CaptionRow.id).where(
        CaptionRow.image_id == ImageRow.id, CaptionRow.checkpoint == checkpoint
    )
    return ~by_it.exists()


def _check_image(session: Session, collection_id: int, image_id: int) -> None:
    statement = select(ImageRow.id).where(
        ImageRow.id == image_id, ImageRow.collection_id == collection_id
    )
    if session.scalar(statement) is None:
        raise ImageNotFoundError(f"no image {image_id} in this collection")


def check_metadata(metadata: Mapping[str, object]) -> None:
    """Raise QueryError unless `set_metadata` takes this."""
    try:
        text = json.dumps(dict(metadata), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise QueryError(
            f"metadata must be what JSON can hold (text, finite numbers, lists, objects): {error}"
        ) from error
    if len(text) > MOST_METADATA:
        raise QueryError(
            f"metadata has at most {MOST_METADATA:,} characters as JSON, this has {len(text):,}"
        )
    if _depth(metadata) > MOST_METADATA_DEPTH:
        raise QueryError(f"metadata is nested at most {MOST_METADATA_DEPTH} deep")


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        inner = [one for one in level if isinstance(one, Mapping | list | tuple)]
        depth += bool(inner)
        level = [
            part for one in inner for part in (one.values() if isinstance(one, Mapping) else one)
        ]
    return depth


def caption_of(row: CaptionRow) -> Caption:
    """A caption as its row has it."""
    return Caption(
        id=row.id,
        image_id=row.image_id,
        text=row.text,
        checkpoint=row.checkpoint,
        match=row.match,
        created_at=row.created_at,
    )


def _answer(row: AnswerRow) -> Answer:
    return Answer(
        id=row.id,
        image_id=row.image_id,
        question=row.question,
        answer=row.answer,
        score=row.score,
        checkpoint=row.checkpoint,
        created_at=row.created_at,
    )
