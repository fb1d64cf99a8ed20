"""Captions found by their words. The full-text table is SQLite's own; PostgreSQL gets a twin."""

from __future__ import annotations

import re
from collections.abc import Container

from sqlalchemy import text

from blipsearch.catalog.database import Database

__all__ = ["FullText"]

_WORD = re.compile(r"\w+")
_SAYS_NOTHING = re.compile(
    r"an?|and|are|at|be|by|for|from|in|is|it|of|on|or|that|the|their|there|this|to|with",
    re.IGNORECASE,
)
"""Words that nearly every caption has: looking for them costs time and changes no order."""

_FIND = text(
    "SELECT captions.image_id FROM captions_fts"
    " JOIN captions ON captions.id = captions_fts.rowid"
    " JOIN images ON images.id = captions.image_id"
    " WHERE captions_fts MATCH :words AND images.collection_id = :collection_id"
    " AND images.status = 'indexed'"
    " ORDER BY captions_fts.rank, captions.image_id"
)


class FullText:
    """The full-text index of captions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self, collection_id: int, sentence: str, limit: int, within: Container[int] | None = None
    ) -> list[int]:
        """The indexed images whose captions share words with a sentence, at most `limit`.

        Best first by BM25 of their best caption, any word counting; equal ones by id. With `within`
        only those ids count.
        """
        words = [word for word in _WORD.findall(sentence) if not _SAYS_NOTHING.fullmatch(word)]
        if not words:
            return []
        # Quoted, each word is a word, whatever it means to FTS5.
        asked = {
            "words": " OR ".join(f'"{word}"' for word in words),
            "collection_id": collection_id,
        }
        found: dict[int, None] = {}
        with self._database.reading() as session:
            for image_id in session.scalars(_FIND, asked):
                if within is None or image_id in within:
                    found[image_id] = None
                    if len(found) == limit:
                        break
        return list(found)
