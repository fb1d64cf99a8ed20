"""Opening one image: every format, every pixel mode, and everything a file can do wrong."""

import errno
import io
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from blipsearch.errors import ImageTooLargeError, ImageUnreadableError
from blipsearch.images import TOO_LARGE_HINT, OpenedImage, open_image, read_header
from tests.data.hostile import bilevel_png, photo

LIMIT = 1_000_000
RED, GREEN, BLUE = (200, 30, 40), (30, 180, 60), (20, 50, 220)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def opened(image: Image.Image, kind: str, **options: object) -> OpenedImage:
    return open_image(encoded(image, kind, **options), max_pixels=LIMIT)


def two_halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", (64, 32), left)
    image.paste(right, (32, 0, 64, 32))
    return image


def pixels(image: Image.Image) -> npt.NDArray[np.int16]:
    return np.asarray(image).astype(np.int16)


def about(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    shown = image.getpixel(at)
    assert isinstance(shown, tuple)
    return all(abs(a - b) <= 12 for a, b in zip(shown, colour, strict=True))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_format_opens_as_rgb_with_its_size_and_name(kind: str) -> None:
    found = opened(two_halves(RED, BLUE), kind)

    assert (found.image.mode, found.image.size) == ("RGB", (64, 32))
    assert (found.width, found.height, found.format) == (64, 32, kind)
    assert about(found.image, (10, 16), RED)
    assert about(found.image, (54, 16), BLUE)


def test_a_path_its_bytes_and_an_open_file_give_the_same_picture(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(photo(50, 40), "PNG"))

    with path.open("rb") as file:
        file.read(7)
        pictures = [
            open_image(source, max_pixels=LIMIT).image
            for source in (path, str(path), path.read_bytes(), file)
        ]
        assert not file.closed

    assert len({picture.tobytes() for picture in pictures}) == 1


def test_an_mpo_of_a_phone_is_a_jpeg() -> None:
    found = opened(two_halves(RED, BLUE), "MPO", save_all=True, append_images=[photo(64, 32)])

    assert found.format == "JPEG"
    assert about(found.image, (10, 16), RED)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in (GREEN, RED, BLUE)]

    found = opened(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)

    assert about(found.image, (10, 10), GREEN)


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.arange(0, 65536, 32, dtype=np.uint16).reshape(8, 256)

    for kind in ("PNG", "TIFF"):
        shown = pixels(opened(Image.fromarray(ramp), kind).image)[..., 0]
        assert np.abs(shown - ramp / 257).max() <= 0.51


def test_big_endian_sixteen_bit_grey_is_scaled_too() -> None:
    header = {256: 2, 257: 2, 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: 2, 279: 8}
    pixel_bytes = struct.pack(">4H", 0, 65535, 32768, 257)
    directory = struct.pack(">H", len(header)) + b"".join(
        struct.pack(">HHII", tag, 4, 1, value) for tag, value in sorted(header.items())
    )
    tiff = struct.pack(">2sHI", b"MM", 42, 16) + pixel_bytes + directory + struct.pack(">I", 0)

    shown = pixels(open_image(tiff, max_pixels=LIMIT).image)[..., 0]

    assert shown.tolist() == [[0, 255], [128, 1]]


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_deep_grey_without_a_known_white_uses_its_own_range(dtype: type) -> None:
    ramp: npt.NDArray[np.generic] = np.linspace(-5000, 90000, 256).reshape(8, 32).astype(dtype)

    shown = pixels(opened(Image.fromarray(ramp), "TIFF").image)[..., 0]

    assert (shown.min(), shown.max()) == (0, 255)
    assert np.all(np.diff(shown.ravel()) >= 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, 7.0])
def test_a_float_picture_of_one_odd_value_still_opens(value: float) -> None:
    flat = np.full((4, 4), value, dtype=np.float32)

    assert opened(Image.fromarray(flat), "TIFF").image.size == (4, 4)


def test_cmyk_as_adobe_writes_it_comes_out_in_its_colours() -> None:
    picture = two_halves(RED, (255, 255, 255)).convert("CMYK")

    found = opened(picture, "JPEG", quality=95)

    assert about(found.image, (10, 16), RED)
    assert about(found.image, (54, 16), (255, 255, 255))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_white(mode: str) -> None:
    picture = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 10, 20))

    found = opened(picture.convert(mode), "PNG")

    assert about(found.image, (15, 10), (255, 255, 255))
    assert about(found.image, (4, 10), (0, 0, 0))


def test_half_transparent_pixels_are_mixed_with_white() -> None:
    found = opened(Image.new("RGBA", (4, 4), (0, 0, 0, 128)), "PNG")

    assert about(found.image, (2, 2), (127, 127, 127))


@pytest.mark.parametrize("transparency", [0, b"\x00\xff"])
def test_a_palette_with_transparency_is_white_where_it_is_transparent(
    transparency: int | bytes,
) -> None:
    picture = Image.new("P", (20, 20), 0)
    picture.putpalette([*RED, *BLUE])
    picture.paste(1, (0, 0, 10, 20))

    found = opened(picture, "PNG", transparency=transparency)

    assert about(found.image, (15, 10), (255, 255, 255))
    assert about(found.image, (4, 10), BLUE)


@pytest.mark.parametrize("mode", ["1", "L", "YCbCr", "CMYK"])
def test_other_modes_become_rgb(mode: str) -> None:
    found = opened(two_halves((0, 0, 0), (255, 255, 255)).convert(mode), "TIFF")

    assert about(found.image, (10, 16), (0, 0, 0))
    assert about(found.image, (54, 16), (255, 255, 255))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_picture_stands_upright_whatever_its_orientation(kind: str, orientation: int) -> None:
    upright = Image.new("RGB", (64, 32), RED)
    upright.paste(BLUE, (32, 0, 64, 16))
    upright.paste(GREEN, (0, 16, 32, 32))
    # What a camera held that way stores: the inverse of the turn that EXIF asks for.
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation

    found = opened(stored, kind, exif=exif, quality=95)

    assert (found.width, found.height) == found.image.size == (64, 32)
    assert found.exif.orientation == orientation
    assert about(found.image, (10, 6), RED)
    assert about(found.image, (50, 6), BLUE)
    assert about(found.image, (10, 26), GREEN)


@pytest.mark.parametrize("size", [(2400, 1800), (2397, 1799), (1031, 2400), (9000, 100)])
@pytest.mark.parametrize("kind", ["JPEG", "BMP"])
def test_shrinking_hardly_changes_what_the_network_sees(size: tuple[int, int], kind: str) -> None:
    data = encoded(photo(*size), kind, quality=92)
    side = 128

    whole = open_image(data, max_pixels=20_000_000)
    shrunk = open_image(data, max_pixels=20_000_000, network_size=side)

    assert (shrunk.width, shrunk.height) == whole.image.size == size
    assert all(
        least >= min(2 * side, full)
        for least, full in zip(shrunk.image.size, whole.image.size, strict=True)
    )
    assert shrunk.image.width * shrunk.image.height <= whole.image.width * whole.image.height / 2
    seen = [
        pixels(found.image.resize((side, side), Image.Resampling.BICUBIC))
        for found in (whole, shrunk)
    ]
    assert np.abs(seen[0] - seen[1]).mean() < 0.5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_partly_covered_pixels_at_the_edges_move_nothing_however_a_picture_is_turned(
    orientation: int, kind: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photo(2397, 1799), kind, exif=exif)

    whole = open_image(data, max_pixels=5_000_000)
    shrunk = open_image(data, max_pixels=5_000_000, network_size=128)

    seen = [
        pixels(found.resized((128, 128), Image.Resampling.BICUBIC)) for found in (whole, shrunk)
    ]
    # With the edges' pixels taken for whole ones it would be 0.8 and more.
    assert np.abs(seen[0] - seen[1]).mean() < 0.3


def test_without_a_network_size_every_pixel_is_kept() -> None:
    picture = photo(1200, 900)

    found = open_image(encoded(picture, "PNG"), max_pixels=2_000_000)

    assert np.array_equal(pixels(found.image), pixels(picture))


def test_a_small_picture_is_left_as_it_is_for_the_network() -> None:
    picture = photo(300, 200)

    found = open_image(encoded(picture, "PNG"), max_pixels=LIMIT, network_size=384)

    assert np.array_equal(pixels(found.image), pixels(picture))


def test_shrinking_handles_transparency_and_depth_like_a_whole_picture() -> None:
    picture = photo(1200, 1000)
    grey = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    layered = picture.copy()
    layered.putalpha(picture.convert("L"))
    turned = Image.Exif()
    turned[0x0112] = 6

    for image in (grey, layered, picture.quantize(16), picture.convert("CMYK")):
        kind = "TIFF" if image.mode == "CMYK" else "PNG"
        data = encoded(image, kind, exif=turned)
        whole = open_image(data, max_pixels=4_000_000).image
        shrunk = open_image(data, max_pixels=4_000_000, network_size=100).image
        assert shrunk.size == (333, 300)
        seen = [pixels(one.resize((100, 100), Image.Resampling.BICUBIC)) for one in (whole, shrunk)]
        assert np.abs(seen[0] - seen[1]).mean() < 0.5


def test_more_pixels_than_the_limit_are_refused_before_they_are_decoded() -> None:
    data = bilevel_png(30_000, 30_000)

    with pytest.raises(ImageTooLargeError) as refused:
        open_image(data[:60], max_pixels=200_000_000)

    assert str(refused.value) == (
        "30000 x 30000 = 900 megapixels, over the limit of 200; raise --max-megapixels"
    )
    assert str(refused.value).endswith(TOO_LARGE_HINT)


def test_a_picture_within_the_limit_opens_above_pillows_own_and_without_a_warning() -> None:
    data = bilevel_png(20_000, 9_500)
    before = Image.MAX_IMAGE_PIXELS
    assert before is not None
    assert before < 20_000 * 9_500 < 200_000_000

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = open_image(data, max_pixels=200_000_000, network_size=64)

    assert (found.width, found.height) == (20_000, 9_500)
    assert before == Image.MAX_IMAGE_PIXELS


def test_threads_may_open_under_limits_of_their_own() -> None:
    data = encoded(photo(300, 200), "PNG")

    def opens(limit: int) -> bool:
        try:
            open_image(data, max_pixels=limit)
        except ImageTooLargeError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(opens, [60_000, 59_999] * 20)) == [True, False] * 20


def test_the_header_says_how_much_memory_decoding_takes() -> None:
    picture = photo(1600, 1200)
    plain, progressive = (
        read_header(
            io.BytesIO(encoded(picture, "JPEG", progressive=progressive)),
            max_pixels=2_000_000,
            network_size=64,
        ).peak_bytes
        for progressive in (False, True)
    )
    png = read_header(io.BytesIO(encoded(picture, "PNG")), max_pixels=2_000_000).peak_bytes

    assert plain < 0.1 * png
    assert progressive > png


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello, this is text", "not an image (it starts with 'hello, this is t')"),
        (b"\x00\x01binary", "not an image (it starts with '..binary')"),
    ],
)
def test_what_is_no_image_says_so(data: bytes, reason: str) -> None:
    with pytest.raises(ImageUnreadableError) as refused:
        open_image(data, max_pixels=LIMIT)

    assert str(refused.value) == reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_damaged_and_never_half_a_picture(kind: str, part: float) -> None:
    data = encoded(photo(300, 200), kind)

    with pytest.raises(ImageUnreadableError, match=r"^damaged: "):
        open_image(data[: int(len(data) * part)], max_pixels=LIMIT)


def test_a_truncated_jpeg_says_where_it_ends() -> None:
    data = encoded(photo(300, 200), "JPEG")

    with pytest.raises(ImageUnreadableError) as refused:
        open_image(data[:2345], max_pixels=LIMIT)

    assert str(refused.value) == (
        "damaged: the file ends after 2,345 bytes, before the picture is complete"
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_noise_behind_a_good_start_never_raises_anything_foreign(kind: str) -> None:
    data = encoded(photo(120, 90), kind)
    random = np.random.default_rng(7)
    refused = 0
    with warnings.catch_warnings():
        # Pillow warns about some of these files before it gives up on them.
        warnings.simplefilter("ignore")
        for start in range(8, 200, 8):
            noise = random.integers(0, 256, 40, dtype=np.uint8).tobytes()
            try:
                open_image(data[:start] + noise + data[start + 40 :], max_pixels=LIMIT)
            except (ImageUnreadableError, ImageTooLargeError):
                refused += 1
    assert refused > 0


@pytest.mark.parametrize("kind", ["ICO", "PPM", "TGA", "JPEG2000", "EPS"])
def test_formats_nobody_asked_for_are_refused(kind: str) -> None:
    with pytest.raises(ImageUnreadableError, match="not an image"):
        opened(Image.new("RGB", (16, 16)), kind)


def test_a_path_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(ImageUnreadableError, match=r"^cannot be read: No such file"):
        open_image(tmp_path / "absent.jpg", max_pixels=LIMIT)
    with pytest.raises(ImageUnreadableError, match=r"^cannot be read: Is a directory"):
        open_image(tmp_path, max_pixels=LIMIT)


class FailingDisk(io.BytesIO):
    """A file whose disk stops to answer behind the first 2,000 bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() + (10_000 if size is None or size < 0 else size) > 2000:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


def test_a_disk_that_fails_is_not_the_images_fault() -> None:
    data = encoded(photo(300, 200), "JPEG")

    with pytest.raises(OSError, match="Input/output error"):
        read_header(FailingDisk(data), max_pixels=LIMIT).decode()
    with pytest.raises(ImageUnreadableError, match=r"^cannot be read: Input/output error$"):
        open_image(FailingDisk(data), max_pixels=LIMIT)


def test_a_webp_beyond_what_pillow_decodes_is_too_large_under_any_limit() -> None:
    canvas = (16_383 - 1).to_bytes(3, "little")
    data = b"RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00" + bytes(4) + canvas + canvas

    with pytest.raises(ImageTooLargeError, match="more pixels than Pillow decodes"):
        open_image(data, max_pixels=1_000_000_000)


def test_opening_leaves_no_file_behind(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.gif", tmp_path / "bad.gif"
    good.write_bytes(encoded(photo(30, 20), "GIF"))
    bad.write_bytes(good.read_bytes()[:100])
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(5):
        open_image(good, max_pixels=LIMIT)
        with pytest.raises(ImageUnreadableError):
            open_image(bad, max_pixels=LIMIT)

    assert len(list(Path("/proc/self/fd").iterdir())) == before
