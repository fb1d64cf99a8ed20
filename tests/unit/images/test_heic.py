"""HEIC: opened like any other picture, upright exactly once, and only with its library."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pillow_heif import encode, from_pillow

from blipsearch.errors import ImageTooLargeError, ImageUnreadableError
from blipsearch.images import FORMATS, RETRY_HINTS, SUFFIXES, open_image
from tests.data.hostile import photo

LIMIT = 1_000_000
COLOURS = [(200, 30, 40), (30, 180, 60), (20, 50, 220), (240, 220, 60)]
"""Of the upper left, upper right, lower left and lower right quarter."""


def quarters() -> Image.Image:
    """A picture that no turn and no mirror leaves as it is."""
    image = Image.new("RGB", (128, 64))
    for number, colour in enumerate(COLOURS):
        left, top = number % 2 * 64, number // 2 * 32
        image.paste(colour, (left, top, left + 64, top + 32))
    return image


def heic(image: Image.Image, **options: object) -> bytes:
    written = io.BytesIO()
    from_pillow(image).save(written, quality=95, **options)
    return written.getvalue()


def turned(image: Image.Image, orientation: int) -> bytes:
    """A file as a phone writes it: the container turns the picture, and EXIF says so as well."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    written = io.BytesIO()
    encode(image.mode, image.size, image.tobytes(), written, quality=95, exif=exif.tobytes())
    return written.getvalue()


def corners(image: Image.Image) -> list[tuple[int, int, int]]:
    width, height = image.size
    places = [(w, h) for h in (height // 4, 3 * height // 4) for w in (width // 4, 3 * width // 4)]
    array = np.asarray(image).astype(int)
    return [
        min(COLOURS, key=lambda colour: int(np.abs(array[y, x] - colour).sum())) for x, y in places
    ]


def test_a_heic_opens_as_rgb_with_its_size_and_name() -> None:
    found = open_image(heic(quarters()), max_pixels=LIMIT)

    assert (found.image.mode, found.image.size) == ("RGB", (128, 64))
    assert (found.width, found.height, found.format) == (128, 64, "HEIF")
    assert corners(found.image) == COLOURS
    assert "HEIF" in FORMATS
    assert {".heic", ".heif", ".hif"} <= SUFFIXES


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_upright_exactly_once(orientation: int) -> None:
    as_heic = turned(quarters(), orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    as_jpeg = io.BytesIO()
    quarters().save(as_jpeg, "JPEG", quality=95, exif=exif)

    expected = open_image(as_jpeg.getvalue(), max_pixels=LIMIT)
    found = open_image(as_heic, max_pixels=LIMIT)
    shrunk = open_image(as_heic, max_pixels=LIMIT, network_size=16)

    assert (found.width, found.height) == (expected.width, expected.height)
    assert found.image.size == (found.width, found.height)
    assert corners(found.image) == corners(expected.image) == corners(shrunk.image)
    assert found.exif.orientation == 1


def test_what_the_camera_wrote_is_read() -> None:
    image = photo(64, 64)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Apple", "iPhone"
    image.info["exif"] = exif.tobytes()

    assert open_image(heic(image), max_pixels=LIMIT).exif.camera == "Apple iPhone"


def test_transparency_is_laid_on_white_and_a_thumbnail_is_not_taken_for_the_picture() -> None:
    clear = Image.new("RGBA", (64, 64), (10, 20, 30, 0))
    assert min(np.asarray(open_image(heic(clear), max_pixels=LIMIT).image).ravel()) > 240
    image = from_pillow(photo(600, 600))
    boxes: list[int | None] = [300]
    image[0].info.update(thumbnails=boxes)
    written = io.BytesIO()
    image.save(written)
    whole = open_image(written.getvalue(), max_pixels=LIMIT)
    shrunk = open_image(written.getvalue(), max_pixels=LIMIT, network_size=64)
    assert (whole.width, shrunk.width) == (600, 600)
    assert shrunk.image.size == (200, 200)


def test_more_pixels_than_the_limit_are_refused_by_the_header() -> None:
    with pytest.raises(ImageTooLargeError, match="over the limit"):
        open_image(heic(photo(400, 300)), max_pixels=100_000)


def test_a_header_that_makes_the_picture_smaller_than_it_is_lets_nothing_in() -> None:
    data = bytearray(heic(photo(800, 600)))
    place = data.index(b"ispe") + 8
    assert struct.unpack_from(">2I", data, place) == (800, 600)
    struct.pack_into(">2I", data, place, 64, 64)
    with pytest.raises(ImageUnreadableError, match="damaged"):
        open_image(bytes(data), max_pixels=10_000)


@pytest.mark.parametrize("part", [0.01, 0.3, 0.9, 0.999])
def test_a_truncated_heic_is_damaged(part: float) -> None:
    data = heic(photo(200, 200))
    with pytest.raises(ImageUnreadableError):
        open_image(data[: int(len(data) * part)], max_pixels=LIMIT)


def test_damage_anywhere_raises_nothing_else() -> None:
    data = heic(photo(64, 64))
    random = np.random.default_rng(0)
    for _ in range(60):
        noise = bytearray(data)
        for place in random.integers(0, len(data), 8):
            noise[place] = random.integers(0, 256)
        try:
            open_image(bytes(noise), max_pixels=LIMIT)
        except (ImageUnreadableError, ImageTooLargeError):
            continue


def test_a_container_of_unclear_brand_is_told_by_the_brands_that_follow() -> None:
    as_heic = bytearray(heic(quarters()))
    length = struct.unpack(">I", as_heic[:4])[0]
    assert b"mif1" in as_heic[8:length]
    as_heic[8:12] = b"mif1"
    written = io.BytesIO()
    quarters().save(written, "AVIF")
    as_avif = bytearray(written.getvalue())
    as_avif[8:12] = b"mif1"

    if b"heic" in as_heic[12:length]:
        assert open_image(bytes(as_heic), max_pixels=LIMIT).format == "HEIF"
    assert open_image(bytes(as_avif), max_pixels=LIMIT).format == "AVIF"


def test_without_the_library_the_reason_names_the_command_and_may_pass(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(heic(quarters()))
    script = (
        "import sys; sys.modules['pillow_heif'] = None\n"
        "from blipsearch.errors import ImageUnreadableError\n"
        "from blipsearch.images import RETRY_HINTS, open_image\n"
        "try: open_image(sys.argv[1], max_pixels=10**6)\n"
        "except ImageUnreadableError as error: print(error, str(error).endswith(RETRY_HINTS))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "a.heic")]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert told.strip() == (
        "HEIC pictures need another library: pip install 'blipsearch[heic]' True"
    )


def test_the_library_is_loaded_only_when_such_a_file_is_met(tmp_path: Path) -> None:
    photo(20, 20).save(tmp_path / "a.jpg")
    script = (
        "import sys\nfrom blipsearch.images import open_image\n"
        "open_image(sys.argv[1], max_pixels=10**6)\nprint('pillow_heif' in sys.modules)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "a.jpg")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"
    assert RETRY_HINTS
