"""Exporting a collection: all that is known of its images, embeddings too, as one Parquet file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from blipsearch.catalog import Catalog
from blipsearch.catalog.transfer import WholeImage
from blipsearch.columns import stored_name
from blipsearch.errors import LibraryError
from blipsearch.filters import Filter
from blipsearch.library import Library
from blipsearch.records import CollectionInfo
from blipsearch.upkeep.findings import OnProgress
from blipsearch.upkeep.parquet import (
    FORMAT_VERSION,
    Header,
    HeaderCheckpoint,
    HeaderSource,
    make_schema,
    pyarrow,
    pyarrow_parquet,
)
from blipsearch.vectors import sync_directory

__all__ = ["ExportReport", "export"]

_GROUP = 8000
"""Rows of a row group: some ten megabytes, which is what a reader holds at a time."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written."""

    path: Path
    images: int
    bytes: int


def export(
    library: Library,
    collection: str,
    path: Path,
    filter_: Filter | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> ExportReport:
    """Write the images that have an embedding, or those that a filter holds for, to a new file.

    All rows show one state of the catalog. The file has its name once it is whole and on the disk.
    Raises LibraryError where there is something of that name or the disk does not take it,
    CollectionNotFoundError, EngineMissingError without pyarrow.
    """
    info = library.info(collection)
    path = path.expanduser().absolute()
    if path.suffix != ".parquet":
        raise LibraryError(f"an export is called something.parquet, not {path.name}")
    if os.path.lexists(path):
        raise LibraryError(
            f"there is already something at {path}, and it is left alone; name another file"
        )
    ids = None
    if filter_ is not None:
        ids = library.catalog.filtering.matching_ids(info.id, filter_).tolist()
    total = info.indexed + info.missing if ids is None else len(ids)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        count = 0
        for count in _written(library.catalog, info, unfinished, ids):
            if on_progress is not None:
                on_progress(f"images of {info.name}", count, max(count, total))
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise LibraryError(
            f"cannot write {path}: {error}; make room there or name another file"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return ExportReport(path, count, path.stat().st_size)


def _written(
    catalog: Catalog, info: CollectionInfo, path: Path, ids: Sequence[int] | None
) -> Iterator[int]:
    """Write a file and say after each row group how many rows it has."""
    pages = catalog.transfer.read(info.id, ids)
    first = next(pages, [])
    # Once the state that is written is settled, or a source could come in with images between.
    names = {source.id: name for source, name in _named(catalog, info)}
    schema = make_schema(_header(catalog, info))
    count = 0
    with pyarrow_parquet().ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=["source", "format", "camera", "lens"],
        write_page_checksum=True,
    ) as writer:
        for group in _groups(chain([first], pages)):
            _check_embeddings(group, info.checkpoint.dim)
            writer.write_batch(_batch(group, names, schema))
            count += len(group)
            yield count


def _groups(pages: Iterator[list[WholeImage]]) -> Iterator[list[WholeImage]]:
    group: list[WholeImage] = []
    for page in pages:
        group += page
        if len(group) >= _GROUP:
            yield group
            group = []
    if group:
        yield group


def _check_embeddings(images: Sequence[WholeImage], dim: int) -> None:
    for image in images:
        if len(image.embedding) != 4 * dim:
            raise LibraryError(
                f"the embedding of image {image.entry.id} is damaged; run `blipsearch repair`, "
                "then `blipsearch index`, and export again"
            )


def _batch(images: Sequence[WholeImage], names: Mapping[int, str], schema: Any) -> Any:  # noqa: ANN401  # pyarrow ships no types
    pa = pyarrow()
    rows = [_row(image, names) for image in images]
    columns = []
    for field in schema:
        if field.name == "embedding":
            packed = b"".join(image.embedding for image in images)
            flat = pa.array(np.frombuffer(packed, dtype="<f4").astype(np.float32))
            columns.append(pa.FixedSizeListArray.from_arrays(flat, field.type.list_size))
        else:
            columns.append(pa.array([row[field.name] for row in rows], type=field.type))
    return pa.record_batch(columns, schema=schema)


def _row(image: WholeImage, names: Mapping[int, str]) -> dict[str, object]:
    entry, given = image.entry, image.given
    return {
        "id": entry.id,
        "source": names[entry.source.id],
        "path": stored_name(entry.path),
        "size": entry.size,
        "mtime": entry.mtime_ns,
        "status": entry.status,
        "sha256": entry.sha256,
        "perceptual_hash": entry.perceptual_hash,
        "width": entry.width,
        "height": entry.height,
        "format": entry.format,
        "taken_at": entry.exif.taken_at,
        "camera": entry.exif.camera,
        "lens": entry.exif.lens,
        "latitude": entry.exif.latitude,
        "longitude": entry.exif.longitude,
        "orientation": entry.exif.orientation,
        "tags": list(entry.tags),
        "metadata": json.dumps(entry.metadata),
        "captions": [
            {
                "text": caption.text,
                "checkpoint": stored_name(caption.checkpoint),
                "match": caption.match,
                "created_at": caption.created_at,
            }
            for caption in image.captions
        ],
        "given": given and {"stamp": given.stamp, "content": json.dumps(given.content)},
    }


def _named(catalog: Catalog, info: CollectionInfo) -> list[tuple[Any, str]]:
    return [(source, stored_name(source.name)) for source in catalog.sources.all(info.id)]


def _header(catalog: Catalog, info: CollectionInfo) -> Header:
    own = info.checkpoint
    return Header(
        format_version=FORMAT_VERSION,
        collection=info.name,
        checkpoint=HeaderCheckpoint(
            name=stored_name(own.name),
            revision=own.revision,
            fingerprint=own.fingerprint,
            dim=own.dim,
            preprocessing=own.preprocessing,
        ),
        sources=tuple(
            HeaderSource(name=name, root=stored_name(source.root), kind=source.kind)
            for source, name in _named(catalog, info)
        ),
    )
