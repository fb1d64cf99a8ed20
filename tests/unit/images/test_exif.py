"""What a camera wrote: read where it makes sense, never a reason to fail."""

import io
import warnings
from datetime import datetime

import pytest
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from PIL.TiffImagePlugin import IFDRational

from blipsearch.images import open_image
from blipsearch.records import Exif

D1, D2, D3 = (f"2021:07:0{day} 18:30:05" for day in (1, 2, 3))
NO = IFDRational(0, 0)


def written(main: dict[int, object], photo: dict[int, object], gps: dict[int, object]) -> Exif:
    """Write the tags into a JPEG and read them back as the library does."""
    exif = Image.Exif()
    exif.update(main)
    exif.get_ifd(IFD.Exif).update(photo)
    exif.get_ifd(IFD.GPSInfo).update(gps)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif)
    return open_image(file.getvalue(), max_pixels=100).exif


def test_camera_lens_date_and_place_are_read() -> None:
    found = written(
        {Base.Make: "NIKON CORPORATION", Base.Model: "D850", Base.Orientation: 6},
        {
            Base.DateTimeOriginal: "2021:07:03 18:30:05",
            Base.OffsetTimeOriginal: "+02:00",
            Base.LensModel: "24.0-70.0 mm f/2.8",
        },
        {
            GPS.GPSLatitudeRef: "S",
            GPS.GPSLatitude: (33.0, 51.0, 24.84),
            GPS.GPSLongitudeRef: "E",
            GPS.GPSLongitude: (151.0, 12.0, 54.0),
        },
    )

    assert found.taken_at == datetime(2021, 7, 3, 18, 30, 5)  # noqa: DTZ001  # EXIF has no zone
    assert found.camera == "NIKON CORPORATION D850"
    assert found.lens == "24.0-70.0 mm f/2.8"
    assert found.latitude == pytest.approx(-33.8569, abs=1e-6)
    assert found.longitude == pytest.approx(151.215, abs=1e-6)
    assert found.orientation == 6


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("Apple", "iPhone 15", "Apple iPhone 15"),
        ("Apple", "", "Apple"),
        ("", "X100V", "X100V"),
        ("", "", None),
        (" FUJIFILM\0\0", "X-T5 \0", "FUJIFILM X-T5"),
        ("NIKON CORPORATION", "NIKON D850", "NIKON D850"),
        ("EASTMAN KODAK COMPANY", "KODAK DX6490", "KODAK DX6490"),
    ],
)
def test_the_maker_is_said_once(make: str, model: str, camera: str | None) -> None:
    assert written({Base.Make: make, Base.Model: model}, {}, {}).camera == camera


@pytest.mark.parametrize(
    ("tags", "lens"),
    [
        ({Base.LensMake: "Apple", Base.LensModel: "iPhone 15"}, "Apple iPhone 15"),
        ({Base.LensMake: "Canon", Base.LensModel: "Canon EF 50mm f/1.8"}, "Canon EF 50mm f/1.8"),
        ({Base.LensMake: "Canon"}, None),
        ({Base.LensModel: "----"}, None),
        ({Base.LensModel: "0.0 mm f/0.0"}, None),
        ({Base.LensModel: "E 0mm F2"}, "E 0mm F2"),
        ({Base.LensSpecification: (24.0, 70.0, 2.8, 2.8)}, "24-70 mm f/2.8"),
        ({Base.LensSpecification: (50.0, 50.0, 1.4, 1.4)}, "50 mm f/1.4"),
        ({Base.LensSpecification: (*map(IFDRational, (18, 55)), NO, NO)}, "18-55 mm"),
        ({Base.LensSpecification: (NO,) * 4}, None),
        ({Base.LensSpecification: (0.0, 0.0, 0.0, 0.0)}, None),
    ],
)
def test_a_lens_has_its_makers_name_or_what_it_can_do(
    tags: dict[int, object], lens: str | None
) -> None:
    assert written({}, tags, {}).lens == lens


@pytest.mark.parametrize(
    ("main", "photo", "day"),
    [
        ({Base.DateTime: D3}, {Base.DateTimeOriginal: D1, Base.DateTimeDigitized: D2}, 1),
        ({Base.DateTime: D3}, {Base.DateTimeOriginal: "    :  :     :  :  "}, 3),
        ({Base.DateTime: D3}, {Base.DateTimeDigitized: D2}, 2),
        ({Base.DateTime: D3}, {}, 3),
        ({Base.DateTimeOriginal: D1}, {}, 1),
        ({}, {}, None),
    ],
)
def test_the_moment_of_the_shot_comes_first(
    main: dict[int, object], photo: dict[int, object], day: int | None
) -> None:
    taken_at = written(main, photo, {}).taken_at
    assert (None if taken_at is None else taken_at.day) == day


@pytest.mark.parametrize(
    "date",
    [
        "2021:07:03 18:30:05",
        "2021-07-03T18:30:05",
        "2021-07-03 18:30:05+02:00",
        "2021/07/03 18:30:05.25",
        "2021: 7: 3 18:30: 5",
        b"2021:07:03 18:30:05\0",
    ],
)
def test_dates_are_read_as_programs_write_them(date: object) -> None:
    taken_at = written({}, {Base.DateTimeOriginal: date}, {}).taken_at
    assert taken_at == datetime(2021, 7, 3, 18, 30, 5)  # noqa: DTZ001  # EXIF has no zone


@pytest.mark.parametrize(
    ("north", "east"), [("s", "w"), (b"S", b"W"), ("South", "West"), ("S\0", "W\0")]
)
def test_south_and_west_are_negative_however_they_are_written(north: object, east: object) -> None:
    found = written(
        {},
        {},
        {
            GPS.GPSLatitudeRef: north,
            GPS.GPSLatitude: (33.0, 30.0, 0.0),
            GPS.GPSLongitudeRef: east,
            GPS.GPSLongitude: (70.0, 15.0, 0.0),
        },
    )
    assert (found.latitude, found.longitude) == (-33.5, -70.25)


def test_zeros_in_place_of_a_place_are_none() -> None:
    place: dict[int, object] = {
        GPS.GPSLatitudeRef: "N",
        GPS.GPSLatitude: (0.0, 0.0, 0.0),
        GPS.GPSLongitudeRef: "E",
        GPS.GPSLongitude: (0.0, 0.0, 0.0),
    }
    assert written({}, {}, place).latitude is None


def test_a_name_in_utf_8_is_read_as_such() -> None:
    assert written({Base.Make: "小米".encode(), Base.Model: "13 Ultra"}, {}, {}).camera == (
        "小米 13 Ultra"
    )
    assert written({Base.Model: "Caméra".encode("latin-1")}, {}, {}).camera == "Caméra"


@pytest.mark.parametrize("date", ["0000:00:00 00:00:00", "2021:13:40 18:30:05", "yesterday", ""])
def test_an_impossible_date_is_no_date(date: str) -> None:
    assert written({}, {Base.DateTimeOriginal: date}, {}).taken_at is None


@pytest.mark.parametrize(
    "latitude", [(91.0, 0.0, 0.0), (0.0, 0.0), (1.0, 2.0, IFDRational(0, 0)), (1.0,) * 4]
)
def test_a_place_that_cannot_be_is_no_place(latitude: tuple[object, ...]) -> None:
    found = written(
        {},
        {},
        {
            GPS.GPSLatitudeRef: "N",
            GPS.GPSLatitude: latitude,
            GPS.GPSLongitudeRef: "W",
            GPS.GPSLongitude: (8.0, 30.0, 0.0),
        },
    )

    assert (found.latitude, found.longitude) == (None, None)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_counts_as_upright(orientation: int) -> None:
    assert written({Base.Orientation: orientation}, {}, {}).orientation == 1


def test_a_picture_without_exif_has_nothing_to_say() -> None:
    assert written({}, {}, {}) == Exif()


def test_exif_behind_the_pixels_of_a_png_counts() -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = 8
    file = io.BytesIO()
    Image.new("RGB", (8, 4)).save(file, "PNG", exif=exif)
    data = file.getvalue()
    start = data.index(b"eXIf") - 4
    length = 12 + int.from_bytes(data[start : start + 4], "big")
    chunk, end = data[start : start + length], data.index(b"IEND") - 4
    moved = data[:start] + data[start + length : end] + chunk + data[end:]

    found = open_image(moved, max_pixels=100)

    assert found.exif.orientation == 8
    assert found.image.size == (4, 8)


@pytest.mark.parametrize("keep", [6, 10, 20, 40, 70, 100])
def test_corrupt_exif_never_fails_the_image(keep: int) -> None:
    exif = Image.Exif()
    exif.update({Base.Make: "Maker", Base.Model: "Camera", Base.Orientation: 1})
    exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitude] = (1.0, 2.0, 3.0)
    blob = exif.tobytes()
    broken = blob[:keep] + bytes(255 - byte for byte in blob[keep:])
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=broken)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow remarks on the damage
        found = open_image(file.getvalue(), max_pixels=100)

    assert found.image.size == (8, 8)
