"""Importing an export: its images with all that is known of them, without embedding any again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from blipsearch.catalog import Catalog
from blipsearch.catalog.arrivals import NewImage
from blipsearch.catalog.sources import checked_root
from blipsearch.collection import Collection
from blipsearch.columns import restored_name
from blipsearch.errors import CollectionNotFoundError, SourceError
from blipsearch.library import Library
from blipsearch.records import CheckpointIdentity, Source
from blipsearch.upkeep.findings import OnProgress
from blipsearch.upkeep.parquet import FORMAT_VERSION, KEY, Header, pyarrow, pyarrow_parquet
from blipsearch.upkeep.rows import BadRowError, Row, checked_row, new_image

__all__ = ["BadRow", "ImportReport", "check_export", "import_export"]

_BATCH = 1000
"""Rows of a transaction."""
_MOST_BAD = 1000
"""So many bad rows are named; the others are counted."""
_NAME = re.compile(r"[\w.-]{1,100}")
_REQUIRED = frozenset({"source", "path", "size", "mtime", "sha256", "embedding"})
_COLUMNS = frozenset(Row.model_fields) | _REQUIRED


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was not taken, counted from 0, and why."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the rows.

    Images were `added`; were here, and `completed` by what they lacked; were here just so,
    `unchanged`; are here with `other` content, and left alone; or their rows `failed`.
    """

    collection: str
    added: int
    completed: int
    unchanged: int
    other: int
    failed: int
    bad: tuple[BadRow, ...]
    sources: tuple[Source, ...]


def check_export(path: Path) -> None:
    """Raise what `import_export` does for a file that is no export, before anything is made."""
    path = path.expanduser()
    with _opened(path) as file:
        _header(path, file)


def import_export(
    library: Library, path: Path, collection: str, *, on_progress: OnProgress | None = None
) -> ImportReport:
    """Add the images of an export to a collection, which is made where it is not there.

    Importing it again changes nothing. A row that cannot be right is reported, and the others are
    taken. Batches are transactions: an import that was stopped is finished by the next. Raises
    SourceError for a file that is no export or is damaged, CollectionCheckpointError where the
    collection has the embeddings of another checkpoint, EngineMissingError without pyarrow.
    """
    path = path.expanduser()
    with _opened(path) as file:
        header = _header(path, file)
        with _collection(library, collection, header) as opened:
            rows = _Rows(library.catalog, opened, header)
            total = file.metadata.num_rows
            with _reading(path):
                columns = sorted(_COLUMNS & set(file.schema_arrow.names))
                for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
                    rows.take(batch)
                    if on_progress is not None:
                        on_progress(f"images of {collection}", rows.done, total)
            opened.refresh()
            opened.snapshot()
            return rows.report(collection)


@dataclass(slots=True)
class _Rows:
    """Takes batch after batch, and counts."""

    catalog: Catalog
    collection: Collection
    header: Header
    done: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    bad: list[BadRow] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)

    def take(self, batch: Any) -> None:  # noqa: ANN401  # pyarrow ships no types
        """Add a batch's images, those that can be right, in one transaction."""
        kinds = {source.name: source.kind for source in self.header.sources}
        images: dict[tuple[int, str], NewImage] = {}
        columns = {name: _values(batch.column(name), name) for name in batch.schema.names}
        embeddings = columns.pop("embedding")
        for place in range(batch.num_rows):
            try:
                values = {name: column[place] for name, column in columns.items()}
                image = self._image(checked_row(values, kinds), embeddings[place])
                _put(images, image)
            except BadRowError as error:
                self._refuse(self.done + place, str(error))
        self.done += batch.num_rows
        if images:
            arrivals = self.catalog.arrivals.add(self.collection.id, list(images.values()))
            self.counts.update(arrivals)

    def report(self, name: str) -> ImportReport:
        """What became of all rows."""
        return ImportReport(
            name,
            self.counts["added"],
            self.counts["completed"],
            self.counts["unchanged"],
            self.counts["other"],
            self.counts["failed"],
            tuple(self.bad),
            tuple(self.sources.values()),
        )

    def _image(self, row: Row, embedding: object) -> NewImage:
        # Checked before its source is made: a file of bad rows leaves none behind.
        image = new_image(row, embedding, self.header.checkpoint.dim)
        file = replace(image.indexed.file, source_id=self._source(row.source).id)
        return replace(image, indexed=replace(image.indexed, file=file))

    def _source(self, name: str) -> Source:
        """The collection's source for one of the header's, made at its first image."""
        if name not in self.sources:
            about = next(one for one in self.header.sources if one.name == name)
            try:
                self.sources[name] = self._added(about.name, restored_name(about.root), about.kind)
            except SourceError as error:
                raise BadRowError(f"source: {error}") from error
        return self.sources[name]

    def _added(self, name: str, root: str, kind: Any) -> Source:  # noqa: ANN401
        if "\0" in root:
            raise SourceError("there is a NUL in its root")
        self._check_kind(root, kind)
        try:
            wanted = name if _NAME.fullmatch(name) else None
            return self.collection.add_source(root, wanted, kind)
        except SourceError:
            return self.collection.add_source(root, None, kind)  # another has that name

    def _check_kind(self, root: str, kind: str) -> None:
        """Raise SourceError where the root is here, but something else: that is not overwritten."""
        root = checked_root(root)
        for source in self.collection.sources():
            if source.root == root and source.kind != kind:
                raise SourceError(f"{root} is of kind {source.kind} in this collection, not {kind}")

    def _refuse(self, row: int, reason: str) -> None:
        self.counts["failed"] += 1
        if len(self.bad) < _MOST_BAD:
            self.bad.append(BadRow(row, reason))


def _put(images: dict[tuple[int, str], NewImage], image: NewImage) -> None:
    key = image.indexed.file.source_id, image.indexed.file.path
    if key in images:
        raise BadRowError("path: the row of another image names the same file")
    images[key] = image


def _values(column: Any, name: str) -> Sequence[object]:  # noqa: ANN401  # pyarrow ships no types
    """A column as Python values; one that cannot be such a value is an object that none takes."""
    pa = pyarrow()
    try:
        if name == "mtime" and pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            column = column.cast(pa.int64())
        if name == "embedding" and pa.types.is_fixed_size_list(column.type):
            flat = column.flatten()
            if not column.null_count and not flat.null_count and pa.types.is_float32(flat.type):
                rows = flat.to_numpy().reshape(len(column), -1)
                return list(np.array(rows))
        return list(column.to_pylist())
    except (ValueError, OverflowError, UnicodeDecodeError, pa.ArrowException):
        return [_value(one) for one in column]


def _value(scalar: Any) -> object:  # noqa: ANN401  # pyarrow ships no types
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, UnicodeDecodeError, pyarrow().ArrowException):
        return _Unreadable()


class _Unreadable:
    """In place of a value that Python cannot have: a date in the year 100,000, say."""

    def __repr__(self) -> str:
        return "something unreadable"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with _reading(path):
        file = pyarrow_parquet().ParquetFile(path, page_checksum_verification=True)
    try:
        yield file
    finally:
        file.close()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say of a file that pyarrow cannot read what that means."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {path}; name a file that `export` wrote") from error
    except (OSError, pyarrow().ArrowException) as error:
        raise SourceError(
            f"{path} cannot be read as Parquet: {error}; get another copy and import it again, "
            "what was imported before stays and is not imported twice"
        ) from error


def _header(path: Path, file: Any) -> Header:  # noqa: ANN401  # pyarrow ships no types
    with _reading(path):
        schema = file.schema_arrow
    text = (schema.metadata or {}).get(KEY)
    lacking = sorted(_REQUIRED - set(schema.names))
    is_twice = len(set(schema.names)) < len(schema.names)
    if text is None or lacking or is_twice:
        why = f"it has no column {lacking[0]!r}" if lacking else "it does not say whose images"
        why = "two of its columns have one name" if is_twice else why
        raise SourceError(
            f"{path} is no export of blipsearch: {why}; `blipsearch index {path}` takes a Parquet "
            "file that lists images"
        )
    try:
        header = Header.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise SourceError(f"{path} is a damaged export: {field}: {first['msg']}") from error
    if header.format_version != FORMAT_VERSION:
        raise SourceError(
            f"{path} has format {header.format_version}, this blipsearch knows {FORMAT_VERSION}; "
            "upgrade blipsearch with `pip install --upgrade blipsearch`"
        )
    return header


def _collection(library: Library, name: str, header: Header) -> Collection:
    """The collection of that name, made where it is not there."""
    own = header.checkpoint
    identity = CheckpointIdentity(
        restored_name(own.name), own.revision, own.fingerprint, own.dim, own.preprocessing
    )
    try:
        library.info(name)
    except CollectionNotFoundError:
        return library.create_collection(name, identity)
    collection = library.collection(name)
    try:
        collection.check_checkpoint(identity)
    except Exception:
        collection.close()
        raise
    return collection
