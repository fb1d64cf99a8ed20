"""Collection: catalog rows, the vector index in memory, image states on disk, kept in step."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from blipsearch.builds import IndexBuilds
from blipsearch.catalog import Catalog
from blipsearch.errors import (
    BlipSearchError,
    CollectionCheckpointError,
    ImageNotFoundError,
    LibraryError,
)
from blipsearch.filters import Filter
from blipsearch.live import LiveIndex
from blipsearch.rankings import RankingStore
from blipsearch.records import (
    BY_A_PERSON,
    Answer,
    Caption,
    CheckpointIdentity,
    CollectionInfo,
    Embedding,
    Embeddings,
    FailedFile,
    GivenRecord,
    ImageEntry,
    ImageFile,
    ImageStates,
    ImageStatus,
    IndexedFile,
    KnownFile,
    Run,
    RunCounts,
    Source,
    SourceKind,
    StateKey,
    StatesKind,
    WrittenCaption,
)
from blipsearch.resource import Resource
from blipsearch.states import StateStore
from blipsearch.vectors import (
    BuildProgress,
    IndexInfo,
    IndexNeeds,
    IndexPlan,
    Measured,
    Neighbours,
    check_unit_rows,
    consider,
    measure_kind,
)

__all__ = ["STATES", "Collection"]

STATES = "states"
"""The folder of image states in a collection's directory; all of it can be deleted."""
RANKINGS = "rankings"
"""The folder of rankings that cursors stand for; all of it can be deleted."""


class Collection(Resource):
    """One open collection; made by `Library.collection` and `Library.create_collection`.

    What it writes is in the catalog, synced to disk, when the method returns; its own searches
    see it at once, those of other processes after their `refresh`. Safe to share between threads.
    Close it before its library.
    """

    def __init__(self, catalog: Catalog, info: CollectionInfo, directory: Path) -> None:
        self._catalog = catalog
        self.directory = directory
        self._id = info.id
        self._checkpoint = info.checkpoint
        self._live = LiveIndex(catalog, info, directory)
        self._builds = IndexBuilds(self._live)
        self.rankings = RankingStore(directory / RANKINGS)
        self._states_directory = directory / STATES
        self._states: StateStore | None = None
        self._lock = threading.RLock()
        self._closed = False

    def __str__(self) -> str:
        return f"collection {self._id}"

    def close(self) -> None:
        """Let go of the index and the image states; a second call does nothing.

        A build in the background ends first: at its next chunk, training at its end.
        """
        self._builds.close()
        with self._lock:
            self._closed = True
            self._live.clear()
            self._close_states()

    @property
    def info(self) -> CollectionInfo:
        """The collection as the catalog has it now. Raises CollectionNotFoundError once removed."""
        return self._open_catalog().collections.info(self._id)

    @property
    def name(self) -> str:
        """What it is called now. Raises CollectionNotFoundError once removed."""
        return self._open_catalog().collections.name(self._id)

    @property
    def id(self) -> int:
        """The collection's number in its library; never reused."""
        return self._id

    @property
    def checkpoint(self) -> CheckpointIdentity:
        """The weights that made the collection's embeddings; they never change."""
        return self._checkpoint

    @property
    def change(self) -> int:
        """The number of the last change that searches see; it grows with each."""
        return self._live.change

    def check_checkpoint(self, identity: CheckpointIdentity) -> None:
        """Raise CollectionCheckpointError unless these weights made the collection's embeddings."""
        own = self._checkpoint
        if identity.fingerprint == own.fingerprint:
            return
        name = self.name
        raise CollectionCheckpointError(
            f"collection {name!r} was embedded with {own.name} ({own.fingerprint[:12]}), not with "
            f"{identity.name} ({identity.fingerprint[:12]}); embed it side by side with "
            f"`blipsearch index --collection {name} --into {name}-2 --checkpoint {identity.name}`"
        )

    def sources(self) -> list[Source]:
        """The collection's sources, oldest first."""
        return self._open_catalog().sources.all(self._id)

    def source_counts(self) -> dict[int, dict[ImageStatus, int]]:
        """How many images of each source are in each status, by the source's id."""
        return self._open_catalog().sources.counts(self._id)

    def add_source(self, root: str, name: str | None = None, kind: SourceKind = "folder") -> Source:
        """Add a root by its absolute path or URL; one that is there already gives its source.

        Without a name it is called after its root. Raises SourceError for a relative root or a
        name another root has.
        """
        return self._open_catalog().sources.add(self._id, root, name, kind)

    def rename_source(self, source_id: int, name: str) -> Source:
        """Give a source another name. Raises SourceError for one that another source has."""
        return self._open_catalog().sources.rename(self._id, source_id, name)

    def move_source(self, source_id: int, root: str) -> Source:
        """Say that all files of a source are below another root now, with the paths they had.

        Nothing is looked up there. Raises SourceError for a relative root and for one that another
        source has.
        """
        return self._open_catalog().sources.move(self._id, source_id, root)

    def remove_source(self, source_id: int) -> None:
        """Forget a source that has no images. Raises SourceError where it has, or is another's."""
        self._open_catalog().sources.remove(self._id, source_id)

    def known_files(self, source_id: int) -> dict[str, KnownFile]:
        """What is known of each file of a source, by its path."""
        return self._open_catalog().entries.known_files(self._id, source_id)

    def known_file(self, source_id: int, path: str) -> KnownFile | None:
        """What is known of one file of a source."""
        return self._open_catalog().entries.known_files(self._id, source_id, path).get(path)

    def same_content(self, sha256: str) -> list[tuple[int, int, str]]:
        """The id, source id and path of each image with this content, be it missing or not."""
        return self._open_catalog().entries.same_content(self._id, sha256)

    def write(self, indexed: Sequence[IndexedFile], failed: Sequence[FailedFile] = ()) -> list[int]:
        """Write a batch in one transaction; returns the ids of `indexed` in their order.

        A (source, path) that is there is updated and keeps its id; where its content changed, the
        captions and answers of checkpoints go. What is given of an image is merged as `annotate`
        does; where nothing is, that stays. A path named twice ends as the last one says, failures
        after images. Raises ShapeError for embeddings that are not (dim,) float32 of unit norm and
        SourceError for a source of another collection; nothing is written then.
        """
        catalog = self._open_catalog()
        for item in indexed:
            check_unit_rows(item.embedding[np.newaxis], self._checkpoint.dim)
        ids = catalog.images.write(self._id, indexed, failed)
        self.refresh()
        return ids

    def annotate(self, items: Iterable[tuple[int, GivenRecord]]) -> None:
        """Take over what sidecars or manifests say of images now, in one transaction.

        Of metadata, tags and people's captions, what was given last and is no more goes, and what
        is new comes; what people set otherwise, or took away, stays so. A record with the stamp of
        the last one changes nothing, one with an empty stamp says that nothing is given any more.
        """
        self._open_catalog().given.annotate(self._id, items)
        self.refresh()

    def take_over(self, other: Collection) -> int:
        """Say of images what another collection of the library says of the same files.

        That is metadata, tags, people's captions and what was given last; images of which anything
        is said here already are left alone. Returns how many it was said of.
        """
        count = self._open_catalog().takeover.take_over(other.id, self._id)
        self.refresh()
        return count

    def move(self, moves: Sequence[tuple[int, ImageFile]]) -> None:
        """Say that images are other files now, of the same content, in one transaction.

        Their ids, embeddings and all that is said of them stay; missing ones are found again.
        """
        self._open_catalog().images.move(self._id, moves)
        self.refresh()

    def touch(self, files: Sequence[ImageFile]) -> None:
        """Set size and mtime of files whose content is as before; unknown files are left alone."""
        self._open_catalog().images.touch(self._id, files)
        self.refresh()

    def mark_missing(self, ids: Iterable[int]) -> None:
        """Leave these images out of searches; their embeddings stay for when they come back."""
        self._open_catalog().images.mark_missing(self._id, ids)
        self.refresh()

    def mark_present(self, ids: Iterable[int]) -> None:
        """Undo `mark_missing`: an image that has an embedding is found again."""
        self._open_catalog().images.mark_present(self._id, ids)
        self.refresh()

    def remove(self, ids: Iterable[int]) -> int:
        """Remove images for good; returns how many there were. Their ids are never reused."""
        ids = [int(image_id) for image_id in ids]
        removed = self._open_catalog().images.remove(self._id, ids)
        self.refresh()
        if self._states_directory.exists():
            with self._lock:
                self.states.discard(ids)
        return removed

    def remove_missing(self, ids: Iterable[int]) -> int:
        """Remove those of these images that are missing now; one that is back meanwhile stays."""
        ids = [int(image_id) for image_id in ids]
        removed = self._open_catalog().images.remove_missing(self._id, ids)
        self.refresh()
        if self._states_directory.exists():
            with self._lock:
                self.states.discard(set(ids) - {entry.id for entry in self.images(ids)})
        return removed

    def image(self, image_id: int) -> ImageEntry:
        """The entry of one image. Raises ImageNotFoundError."""
        entries = self.images([image_id])
        if not entries:
            raise ImageNotFoundError(f"no image {image_id} in collection {self.info.name!r}")
        return entries[0]

    def images(self, ids: Sequence[int]) -> list[ImageEntry]:
        """The entries of these ids in their order; ids that were removed meanwhile are left out."""
        return self._open_catalog().entries.get(self._id, ids)

    def entries(
        self, status: ImageStatus | None = None, source_id: int | None = None
    ) -> Iterator[ImageEntry]:
        """All entries by id, read in pages: rows that change meanwhile show either state."""
        return self._open_catalog().entries.iterate(self._id, status, source_id)

    def failures(self) -> Iterator[ImageEntry]:
        """The entries of files that could not be indexed; `reason` says why."""
        return self.entries(status="failed")

    def embedding(self, image_id: int) -> Embedding:
        """The embedding of an image, (dim,) float32, unit norm.

        Raises ImageNotFoundError where there is no such image or it failed.
        """
        return self._open_catalog().entries.embedding(self._id, self._checkpoint.dim, image_id)

    def embeddings(self, ids: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Embeddings]:
        """The embeddings of those of these ids (m,) that are indexed: ids (n,), rows (n, dim).

        They come in any order.
        """
        self._open_catalog()
        return self._live.embeddings(ids)

    def copies(self) -> list[list[int]]:
        """The indexed images whose files hold the same bytes, as ids in groups; see Duplicates."""
        return self._open_catalog().duplicates.copies(self._id)

    def perceptual_hashes(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
        """The ids, (n,) int64 ascending, and perceptual hashes, (n,) uint64, of indexed images."""
        return self._open_catalog().duplicates.perceptual_hashes(self._id)

    def search(
        self, vectors: Embeddings, k: int, within: npt.NDArray[np.int64] | None = None
    ) -> Neighbours:
        """Find the k nearest indexed images of each vector (q, dim) float32 of unit norm.

        With `within` (n,) int64 only those ids count. See VectorIndex.search for the result.
        """
        self._open_catalog()
        return self._live.search(vectors, k, within)

    @property
    def index_info(self) -> IndexInfo:
        """What the vector index is now: its kind, what it holds, what it takes in memory."""
        return self._live.index.info

    def consider_index(self, needs: IndexNeeds, count: int | None = None) -> list[IndexPlan]:
        """List the indexes that come into question, the one that suits first, each with its reason.

        For the vectors held now, or for `count` of them. Nothing is built.
        """
        self._open_catalog()
        return consider(
            len(self._live.index) if count is None else count, self._checkpoint.dim, needs
        )

    def measure_index(self, plan: IndexPlan, recall: float) -> Measured | None:
        """Try a plan's kind on a sample of the collection; None where that is too small."""
        self._open_catalog()
        ids = self._live.indexed_ids()
        return measure_kind(plan.kind, ids, self._live.embeddings, recall)

    def wants_build(self, needs: IndexNeeds) -> bool:
        """Whether `build_index` would make another kind of index, or tidy up one that aged."""
        self._open_catalog()
        return self._live.wants_build(needs)

    def build_index(
        self,
        needs: IndexNeeds,
        on_progress: BuildProgress | None = None,
        stop: threading.Event | None = None,
    ) -> IndexPlan | None:
        """Build the index that suits from the catalog, switch to it and save it; returns its plan.

        Searches, here and in other processes, are answered by the old one until then. None where
        `stop` was set meanwhile. Raises LibraryBusyError where one is being built, here
        or by another process, and SnapshotError where the disk does not take it.
        """
        self._open_catalog()
        return self._builds.build(needs, on_progress, stop)

    def build_index_in_background(self, needs: IndexNeeds) -> None:
        """Do what `build_index` does in a thread; closing the collection stops it.

        What goes wrong is logged and kept in `build_error`. Raises LibraryBusyError where this
        collection's index is being built in this process.
        """
        self._open_catalog()
        self._builds.start(needs)

    @property
    def building(self) -> bool:
        """Whether the index is being built in the background."""
        return self._builds.running

    @property
    def build_error(self) -> BlipSearchError | None:
        """What went wrong in the last build in the background."""
        return self._builds.error

    def matching_ids(self, filter_: Filter) -> npt.NDArray[np.int64]:
        """The ids of the indexed images that a filter holds for, (n,) int64, ascending, read-only.

        The answer is remembered until the collection changes.
        """
        return self._open_catalog().filtering.matching_ids(self._id, filter_)

    def refresh(self) -> bool:
        """Follow what other processes wrote; returns whether there was anything.

        Raises CollectionNotFoundError once the collection was removed.
        """
        self._open_catalog()
        return self._live.refresh()

    def snapshot(self) -> Path:
        """Write the index to disk, so that the next opening is quick; keeps the newest two.

        Where nothing changed since the last one, that one is returned. Raises SnapshotError.
        """
        self._open_catalog()
        return self._live.snapshot()

    @property
    def states(self) -> StateStore:
        """The image states kept for reranking, with the settings as they are now.

        The collection closes it, also where another process set them otherwise meanwhile. Raises
        CollectionNotFoundError once the collection was removed.
        """
        with self._lock:
            kind, budget = self._open_catalog().collections.states(self._id)
            store = self._states
            if store is None or (store.kind, store.budget) != (kind, budget):
                self._close_states()
                directory, fingerprint = self._states_directory, self._checkpoint.fingerprint
                self._states = store = StateStore(directory, fingerprint, kind, budget)
            return store

    @property
    def states_kind(self) -> StatesKind:
        """How image states are kept now."""
        return self.states.kind

    def stored_states(
        self, keys: Sequence[StateKey]
    ) -> tuple[npt.NDArray[np.bool_], ImageStates | None]:
        """Which of n images have stored states, (n,), and these in their order; see StateStore."""
        with self._lock:
            return self.states.get(keys)

    def keep_states(self, keys: Sequence[StateKey], states: ImageStates, kind: StatesKind) -> None:
        """Keep states of n images for later searches, if `kind` is still how they are kept."""
        with self._lock:
            store = self.states
            if kind == store.kind:
                store.put(keys, states)

    def set_states(self, kind: StatesKind | None = None, budget: int | None = None) -> None:
        """Set how image states are kept and the bytes they may take; None leaves one as it is.

        With `none` those that are there go. Other processes follow at their next use.
        """
        with self._lock:
            info = self._open_catalog().collections.set_states(self._id, kind, budget)
            self._close_states()
            if info.states_kind == "none":
                shutil.rmtree(self._states_directory, ignore_errors=True)

    def find_captions(
        self, sentence: str, limit: int, within: Container[int] | None = None
    ) -> list[int]:
        """The ids of images whose captions share words with a sentence; see FullText.find."""
        return self._open_catalog().full_text.find(self._id, sentence, limit, within)

    def begin_run(self) -> int:
        """Record that an index run starts; returns the run's id."""
        return self._open_catalog().runs.begin(self._id, self._checkpoint.name)

    def finish_run(self, run_id: int, counts: RunCounts, seconds: float) -> None:
        """Record that an index run ended and what it did."""
        self._open_catalog().runs.finish(self._id, run_id, counts, seconds)

    def runs(self, limit: int = 100) -> list[Run]:
        """The newest index runs, newest first."""
        return self._open_catalog().runs.newest(self._id, limit)

    def set_metadata(self, image_id: int, metadata: Mapping[str, object]) -> None:
        """Replace an image's metadata with what JSON can hold.

        Raises ImageNotFoundError, and QueryError for other values.
        """
        self._open_catalog().annotations.set_metadata(self._id, image_id, metadata)
        self.refresh()

    def set_tags(self, image_id: int, tags: Iterable[str]) -> None:
        """Replace an image's tags. Raises ImageNotFoundError."""
        self._open_catalog().annotations.set_tags(self._id, image_id, tags)
        self.refresh()

    def add_caption(
        self, image_id: int, text: str, checkpoint: str, match: float | None = None
    ) -> Caption:
        """Add a caption and the ITM probability it was kept with. Raises ImageNotFoundError."""
        return self._open_catalog().annotations.add_caption(
            self._id, image_id, text, checkpoint, match
        )

    def add_captions(self, checkpoint: str, written: Sequence[WrittenCaption]) -> int:
        """Add what a checkpoint wrote of many images, in one transaction; see Annotations."""
        return self._open_catalog().annotations.add_captions(self._id, checkpoint, written)

    def uncaptioned(self, checkpoint: str) -> list[int]:
        """The ids of the indexed images that have no caption by a checkpoint, ascending."""
        return self._open_catalog().annotations.uncaptioned(self._id, checkpoint)

    def set_captions(self, image_id: int, texts: Iterable[str]) -> None:
        """Replace the captions that people wrote; those of checkpoints stay.

        Raises ImageNotFoundError.
        """
        self._open_catalog().annotations.set_captions(self._id, image_id, texts)
        self.refresh()

    def captions(self, ids: Iterable[int]) -> dict[int, list[Caption]]:
        """The captions of those of these images that have any, oldest first."""
        return self._open_catalog().annotations.captions(self._id, ids)

    def best_captions(self, ids: Iterable[int]) -> dict[int, str]:
        """Of those of these images that have any, a person's caption, else the best match."""
        return {
            image_id: max(
                captions, key=lambda one: (one.checkpoint == BY_A_PERSON, one.match or 0.0)
            ).text
            for image_id, captions in self.captions(ids).items()
        }

    def add_answer(
        self, image_id: int, question: str, answer: str, score: float | None, checkpoint: str
    ) -> Answer:
        """Add an answer to a question about an image. Raises ImageNotFoundError."""
        return self._open_catalog().annotations.add_answer(
            self._id, image_id, question, answer, score, checkpoint
        )

    def answers(self, ids: Iterable[int]) -> dict[int, list[Answer]]:
        """The answers about those of these images that have any, oldest first."""
        return self._open_catalog().annotations.answers(self._id, ids)

    def _open_catalog(self) -> Catalog:
        if self._closed:
            raise LibraryError(f"collection {self._id} is closed; open it again")
        return self._catalog

    def _close_states(self) -> None:
        if self._states is not None:
            self._states.close()
            self._states = None
