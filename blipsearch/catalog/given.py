"""What sidecars and manifests say of images, merged with what people set since."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from blipsearch.catalog.annotations import check_metadata
from blipsearch.catalog.database import Database, id_chunks
from blipsearch.catalog.rows import own_ids, renumber
from blipsearch.columns import stored_text
from blipsearch.errors import QueryError
from blipsearch.records import BY_A_PERSON, Given, GivenRecord
from blipsearch.tables import CaptionRow, GivenRow, ImageRow, ImageTagRow

__all__ = ["GivenRecords", "merge_given"]

logger = logging.getLogger("blipsearch.catalog")


class GivenRecords:
    """The rows of `image_given`, and what follows from them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def annotate(self, collection_id: int, items: Iterable[tuple[int, GivenRecord]]) -> None:
        """Take over what is given of images, in one transaction; ids not there are left out."""
        wanted = dict(items)
        with self._database.writing() as session:
            own = own_ids(session, collection_id, wanted)
            changed = merge_given(session, {image_id: wanted[image_id] for image_id in own})
            renumber(session, collection_id, changed)


@dataclass(slots=True)
class _Said:
    """What is known of one image: as it is now, and as it was last given."""

    stamp: str
    before: Given
    metadata: Mapping[str, Any]
    tags: set[str]
    captions: list[str]


def merge_given(session: Session, items: Mapping[int, GivenRecord]) -> list[int]:
    """Bring the annotations of images in step with what is given of them; says which changed.

    Three things are merged: what was given last, what is given now, and what stands there. Of
    metadata, tags and people's captions, what was given and is no more goes, and what is new
    comes; what people set otherwise, or took away, stays so. An equal stamp changes nothing, and
    an empty one forgets. The caller gives the rows their change numbers.
    """
    changed: list[int] = []
    for ids in id_chunks(items):
        said = _said(session, ids)
        for image_id in ids:
            if image_id in said and said[image_id].stamp != items[image_id].stamp:
                _merge(session, image_id, said[image_id], items[image_id])
                changed.append(image_id)
    return changed


def _merge(session: Session, image_id: int, said: _Said, record: GivenRecord) -> None:
    now = _stored(record.given)
    try:
        check_metadata(now.metadata)
        metadata = _merged_metadata(said.before.metadata, said.metadata, now.metadata)
        check_metadata(metadata)
    except QueryError as error:
        logger.warning("the metadata given of image %d was not taken: %s", image_id, error)
        now = replace(now, metadata=said.before.metadata)
        metadata = dict(said.metadata)
    if metadata != said.metadata:
        session.execute(
            update(ImageRow).where(ImageRow.id == image_id).values(user_metadata=metadata)
        )
    _set_tags(session, image_id, said.tags, _merged(said.before.tags, said.tags, now.tags))
    captions = _merged(said.before.captions, said.captions, now.captions)
    _set_captions(session, image_id, said.captions, captions)
    session.execute(delete(GivenRow).where(GivenRow.image_id == image_id))
    if record.stamp:
        session.add(GivenRow(image_id=image_id, stamp=record.stamp, content=_content(now)))
        session.flush()


def _merged_metadata(
    before: Mapping[str, object], current: Mapping[str, object], given: Mapping[str, object]
) -> dict[str, object]:
    given = json.loads(json.dumps(dict(given)))  # as it will be read again, to compare with that
    as_given = {key for key, value in before.items() if key in current and current[key] == value}
    kept = {key: value for key, value in current.items() if key not in as_given}
    taken_away = {key for key in before if key not in current and given.get(key) == before[key]}
    return {key: value for key, value in given.items() if key not in taken_away} | kept


def _merged(before: Sequence[str], current: Iterable[str], given: Sequence[str]) -> list[str]:
    """The texts that stay, in their order, and after them those that come."""
    there = list(current)
    taken_away = set(before) - set(there)
    kept = [text for text in there if text not in before or text in given]
    return list(dict.fromkeys(kept + [text for text in given if text not in taken_away]))


def _said(session: Session, ids: Sequence[int]) -> dict[int, _Said]:
    statement = select(ImageRow.id, ImageRow.user_metadata).where(ImageRow.id.in_(ids))
    said = {
        image_id: _Said("", Given(), metadata, set(), [])
        for image_id, metadata in session.execute(statement)
    }
    of_these = GivenRow.image_id.in_(ids)
    for image_id, stamp, content in session.execute(
        select(GivenRow.image_id, GivenRow.stamp, GivenRow.content).where(of_these)
    ):
        said[image_id].stamp = stamp
        said[image_id].before = Given(
            content["metadata"], tuple(content["tags"]), tuple(content["captions"])
        )
    for image_id, tag in session.execute(
        select(ImageTagRow.image_id, ImageTagRow.tag).where(ImageTagRow.image_id.in_(ids))
    ):
        said[image_id].tags.add(tag)
    captions = select(CaptionRow.image_id, CaptionRow.text).where(
        CaptionRow.image_id.in_(ids), CaptionRow.checkpoint == BY_A_PERSON
    )
    for image_id, text in session.execute(captions.order_by(CaptionRow.id)):
        said[image_id].captions.append(text)
    return said


def _set_tags(session: Session, image_id: int, before: set[str], tags: list[str]) -> None:
    gone, new = before - set(tags), [tag for tag in tags if tag not in before]
    if gone:
        session.execute(
            delete(ImageTagRow).where(ImageTagRow.image_id == image_id, ImageTagRow.tag.in_(gone))
        )
    if new:
        session.execute(insert(ImageTagRow), [{"image_id": image_id, "tag": tag} for tag in new])


def _set_captions(
    session: Session, image_id: int, before: Sequence[str], captions: list[str]
) -> None:
    gone = set(before) - set(captions)
    if gone:
        session.execute(
            delete(CaptionRow).where(
                CaptionRow.image_id == image_id,
                CaptionRow.checkpoint == BY_A_PERSON,
                CaptionRow.text.in_(gone),
            )
        )
    now = datetime.now(UTC)
    new = [
        {"image_id": image_id, "text": text, "checkpoint": BY_A_PERSON, "created_at": now}
        for text in captions
        if text not in before
    ]
    if new:
        session.execute(insert(CaptionRow), new)


def _stored(given: Given) -> Given:
    """What is given, with its texts as their columns hold them, so that they compare equal."""
    tags = dict.fromkeys(stored_text(tag) for tag in given.tags)
    captions = dict.fromkeys(stored_text(text) for text in given.captions)
    tags.pop("", None)
    captions.pop("", None)
    return Given(dict(given.metadata), tuple(tags), tuple(captions))


def _content(given: Given) -> dict[str, object]:
    return {
        "metadata": dict(given.metadata),
        "tags": list(given.tags),
        "captions": list(given.captions),
    }
