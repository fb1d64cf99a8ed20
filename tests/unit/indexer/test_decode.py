"""Looking into one file: what becomes of it, within bounds of pixels and memory."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blipsearch.blip import BlipRetriever
from blipsearch.images import open_image, perceptual_hash, sha256_of_bytes
from blipsearch.places import Place
from blipsearch.records import ImageFile, KnownFile
from indexer.decode import (
    Outcome,
    Prepared,
    Refused,
    SameContent,
    Vanished,
    decode_here,
    rules_for,
)
from indexer.decoders.looking import Rules
from indexer.plan import Candidate
from tests.data.hostile import bilevel_png, photo

SIZE = 32
MIB = 1 << 20

Decode = Callable[..., Outcome]


def candidate(path: Path, known_sha256: str | None = None) -> Candidate:
    file = ImageFile(1, path.name, 0, 0)
    known = None if known_sha256 is None else KnownFile(7, 1, 1, known_sha256, "indexed")
    return Candidate(file, Place("folder", str(path.parent), path.name), known)


@pytest.fixture(scope="module")
def retriever(golden: Path) -> BlipRetriever:
    return BlipRetriever.from_pretrained(str(golden / "itm"))


@pytest.fixture
def decode() -> Decode:
    def run(one: Candidate, max_pixels: int = 200_000_000, most_bytes: int = 512 * MIB) -> Outcome:
        return decode_here(one, Rules(SIZE, Image.Resampling.BICUBIC, max_pixels, most_bytes))

    return run


def test_a_picture_is_prepared_with_everything_its_row_needs(
    decode: Decode, tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    photo(100, 80).save(path)

    outcome = decode(candidate(path))

    assert isinstance(outcome, Prepared)
    whole = open_image(path, max_pixels=10_000).image
    picture = outcome.picture
    assert picture.sha256 == sha256_of_bytes(path.read_bytes())
    assert picture.perceptual_hash == perceptual_hash(whole)
    assert (picture.width, picture.height, picture.format) == (100, 80, "PNG")
    assert picture.square.shape == (SIZE, SIZE, 3)
    assert picture.square.dtype == np.uint8
    resized = whole.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(picture.square, np.asarray(resized))


@pytest.mark.parametrize("size", [(640, 480), (90, 31), (1, 1), (24, 24), (3000, 40)])
def test_decoded_and_normalised_a_picture_is_bit_for_bit_what_the_retriever_prepares(
    retriever: BlipRetriever, tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "photo.png"
    photo(*size).save(path)
    whole = open_image(path, max_pixels=10**6, network_size=retriever.image_size).image

    outcome = decode_here(candidate(path), rules_for(retriever, 10**6, 512 * MIB))

    assert isinstance(outcome, Prepared)
    pixels = retriever.normalise(outcome.picture.square[np.newaxis])
    np.testing.assert_array_equal(pixels[0], retriever.prepare(whole))


def test_a_file_whose_bytes_are_known_is_not_decoded(decode: Decode, tmp_path: Path) -> None:
    path = tmp_path / "no image at all.jpg"
    path.write_bytes(b"whatever it was, it is that still")

    outcome = decode(candidate(path, sha256_of_bytes(path.read_bytes())))

    assert isinstance(outcome, SameContent)


def test_what_is_no_image_is_refused_for_good(decode: Decode, tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()

    assert decode(candidate(path)) == Refused(candidate(path), "the file is empty", lasting=True)


def test_a_file_that_is_gone_has_vanished(decode: Decode, tmp_path: Path) -> None:
    assert isinstance(decode(candidate(tmp_path / "gone.jpg")), Vanished)


def test_a_file_that_cannot_be_read_is_refused_only_for_now(decode: Decode, tmp_path: Path) -> None:
    path = tmp_path / "loop.jpg"
    path.symlink_to(path)

    outcome = decode(candidate(path))

    reason = "cannot be read: Too many levels of symbolic links"
    assert outcome == Refused(candidate(path), reason, lasting=False)


def test_what_is_no_file_is_not_waited_for(decode: Decode, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.jpg"))
        found = [decode(candidate(path)) for path in sorted(tmp_path.iterdir())]

    assert len(found) == 4
    assert all(isinstance(one, Refused) for one in found)


def test_a_picture_over_the_pixel_limit_is_refused(decode: Decode, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(bilevel_png(2000, 1000))

    outcome = decode(candidate(path), max_pixels=1_000_000)

    assert isinstance(outcome, Refused)
    assert outcome.reason == (
        "2000 x 1000 = 2 megapixels, over the limit of 1; raise --max-megapixels"
    )


def test_a_picture_that_would_take_too_much_memory_is_refused(
    decode: Decode, tmp_path: Path
) -> None:
    path = tmp_path / "large.webp"
    photo(1500, 1000).save(path)

    outcome = decode(candidate(path), most_bytes=16 * MIB)

    assert isinstance(outcome, Refused)
    assert outcome.reason == (
        "decoding 1500 x 1000 pixels of WEBP would take 24 MiB of memory, over the limit of "
        "16 MiB that decoding has; make it smaller, convert it to JPEG, or raise --memory"
    )
    assert isinstance(decode(candidate(path), most_bytes=32 * MIB), Prepared)
