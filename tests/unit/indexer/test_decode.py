"""Decoding in threads: what becomes of each file, within bounds of memory."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blipsearch.images import open_image, perceptual_hash, sha256_of_bytes
from blipsearch.records import ImageFile, KnownFile
from indexer.decode import Decoder, MemoryGate, Prepared, Refused, SameContent, Vanished
from indexer.plan import Candidate
from indexer.records import IndexOptions
from tests.data.hostile import bilevel_png, photo

SIZE = 32


def prepare(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC), dtype=np.float32)
    return pixels.transpose(2, 0, 1)


def candidate(path: Path, known_sha256: str | None = None) -> Candidate:
    file = ImageFile(1, path.name, 0, 0)
    known = None if known_sha256 is None else KnownFile(7, 1, 1, known_sha256, "indexed")
    return Candidate(file, str(path), known)


@pytest.fixture
def decode() -> Callable[..., object]:
    def run(one: Candidate, **options: int) -> object:
        return Decoder(prepare, SIZE, IndexOptions(**options))(one)

    return run


def test_a_picture_is_prepared_with_everything_its_row_needs(
    decode: Callable[..., object], tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    photo(100, 80).save(path)

    outcome = decode(candidate(path))

    assert isinstance(outcome, Prepared)
    whole = open_image(path, max_pixels=10_000).image
    assert outcome.sha256 == sha256_of_bytes(path.read_bytes())
    assert outcome.perceptual_hash == perceptual_hash(whole)
    assert (outcome.width, outcome.height, outcome.format) == (100, 80, "PNG")
    np.testing.assert_array_equal(outcome.pixels, prepare(whole))


def test_a_file_whose_bytes_are_known_is_not_decoded(
    decode: Callable[..., object], tmp_path: Path
) -> None:
    path = tmp_path / "no image at all.jpg"
    path.write_bytes(b"whatever it was, it is that still")

    outcome = decode(candidate(path, sha256_of_bytes(path.read_bytes())))

    assert isinstance(outcome, SameContent)


def test_what_is_no_image_is_refused_for_good(
    decode: Callable[..., object], tmp_path: Path
) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()

    assert decode(candidate(path)) == Refused(candidate(path), "the file is empty", lasting=True)


def test_a_file_that_is_gone_has_vanished(decode: Callable[..., object], tmp_path: Path) -> None:
    assert isinstance(decode(candidate(tmp_path / "gone.jpg")), Vanished)


def test_a_file_that_cannot_be_read_is_refused_only_for_now(
    decode: Callable[..., object], tmp_path: Path
) -> None:
    outcome = decode(candidate(tmp_path))

    assert outcome == Refused(candidate(tmp_path), "cannot be read: Is a directory", lasting=False)


def test_a_picture_over_the_pixel_limit_is_refused(
    decode: Callable[..., object], tmp_path: Path
) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(bilevel_png(2000, 1000))

    outcome = decode(candidate(path), max_pixels=1_000_000)

    assert isinstance(outcome, Refused)
    assert outcome.reason == (
        "2000 x 1000 = 2 megapixels, over the limit of 1; raise --max-megapixels"
    )


def test_a_picture_that_would_take_too_much_memory_is_refused(
    decode: Callable[..., object], tmp_path: Path
) -> None:
    path = tmp_path / "large.webp"
    photo(1500, 1000).save(path)

    outcome = decode(candidate(path), largest_decode_bytes=16 << 20)

    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("decoding 1500 x 1000 pixels of WEBP would take ")
    assert isinstance(decode(candidate(path), largest_decode_bytes=32 << 20), Prepared)


def test_the_gate_never_lets_more_through_than_it_holds() -> None:
    gate = MemoryGate(100)
    random = np.random.default_rng(3)
    lock = threading.Lock()
    held: list[int] = []
    highest: list[int] = []

    def work(amount: int) -> None:
        with gate.hold(amount):
            with lock:
                held.append(amount)
                highest.append(sum(held))
            os.sched_yield()
            with lock:
                held.remove(amount)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, random.integers(1, 70, 300).tolist()))

    assert len(highest) == 300
    assert max(highest) <= 100


def test_a_need_beyond_the_gate_is_met_alone() -> None:
    gate = MemoryGate(100)
    alone: list[bool] = []
    inside: list[int] = []

    def work(amount: int) -> None:
        with gate.hold(amount):
            inside.append(amount)
            if amount > 100:
                alone.append(inside == [amount])
            os.sched_yield()
            inside.remove(amount)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, [10, 500, 20, 1000, 100, 101] * 10))

    assert alone == [True] * 30


def test_the_gate_opens_again_after_an_error() -> None:
    gate = MemoryGate(10)

    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), gate.hold(10):
            raise ValueError("damaged")
    with gate.hold(10):
        pass
