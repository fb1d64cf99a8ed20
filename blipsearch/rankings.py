"""Frozen rankings: what the pages of one search are slices of, kept on disk for a while.

A page must not depend on what is indexed or deleted meanwhile, so the whole ranking is written down
when its first page is given out, and a cursor names it and a place in it. Any process that opens
the collection can give out the next page. All of it can be deleted: cursors then have expired.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from itsdangerous import BadData, URLSafeSerializer

from blipsearch.errors import CursorExpiredError, InvalidCursorError

__all__ = ["LIFETIME", "Ranking", "RankingStore"]

logger = logging.getLogger("blipsearch.search")

LIFETIME = 3600.0
"""Seconds that a ranking is kept after its last page was asked for."""
BUDGET = 256_000_000
"""Bytes that the rankings of a collection may take; the least recently used go first."""
_PRUNE_EVERY = 60.0

_ROW = np.dtype([("id", "<i8"), ("cosine", "<f4"), ("score", "<f8"), ("match", "<f4")])


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """n images, best first, and how they were ranked.

    `ids` (n,) int64; `cosines` (n,) float32; `scores` (n,) float64, what they are ordered by;
    `matches` (n,) float32, NaN where the ITM head was not asked. `candidates`, `reranked` and
    `unverified` are as in SearchResponse.
    """

    ids: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float64]
    matches: npt.NDArray[np.float32]
    candidates: int
    reranked: int = 0
    unverified: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, which: slice) -> Ranking:
        """The same with only some of its images."""
        return replace(
            self,
            ids=self.ids[which],
            cosines=self.cosines[which],
            scores=self.scores[which],
            matches=self.matches[which],
        )


class RankingStore:
    """The rankings of one collection in a directory of their own; made at the first one kept."""

    def __init__(
        self, directory: Path, *, lifetime: float = LIFETIME, budget: int = BUDGET
    ) -> None:
        self._directory = directory
        self._lifetime = lifetime
        self._budget = budget
        self._pruned = 0.0

    def keep(self, ranking: Ranking) -> str | None:
        """Write a ranking down; returns its name, or None where the disk does not take it."""
        rows = np.empty(len(ranking), dtype=_ROW)
        rows["id"], rows["cosine"] = ranking.ids, ranking.cosines
        rows["score"], rows["match"] = ranking.scores, ranking.matches
        counts = np.array([ranking.candidates, ranking.reranked, ranking.unverified])
        name = secrets.token_urlsafe(16)
        unfinished = self._directory / f"{name}.tmp"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._make_key()
            self._prune()
            with unfinished.open("wb") as file:
                np.savez(file, rows=rows, counts=counts)
            unfinished.replace(self._path(name))
        except OSError as error:
            # The page at hand is right all the same; only there will be no next one.
            logger.warning("the ranking cannot be kept for its next page: %s", error)
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            return None
        return name

    def cursor(self, name: str, offset: int) -> str:
        """The signed cursor for the place `offset` in a ranking that was kept."""
        signed = self._signer(self._key()).dumps([name, offset])
        return signed if isinstance(signed, str) else signed.decode("ascii")

    def find(self, cursor: str) -> tuple[Ranking, str, int]:
        """The ranking a cursor names, the ranking's name, and the place in it.

        Raises InvalidCursorError for a cursor that was not made here, and CursorExpiredError where
        the ranking is not kept any more.
        """
        name, offset = self._read(cursor)
        path = self._path(name)
        try:
            if time.time() - path.stat().st_mtime > self._lifetime:
                raise FileNotFoundError(path)
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                rows, counts = kept["rows"], kept["counts"]
            os.utime(path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise CursorExpiredError(
                "the cursor has expired: a ranking is kept for "
                f"{self._lifetime / 60:.0f} minutes after its last page; search again"
            ) from error
        columns = (rows[column] for column in ("id", "cosine", "score", "match"))
        ranking = Ranking(*columns, *(int(count) for count in counts))
        return ranking, name, offset

    def _read(self, cursor: str) -> tuple[str, int]:
        try:
            name, offset = self._signer(self._key()).loads(cursor)
        except (BadData, FileNotFoundError) as error:
            raise InvalidCursorError(
                "the cursor was not made by a search of this collection, or is cut short; "
                "pass next_cursor as the answer gave it, or search again without a cursor"
            ) from error
        return str(name), int(offset)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.npz"

    def _signer(self, key: bytes) -> URLSafeSerializer:
        return URLSafeSerializer(key, salt="blipsearch cursor")

    def _key(self) -> bytes:
        """The collection's own secret, 32 bytes."""
        return (self._directory / "key").read_bytes()

    def _make_key(self) -> None:
        """Make the secret once, whichever process comes first."""
        path = self._directory / "key"
        if path.exists():
            return
        with FileLock(self._directory / "key.lock"):
            if not path.exists():
                unfinished = path.with_suffix(".tmp")
                unfinished.touch(mode=0o600)
                unfinished.write_bytes(secrets.token_bytes(32))
                unfinished.replace(path)

    def _prune(self) -> None:
        """Delete what has expired or is over the budget, once in a while."""
        now = time.time()
        if now - self._pruned < _PRUNE_EVERY:
            return
        self._pruned = now
        kept = 0
        files = []
        for entry in os.scandir(self._directory):
            # Another process may delete it at the same time.
            with suppress(FileNotFoundError):
                if not entry.name.startswith("key"):
                    files.append((entry.stat(), entry.path))
        for about, path in sorted(files, key=_written_at, reverse=True):
            kept += about.st_size
            if now - about.st_mtime > self._lifetime or kept > self._budget:
                Path(path).unlink(missing_ok=True)


def _written_at(file: tuple[os.stat_result, str]) -> float:
    return file[0].st_mtime
