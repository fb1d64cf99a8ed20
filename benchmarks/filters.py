"""How long filters take over a catalog of a million images, and what their indexes cost.

Makes the catalog in a temporary directory with bulk inserts: fifty cameras, twelve years, a fifth
without a date, two fifths without a place, folders by month, three tags on a third of the images,
captions and metadata on some. Prints milliseconds by filter, warm, the bytes of each index a row,
and last how much slower batches are written with the indexes than without.

    python benchmarks/filters.py --images 1000000
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from blipsearch.catalog import Catalog
from blipsearch.filters.text import parse_filter
from blipsearch.library import Library
from blipsearch.records import CheckpointIdentity, Exif, ImageFile, IndexedFile

DIM = 256
FILTERS = (
    "width>=1024",
    "width>=6000 height<4500",
    "megapixels>=20",
    "size>12MB",
    "format:png",
    "orientation:portrait",
    "taken_at:2024-06..2024-08",
    "taken_at:2024-06-01",
    "-taken_at:2024",
    'camera:"Maker 3*"',
    'camera:"maker 3 model 17"',
    "lens:*50mm*",
    "path:2024/06",
    "path:2024/**",
    "path:*/06/**",
    "name:IMG_0001*.jpg",
    "name:IMG_*",
    "name:*.jpg",
    "name:*_00?1*",
    "source:pictures",
    "near:48.85,2.35,5km",
    "near:48.85,2.35,500km",
    "near:0,0,20000km",
    "tag:rare",
    "tag:common",
    "-tag:private",
    "has:location",
    "has:tag",
    "has:caption",
    "caption:dog",
    "meta.price<20",
    "meta.title:*sun*",
    "width>=1024 taken_at:2024-06..2024-08 tag:common -tag:private near:48.85,2.35,500km",
)
INDEXES = (
    "ix_images_facts",
    "ix_images_collection_id_taken_at",
    "ix_images_collection_id_camera",
    "ix_images_collection_id_latitude_longitude",
)


def main() -> None:
    """Make the catalog, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library"
        with (
            Library.open(library, create=True) as opened,
            opened.create_collection("photos", _identity()) as photos,
        ):
            photos.add_source("/pictures")
        database = library / "catalog.sqlite"
        _fill(database, images)
        _measure_filters(database)
        _measure_bytes(database, images)
        _measure_writes(database)


def _identity() -> CheckpointIdentity:
    return CheckpointIdentity("tiny", "", "a" * 64, DIM, {})


def _fill(database: Path, images: int) -> None:
    begun = time.perf_counter()
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        definitions = _drop_indexes(connection)
        marks = ", ".join("?" * 22)
        connection.executemany(f"INSERT INTO images VALUES ({marks})", _rows(images))  # noqa: S608
        rng = random.Random(1)
        tags = ((n, tag) for n in range(1, images + 1) for tag in _tags(rng))
        connection.executemany("INSERT INTO image_tags VALUES (?, ?)", tags)
        captions = ((n, _caption(rng)) for n in range(1, images + 1, 10))
        connection.executemany(
            "INSERT INTO captions (image_id, text, checkpoint, created_at)"
            " VALUES (?, ?, 'c', '2026-01-01 00:00:00.000000')",
            captions,
        )
        connection.execute("UPDATE collections SET change = ?", (images,))
        for definition in definitions:
            connection.execute(definition)
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")
    print(f"{images} images made in {time.perf_counter() - begun:.0f} s")


def _rows(images: int) -> Iterator[tuple[object, ...]]:
    rng = random.Random(0)
    vectors = [np.random.default_rng(n).bytes(4 * DIM) for n in range(16)]
    start = datetime(2014, 1, 1)  # noqa: DTZ001  # a camera's clock
    for n in range(1, images + 1):
        at = start + timedelta(seconds=rng.randrange(12 * 365 * 86400))
        taken_at = f"{at:%Y-%m-%d %H:%M:%S}.000000" if rng.random() < 0.8 else None
        width, height = rng.choice(
            ((6000, 4000), (4000, 6000), (4032, 3024), (1024, 768), (640, 640))
        )
        here = rng.random() < 0.6
        extension, kind = rng.choice(
            (("jpg", "JPEG"), ("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"))
        )
        camera = f"Maker {rng.randrange(5)} Model {rng.randrange(20)}" if taken_at else None
        lens = (
            f"{rng.choice(('RF', 'EF'))} {rng.choice((24, 35, 50, 85))}mm F1.8"
            if taken_at
            else None
        )
        metadata = {
            "price": rng.randrange(1000),
            "title": rng.choice(("sunset", "harbour", "hill")),
        }
        yield (
            n, 1, 1, n, "indexed", "", f"{at:%Y/%m}/IMG_{n:07d}.{extension}",
            rng.randrange(100_000, 20_000_000), 1_700_000_000_000_000_000 + n, f"{n:064x}", n,
            width, height, kind, taken_at, camera, lens,
            rng.gauss(46, 6) if here else None, rng.gauss(5, 12) if here else None,
            1, json.dumps(metadata if n % 4 == 0 else {}), vectors[n % 16],
        )  # fmt: skip


def _tags(rng: random.Random) -> set[str]:
    tags = {f"tag {rng.randrange(2000)}" for _ in range(2)} if rng.random() < 0.33 else set()
    chances = (("rare", 0.001), ("private", 0.01), ("common", 0.4))
    return tags | {tag for tag, chance in chances if rng.random() < chance}


def _caption(rng: random.Random) -> str:
    subject = rng.choice(("dog", "boat", "house", "tree", "child"))
    return f"a {rng.choice(('red', 'small', 'old'))} {subject} on the beach"


def _drop_indexes(connection: sqlite3.Connection) -> list[str]:
    definitions = [
        str(
            connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[
                0
            ]
        )
        for name in INDEXES
    ]
    for name in INDEXES:
        connection.execute(f"DROP INDEX {name}")
    return definitions


def _measure_filters(database: Path) -> None:
    with closing(Catalog(database)) as catalog:
        for text in FILTERS:
            parsed, took = parse_filter(text), []
            for _ in range(4):
                catalog.filtering._cache.clear()  # noqa: SLF001  # each time from the start
                begun, worked = time.perf_counter(), time.process_time()
                found = catalog.filtering.matching_ids(1, parsed)
                took.append((time.perf_counter() - begun, time.process_time() - worked))
            wall, cpu = (1000 * min(each) for each in zip(*took, strict=True))
            print(f"{wall:8.1f} ms {cpu:8.1f} ms CPU {len(found):9d} images  {text}")


def _measure_bytes(database: Path, images: int) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for name in ("images", *INDEXES):
            (size,) = connection.execute(
                "SELECT sum(pgsize) FROM dbstat WHERE name = ?", (name,)
            ).fetchone()
            print(f"{size / images:8.1f} bytes a row  {name}")


def _measure_writes(database: Path) -> None:
    with_indexes = _write_seconds(database, "with")
    with closing(sqlite3.connect(database)) as connection:
        _drop_indexes(connection)
        connection.commit()
    without = _write_seconds(database, "without")
    print(f"writing takes {with_indexes / without:.2f} times as long with the indexes")


def _write_seconds(database: Path, folder: str) -> float:
    """Seconds of a batch of 256 images, the mean of 40."""
    rng = random.Random(2)
    vector = np.zeros(DIM, dtype=np.float32)
    start = datetime(2014, 1, 1)  # noqa: DTZ001  # a camera's clock
    with closing(Catalog(database)) as catalog:
        batches = [
            [
                IndexedFile(
                    ImageFile(1, f"{folder}/{rng.randrange(1000)}/{batch}-{n}.jpg", 1000, n),
                    *(f"{n:064x}", n, 4000, 3000, "JPEG"),
                    Exif(
                        start + timedelta(seconds=rng.randrange(12 * 365 * 86400)),
                        f"Maker {rng.randrange(5)} Model {rng.randrange(20)}",
                        "RF 50mm F1.8",
                        rng.gauss(46, 6),
                        rng.gauss(5, 12),
                    ),
                    vector,
                )
                for n in range(256)
            ]
            for batch in range(40)
        ]
        begun = time.perf_counter()
        for batch in batches:
            catalog.images.write(1, batch, [])
        seconds = (time.perf_counter() - begun) / len(batches)
    print(f"{1000 * seconds:8.1f} ms a batch of 256 {folder} the indexes")
    return seconds


if __name__ == "__main__":
    main()
