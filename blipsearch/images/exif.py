"""EXIF: what a camera wrote into a file, as far as it makes sense; damage never raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image

from blipsearch.records import Exif

__all__ = ["orientation_of", "read_exif"]

_DATE = re.compile(
    r"(\d{4})[:/.-]([ \d]?\d)[:/.-]([ \d]?\d)[T ]+([ \d]?\d):([ \d]?\d)(?::([ \d]?\d))?"
)
"""As EXIF writes it, and as some programs do: with dashes, a T, blanks for zeros, no seconds."""
_LONGEST = 200
"""Characters kept of a camera's or lens' name."""
_NO_LENS = re.compile(r"[\W_]*|(unknown|none|n/a|null)|[0. -]*mm f/?[0. -]*", re.IGNORECASE)
"""What cameras write in place of the name of a lens they do not know."""

_Tags = Mapping[int, Any]


def read_exif(image: Image.Image) -> Exif:
    """Read what the camera wrote; whatever is absent, damaged or impossible stays None.

    `taken_at` is the camera's own clock without a zone, as EXIF stores it and as the
    photographer remembers it; an offset beside it is not applied. Where the moment of the shot is
    not there it is that of digitising, else that of the file's last change in the camera.
    """
    main = _main_tags(image)
    # Some programs put what belongs into the camera's directory beside it.
    photo = {**main, **_directory(image, ExifTags.IFD.Exif)}
    latitude, longitude = _place(_directory(image, ExifTags.IFD.GPSInfo))
    return Exif(
        taken_at=_date(photo.get(ExifTags.Base.DateTimeOriginal))
        or _date(photo.get(ExifTags.Base.DateTimeDigitized))
        or _date(main.get(ExifTags.Base.DateTime)),
        camera=_named(main.get(ExifTags.Base.Make), main.get(ExifTags.Base.Model)),
        lens=_lens(photo),
        latitude=latitude,
        longitude=longitude,
        orientation=_orientation(main),
    )


def orientation_of(image: Image.Image) -> int:
    """Say how the pixels must be turned to stand upright: EXIF's 1 to 8, 1 by default."""
    return _orientation(_main_tags(image))


def _main_tags(image: Image.Image) -> _Tags:
    try:
        return dict(image.getexif())
    except Exception:  # noqa: BLE001  # Pillow's parser raises anything over hostile bytes
        return {}


def _directory(image: Image.Image, directory: ExifTags.IFD) -> _Tags:
    try:
        return image.getexif().get_ifd(directory)
    except Exception:  # noqa: BLE001  # Pillow's parser raises anything over hostile bytes
        return {}


def _orientation(main: _Tags) -> int:
    value = main.get(ExifTags.Base.Orientation)
    if isinstance(value, tuple) and value:
        value = value[0]  # said twice
    return int(value) if isinstance(value, int | float) and value in range(1, 9) else 1


def _date(value: object) -> datetime | None:
    match = _DATE.match(_text(value) or "")
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  # EXIF has no zone
    except ValueError:
        return None  # 0000:00:00 stands for a clock that was never set


def _named(make_tag: object, name_tag: object) -> str | None:
    """A maker and what it made; the maker is left out where the name says it."""
    make, name = _text(make_tag) or "", _text(name_tag) or ""
    says_it = bool(name) and name.split()[0].lower() in make.lower().split()
    if says_it or name.lower().startswith(make.lower()):
        return name or None  # "Canon Canon EOS R5", "NIKON CORPORATION NIKON D850"
    return f"{make} {name}".strip()


def _lens(photo: _Tags) -> str | None:
    name = _text(photo.get(ExifTags.Base.LensModel)) or ""
    if not _NO_LENS.fullmatch(name):
        return _named(photo.get(ExifTags.Base.LensMake), name)
    return _specified(photo.get(ExifTags.Base.LensSpecification))


def _specified(value: Any) -> str | None:  # noqa: ANN401  # a tag of any type
    """What a lens without a name can do: its focal lengths and how far it opens at the shortest."""
    try:
        short, long, opening = (float(part) for part in tuple(value)[:3])
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    # Also refuses NaN, which 0/0 for "unknown" gives.
    if not 0 < short <= long < 10_000:
        return None
    lengths = f"{short:g} mm" if short == long else f"{short:g}-{long:g} mm"
    return f"{lengths} f/{opening:g}" if 0 < opening < 1000 else lengths


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return None
    with suppress(UnicodeError):
        # EXIF is ASCII, Pillow reads Latin-1 for it, and telephones write UTF-8.
        value = value.encode("latin-1").decode("utf-8")
    text = "".join(letter for letter in value if letter.isprintable()).strip()
    return text[:_LONGEST] or None


def _place(gps: _Tags) -> tuple[float, float] | tuple[None, None]:
    latitude = _degrees(gps, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, 90)
    longitude = _degrees(gps, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, 180)
    if latitude is None or longitude is None or (latitude, longitude) == (0.0, 0.0):
        return None, None  # zeros are written by cameras that do not know where they are
    return latitude, longitude


def _degrees(gps: _Tags, value_tag: int, reference_tag: int, limit: float) -> float | None:
    """Turn degrees, minutes and seconds into signed degrees."""
    try:
        degrees, minutes, seconds = (float(part) for part in gps[value_tag])
        angle = abs(degrees) + minutes / 60 + seconds / 3600
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    # "S", "s", b"S", "South"; a few programs write a sign instead.
    is_negative = (_text(gps.get(reference_tag)) or "").upper().startswith(("S", "W"))
    if is_negative or degrees < 0:
        angle = -angle
    # Also refuses NaN, which 0/0 seconds give.
    return angle if -limit <= angle <= limit else None
