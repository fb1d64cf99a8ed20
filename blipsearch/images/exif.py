"""EXIF: what a camera wrote into a file, as far as it makes sense; damage never raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image

from blipsearch.records import Exif

__all__ = ["orientation_of", "read_exif"]

_DATE = re.compile(r"\d{4}\D\d\d\D\d\d\D\d\d\D\d\d\D\d\d")
_LONGEST = 200
"""Characters kept of a camera's or lens' name."""

_Tags = Mapping[int, Any]


def read_exif(image: Image.Image) -> Exif:
    """Read what the camera wrote; whatever is absent, damaged or impossible stays None.

    `taken_at` is the camera's own clock without a zone, as EXIF stores it and as the
    photographer remembers it; an offset beside it is not applied.
    """
    main = _main_tags(image)
    photo = _directory(image, ExifTags.IFD.Exif)
    gps = _directory(image, ExifTags.IFD.GPSInfo)
    latitude = _degrees(gps, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, 90)
    longitude = _degrees(gps, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, 180)
    if latitude is None or longitude is None:
        latitude = longitude = None
    return Exif(
        taken_at=_date(photo.get(ExifTags.Base.DateTimeOriginal)),
        camera=_camera(main),
        lens=_text(photo.get(ExifTags.Base.LensModel)),
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
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _date(value: object) -> datetime | None:
    match = _DATE.match(_text(value) or "")
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in re.split(r"\D", match[0]))
    try:
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  # EXIF has no zone
    except ValueError:
        return None  # 0000:00:00 stands for a clock that was never set


def _camera(main: _Tags) -> str | None:
    make = _text(main.get(ExifTags.Base.Make)) or ""
    model = _text(main.get(ExifTags.Base.Model)) or ""
    if model.lower().startswith(make.lower()):
        return model or None  # "Canon Canon EOS R5" says it twice
    return f"{make} {model}".strip()


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    text = "".join(letter for letter in value if letter.isprintable()).strip()
    return text[:_LONGEST] or None


def _degrees(gps: _Tags, value_tag: int, reference_tag: int, limit: float) -> float | None:
    """Turn degrees, minutes and seconds into signed degrees."""
    try:
        degrees, minutes, seconds = (float(part) for part in gps[value_tag])
        angle = degrees + minutes / 60 + seconds / 3600
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if _text(gps.get(reference_tag)) in ("S", "W"):
        angle = -angle
    # Also refuses NaN, which 0/0 seconds give.
    return angle if -limit <= angle <= limit else None
