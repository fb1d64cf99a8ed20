"""Images alike: the same bytes, found by SQL; and what a comparison of looks begins with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select

from blipsearch.catalog.database import Database
from blipsearch.tables import ImageRow

__all__ = ["Duplicates"]


class Duplicates:
    """Which rows of `images` are copies of others."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def copies(self, collection_id: int) -> list[list[int]]:
        """The indexed images whose files hold the same bytes: ids, ascending, in groups of two up.

        The groups come in the order of their first ids.
        """
        indexed = ImageRow.collection_id == collection_id, ImageRow.status == "indexed"
        several = (
            select(ImageRow.sha256)
            .where(*indexed)
            .group_by(ImageRow.sha256)
            .having(func.count() > 1)
        )
        statement = (
            select(ImageRow.sha256, ImageRow.id)
            .where(*indexed, ImageRow.sha256.in_(several))
            .order_by(ImageRow.id)
        )
        groups: dict[str, list[int]] = {}
        with self._database.reading() as session:
            for sha256, image_id in session.execute(statement):
                groups.setdefault(sha256, []).append(image_id)
        return list(groups.values())

    def perceptual_hashes(
        self, collection_id: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
        """The ids, (n,) ascending, and perceptual hashes, (n,), of all indexed images."""
        statement = (
            select(ImageRow.id, ImageRow.perceptual_hash)
            .where(
                ImageRow.collection_id == collection_id,
                ImageRow.status == "indexed",
                ImageRow.perceptual_hash.is_not(None),
            )
            .order_by(ImageRow.id)
        )
        with self._database.reading() as session:
            rows = session.execute(statement).all()
        ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        hashes = np.fromiter((row[1] for row in rows), dtype=np.uint64, count=len(rows))
        return ids, hashes
