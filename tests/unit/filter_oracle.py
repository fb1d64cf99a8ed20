"""What a filter holds for, told in plain Python from an image's entry and its captions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from blipsearch.filters import (
    And,
    Between,
    Compare,
    Condition,
    Filter,
    Glob,
    Has,
    Near,
    Not,
    Or,
    Place,
)
from blipsearch.records import ImageEntry

_SHAPES = {-1: "portrait", 0: "square", 1: "landscape"}


def filter_holds(node: Filter, image: ImageEntry, captions: Sequence[str]) -> bool:
    if isinstance(node, And):
        return all(filter_holds(part, image, captions) for part in node.every)
    if isinstance(node, Or):
        return any(filter_holds(part, image, captions) for part in node.some)
    if isinstance(node, Not):
        return not filter_holds(node.negated, image, captions)
    return _condition_holds(node, image, captions)


def _condition_holds(node: Condition, image: ImageEntry, captions: Sequence[str]) -> bool:
    if isinstance(node, Near):
        return _near(node.near, image)
    if isinstance(node, Has):
        return _present(node.has, image, captions)
    if node.field == "tag":
        return any(_text_matches(node, tag) for tag in image.tags)
    if node.field == "caption":
        asked = set(str(node.value).lower().split()) if isinstance(node, Compare) else set()
        return any(asked <= set(caption.lower().split()) for caption in captions)
    if node.field.startswith("meta."):
        return _metadata_matches(node, image)
    return _field_matches(node, image)


def _near(place: Place, image: ImageEntry) -> bool:
    if image.exif.latitude is None or image.exif.longitude is None:
        return False
    here = _unit(place.latitude, place.longitude)
    there = _unit(image.exif.latitude, image.exif.longitude)
    across = math.dist(here, there)
    opposite = math.dist(here, tuple(-each for each in there))
    return 6371.0088 * 2 * math.atan2(across, opposite) <= place.km


def _unit(latitude: float, longitude: float) -> tuple[float, float, float]:
    north, east = math.radians(latitude), math.radians(longitude)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def _present(name: str, image: ImageEntry, captions: Sequence[str]) -> bool:
    if name.startswith("meta."):
        return _metadata(name, image) is not None
    if name == "location":
        return image.exif.latitude is not None and image.exif.longitude is not None
    things = {"tag": bool(image.tags), "caption": bool(captions)}
    return things[name] if name in things else getattr(image.exif, name) is not None


def _field_matches(node: Compare | Between | Glob, image: ImageEntry) -> bool:
    if node.field == "taken_at":
        return _moment_matches(node, image)
    if node.field in {"path", "name", "source"}:
        found = _path_matches(node, image)
        return found != (node.op == "!=")
    value = {
        "id": image.id,
        "width": image.width,
        "height": image.height,
        "size": image.size,
        "format": image.format,
        "camera": image.exif.camera,
        "lens": image.exif.lens,
        "megapixels": image.width * image.height / 1e6 if image.width and image.height else None,
        "orientation": _shape(image),
    }[node.field]
    if value is None:
        return False
    if isinstance(value, str):
        return _text_matches(node, value) != (node.op == "!=")
    return _ordered(node, value)


def _shape(image: ImageEntry) -> str | None:
    if image.width is None or image.height is None:
        return None
    return _SHAPES[(image.width > image.height) - (image.width < image.height)]


def _ordered(node: Compare | Between | Glob, value: float) -> bool:
    if isinstance(node, Between):
        low = -math.inf if node.low is None else float(node.low)
        high = math.inf if node.high is None else float(node.high)
        return low <= value <= high
    asked = node.value
    assert isinstance(asked, int | float)
    return {
        "=": value == asked,
        "!=": value != asked,
        "<": value < asked,
        "<=": value <= asked,
        ">": value > asked,
        ">=": value >= asked,
    }[node.op]


def _moment_matches(node: Compare | Between | Glob, image: ImageEntry) -> bool:
    """Cut off where the asked date ends, a time is equal to it, or before or after it."""
    if image.exif.taken_at is None:
        return False
    taken = image.exif.taken_at.isoformat(timespec="microseconds")
    if isinstance(node, Between):
        low, high = str(node.low or ""), str(node.high or "")
        return taken[: len(low)] >= low and taken[: len(high)] <= high
    asked = str(node.value)
    cut = taken[: len(asked)]
    return {
        "=": cut == asked,
        "!=": cut != asked,
        "<": cut < asked,
        "<=": cut <= asked,
        ">": cut > asked,
        ">=": cut >= asked,
    }[node.op]


def _text_matches(node: Compare | Between | Glob, text: str) -> bool:
    assert not isinstance(node, Between)
    asked = str(node.value).casefold()
    return _wild(asked, text.casefold()) if isinstance(node, Glob) else asked == text.casefold()


def _path_matches(node: Compare | Between | Glob, image: ImageEntry) -> bool:
    assert not isinstance(node, Between)
    asked = str(node.value)
    pattern = isinstance(node, Glob) and ("*" in asked or "?" in asked)
    if node.field == "source":
        return _wild(asked, image.source.name) if pattern else asked == image.source.name
    if node.field == "name":
        name = image.path.split("/")[-1]
        return _wild(asked, name) if pattern else asked == name
    if not pattern:
        folder = asked.strip("/")
        return not folder or f"{image.path}/".startswith(f"{folder}/")
    asked += "**" if asked.endswith("/") else ""
    return _steps_match([step for step in asked.split("/") if step], image.path.split("/"))


def _steps_match(pattern: list[str], path: list[str]) -> bool:
    if not pattern or not path:
        return not pattern and not path
    if pattern[0] == "**":
        if len(pattern) == 1:
            return True
        return any(_steps_match(pattern[1:], path[skipped:]) for skipped in range(len(path)))
    return _wild(pattern[0], path[0]) and _steps_match(pattern[1:], path[1:])


def _wild(pattern: str, text: str) -> bool:
    """Whether a text matches where each star is tried as nothing, then as one character more."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return _wild(pattern[1:], text) or (bool(text) and _wild(pattern, text[1:]))
    return bool(text) and pattern[0] in {"?", text[0]} and _wild(pattern[1:], text[1:])


def _metadata(field: str, image: ImageEntry) -> object:
    found: object = image.metadata
    for key in field.split(".")[1:]:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _metadata_matches(node: Compare | Between | Glob, image: ImageEntry) -> bool:
    found = _metadata(node.field, image)
    if found is None:
        return False
    elements = found if isinstance(found, list) else [found]
    if isinstance(node, Compare) and node.op == "!=":
        equality = Compare(field=node.field, value=node.value)
        return not any(_element_matches(equality, element) for element in elements)
    return any(_element_matches(node, element) for element in elements)


def _element_matches(node: Compare | Between | Glob, element: object) -> bool:
    if isinstance(node, Glob):
        return isinstance(element, str) and _text_matches(node, element)
    if isinstance(node, Between):
        ends = [("<=", node.high), (">=", node.low)]
        parts = [Compare(field=node.field, op=op, value=end) for op, end in ends if end is not None]
        return all(_element_matches(part, element) for part in parts)
    if isinstance(element, bool) or isinstance(node.value, bool):
        return element is node.value
    if isinstance(element, str) and isinstance(node.value, str):
        mine, asked = element.casefold(), node.value.casefold()
        order = (mine > asked) - (mine < asked)
        return _ordered(Compare(field="size", op=node.op, value=0), order)
    both = isinstance(element, int | float) and isinstance(node.value, int | float)
    return both and _ordered(node, element)  # type: ignore[arg-type]  # a number, as just asked
