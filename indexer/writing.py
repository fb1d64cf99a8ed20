"""Writing: what a batch brought goes into the catalog as one transaction, its states beside it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from blipsearch.collection import Collection
from blipsearch.errors import SourceError
from blipsearch.records import GivenRecord, StateKey, StatesKind
from blipsearch.wording import counted
from indexer.batch import Batch
from indexer.embedding import Embedded
from indexer.plan import Candidate, GivenSource, Plan
from indexer.records import FailedPath, IndexProgress, IndexSummary, Stage
from indexer.sources import natural_key

__all__ = ["Writing"]

GIVEN_AT_ONCE = 256


class Writing:
    """Writes batches, and counts what became of a plan's candidates."""

    def __init__(self, collection: Collection, plan: Plan, kind: StatesKind) -> None:
        self._collection = collection
        self._plan = plan
        self._kind = kind
        self._started = time.monotonic()
        self._done = self._embedded = self._added = self._changed = 0
        self._moved = self._vanished = 0
        self._unchanged = plan.unchanged
        self._failed = list(plan.failed)
        self._notices: list[str] = []

    @property
    def is_complete(self) -> bool:
        """Whether every candidate was looked into."""
        return self._done == len(self._plan.candidates)

    def write_given(self) -> None:
        """Take over what sidecars and rows newly say of images that are otherwise as before."""
        regiven = self._plan.regiven
        for start in range(0, len(regiven), GIVEN_AT_ONCE):
            few = regiven[start : start + GIVEN_AT_ONCE]
            self._annotate([(image_id, self._read(source)) for image_id, source in few])

    def write(self, embedded: Embedded) -> None:
        """Write a batch; when this returns, all of it is on disk."""
        batch = embedded.batch
        failed = batch.failed_files()
        if embedded.features is not None or failed:
            indexed = (
                []
                if embedded.features is None
                else batch.indexed_files(embedded.features, self._new_given)
            )
            ids = self._collection.write(indexed, failed)
            if embedded.states is not None:
                keys = [StateKey(*key) for key in zip(ids, batch.contents(), strict=True)]
                self._collection.keep_states(keys, embedded.states, self._kind)
        self._write_others(batch)
        self._count(batch)

    def progress(self, limited_by: Stage) -> IndexProgress:
        """Say how far it is."""
        return IndexProgress(
            done=self._done,
            total=len(self._plan.candidates),
            failed=len(self._failed),
            embedded=self._embedded,
            seconds=time.monotonic() - self._started,
            limited_by=limited_by,
        )

    def summary(self, limited_by: Stage | None) -> IndexSummary:
        """Say what was done."""
        notices = [*self._plan.notices, *self._notices]
        if self._vanished:
            what = counted(self._vanished, "file")
            notices.append(f"{what} vanished during the run; the next one will see to it")
        return IndexSummary(
            added=self._added,
            changed=self._changed,
            unchanged=self._unchanged,
            moved=self._moved,
            missing=self._plan.missing,
            failed=tuple(sorted(self._failed, key=lambda one: natural_key(one.path))),
            seconds=time.monotonic() - self._started,
            interrupted=not self.is_complete,
            notices=tuple(notices),
            limited_by=limited_by if self._embedded else None,
        )

    def _write_others(self, batch: Batch) -> None:
        if batch.moved:
            self._collection.move([(one.image_id, one.candidate.file) for one in batch.moved])
            self._annotate([(one.image_id, self._new_given(one.candidate)) for one in batch.moved])
        if batch.same:
            self._collection.touch([one.candidate.file for one in batch.same])
            self._annotate(
                [
                    (one.candidate.known.id, self._new_given(one.candidate))
                    for one in batch.same
                    if one.candidate.known is not None
                ]
            )

    def _annotate(self, given: Sequence[tuple[int, GivenRecord | None]]) -> None:
        there = [(image_id, record) for image_id, record in given if record is not None]
        if there:
            self._collection.annotate(there)

    def _new_given(self, candidate: Candidate) -> GivenRecord | None:
        """What a sidecar or row says that was not taken over yet."""
        source, known = candidate.given, candidate.known
        if source is None or (known is not None and known.given_stamp == source.stamp):
            return None
        return self._read(source)

    def _read(self, source: GivenSource) -> GivenRecord | None:
        try:
            return GivenRecord(source.stamp, source.read())
        except SourceError as error:
            self._notices.append(str(error))
            return None

    def _count(self, batch: Batch) -> None:
        added = sum(one.candidate.known is None for one in batch.prepared)
        self._added += added
        self._changed += len(batch.prepared) - added
        self._embedded += len(batch.prepared)
        self._unchanged += len(batch.same)
        self._moved += len(batch.moved)
        self._vanished += len(batch.vanished)
        self._failed += [
            FailedPath(one.candidate.absolute_path, one.reason) for one in batch.refused
        ]
        self._done += len(batch)
