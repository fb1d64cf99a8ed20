"""Random filters: wild ones to write and read, and ones that have a chance in a small catalog."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from blipsearch.filters import (
    And,
    Filter,
    Has,
    Not,
    Or,
    parse_json_filter,
)

CAMERAS = ("Canon EOS R5", "canon", "Nikon Z 6", "ΣΊΓΜΑ fp", "Straße", "ﬁlm İ", "", "50%_[x]*?")
LENSES = ("RF 50mm", "rf 50MM", "EF 24-70", "'; DROP TABLE images; --")
FORMATS = ("JPEG", "PNG", "WEBP")
TAGS = ("beach", "Beach", "sea", "Été", "été", "50%", "a_b", "[x]", "a*b", 'say "hi"', "x\\y")
WORDS = ("dog", "cat", "red", "sea")
FOLDERS = (
    "",
    "holiday",
    "holiday-2",
    "holiday/2024",
    "Holiday",
    "a b",
    "[x]",
    "é",
    "50%_",
    "\udcff",
)
NAMES = (
    "IMG_1.jpg",
    "IMG_22.JPG",
    "img_1.jpg",
    "holiday",
    "dcff.jpg",
    "\udcff.jpg",
    "x\x1a.png",
    "[x].png",
    "é*?.webp",
)
MOMENTS = (
    *("2023-12-31T23:59:59.999999", "2024-01-01T00:00:00", "2024-02-29T12:30:00"),
    *("2024-06-30T23:59:59", "2024-07-01T00:00:00", "2024-08-31T23:59:59.5"),
    *("2024-09-01T00:00:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"),
)
PLACES = (
    (48.85, 2.35),
    (48.9, 2.4),
    (90.0, 0.0),
    (89.9, 170.0),
    (-90.0, 5.0),
    (0.0, 180.0),
    (0.0, -180.0),
    (0.1, -179.9),
    (-17.0, 179.5),
    (0.0, 0.0),
)
METADATA: tuple[dict[str, object], ...] = (
    {},
    {"price": 20},
    {"price": 20.5, "a": {"b": "X"}},
    {"price": "20"},
    {"price": None},
    {"price": True, "é": 1},
    {"price": [5, "Red", None, [20]]},
    {"price": {"b": 20}},
    {"a": {"b": ["x", 20, False]}},
    {"a": {"b": "Straße"}, "odd key": 1},
    {"price": -(10**30), "a": {"b": ""}},
)
META_FIELDS = ("meta.price", "meta.a.b", "meta.a", "meta.é", "meta.odd key", "meta.none")
_META_VALUES = (20, 20.5, 5, -1, True, False, "20", "red", "x", "STRASSE", "", 1)
_ORDER = ("=", "!=", "<", "<=", ">", ">=")
_DATES = (
    "2024",
    "2023",
    "2024-01",
    "2024-02",
    "2024-06",
    "2024-08",
    "2024-02-29",
    "2024-06-30",
    "0001",
    "9999",
    "9999-12-31",
    "2024-07-01T00:00",
    "2024-06-30T23:59:59",
    "2024-08-31T23:59:59.5",
    "2024-02-29 12",
)
_PATHS = (*FOLDERS, *NAMES, "/holiday/", "holiday/2024/IMG_1.jpg")
_PATTERNS = (
    "*",
    "**",
    "?",
    "holiday/**",
    "holiday/*",
    "holiday*/**",
    "**/*.jpg",
    "**/2024/**",
    "*/2024/*",
    "**/*2*/*",
    "**.jpg",
    "*/",
    "h?liday/*",
    "**/?.jpg",
    "**/*dcff*",
    "[x]/*",
    "*_/**",
    "**/holiday/**/IMG*",
    "é/**",
)
_NAME_PATTERNS = (
    "*",
    "IMG_*",
    "*.jpg",
    "*dcff.jpg",
    "?.jpg",
    "IMG_?.jpg",
    "*[x]*",
    "i*1.j*",
    "h*",
    "x*",
    "a/*",
    "é*",
    "**",
)
_TEXT_PATTERNS = (
    "*",
    "canon*",
    "*50*",
    "?IKON*",
    "σίγμα*",
    "STRASSE*",
    "FILM*",
    "*%_[X]*",
    "b*h",
    "?",
    "ét?",
    '*"*',
)
_TEXTS = {"camera": (*CAMERAS, "none"), "lens": LENSES, "format": FORMATS, "tag": (*TAGS, "none")}


def trees(conditions: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Filters of such conditions, a few levels deep, within the limits."""
    return st.recursive(
        conditions,
        lambda parts: st.one_of(
            st.lists(parts, min_size=1, max_size=3).map(lambda some: And(every=tuple(some))),
            st.lists(parts, min_size=1, max_size=3).map(lambda some: Or(some=tuple(some))),
            parts.map(lambda part: Not(negated=part)),
        ),
        max_leaves=8,
    )


def likely_conditions() -> st.SearchStrategy[Any]:
    """Conditions that some image of the catalog of the tests may meet, and some may not."""
    return st.one_of(_numbers(), _moments(), _texts(), _metadata(), _others())


def wild_conditions() -> st.SearchStrategy[Any]:
    """Conditions with whatever values the filters' models accept."""
    text = st.text(st.characters(exclude_characters="\0"), max_size=12)
    number = st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.floats(-(2.0**63), 2.0**63, exclude_max=True, allow_nan=False),
    )
    order, equal = st.sampled_from(_ORDER), st.sampled_from(("=", "!="))
    key = st.text(st.characters(exclude_characters="\0."), min_size=1, max_size=6)
    meta = st.lists(key, min_size=1, max_size=3).map(lambda keys: "meta." + ".".join(keys))
    ends = st.sampled_from((number, text)).flatmap(lambda end: st.tuples(end, st.none() | end))
    return st.one_of(
        st.builds(_compare, st.sampled_from(("width", "size")), order, number),
        st.builds(_compare, st.sampled_from(("camera", "path", "source")), equal, text),
        st.builds(_compare, st.just("tag"), st.just("="), text),
        st.builds(_glob, st.sampled_from(("lens", "path", "tag", "meta.x")), text),
        st.builds(_compare, meta, order, number | text),
        st.builds(_compare, meta, equal, st.booleans()),
        st.builds(lambda field, both: _between(field, *both), meta, ends),
        st.builds(lambda field, both: _between(field, *reversed(both)), meta, ends),
        st.builds(lambda name: Has(has=name), meta),
        _numbers(),
        _moments(),
        _others(),
    )  # fmt: skip


def _numbers() -> st.SearchStrategy[Any]:
    field = st.sampled_from(("id", "width", "height", "size", "megapixels"))
    number = st.sampled_from((0, 1, 7, 640, 480, 0.3, 0.3072, 479.5, 1000, 1017, 3000))
    return st.one_of(
        st.builds(_compare, field, st.sampled_from(_ORDER), number),
        st.builds(_between, field, number, st.none() | number),
        st.builds(_between, field, st.none(), number),
    )


def _moments() -> st.SearchStrategy[Any]:
    date = st.sampled_from(_DATES + MOMENTS).filter(lambda text: not text.endswith(" 12"))
    return st.one_of(
        st.builds(_compare, st.just("taken_at"), st.sampled_from(_ORDER), date),
        st.builds(_between, st.just("taken_at"), date, st.none() | date),
        st.builds(_between, st.just("taken_at"), st.none(), date),
    )


def _texts() -> st.SearchStrategy[Any]:
    equal = st.sampled_from(("=", "!="))
    return st.one_of(
        st.sampled_from(tuple(_TEXTS)).flatmap(
            lambda field: st.builds(
                _compare,
                st.just(field),
                st.just("=") if field == "tag" else equal,
                st.sampled_from(_TEXTS[field]).flatmap(_cases),
            )
        ),
        st.builds(_glob, st.sampled_from(tuple(_TEXTS)), st.sampled_from(_TEXT_PATTERNS)),
        st.builds(_compare, st.just("path"), equal, st.sampled_from(_PATHS)),
        st.builds(_glob, st.just("path"), st.sampled_from(_PATTERNS + FOLDERS)),
        st.builds(_compare, st.just("name"), equal, st.sampled_from((*NAMES, "2024", "a/b", ""))),
        st.builds(_glob, st.just("name"), st.sampled_from(_NAME_PATTERNS + NAMES)),
        st.builds(_compare, st.just("source"), equal, st.sampled_from(("one", "One", "three"))),
        st.builds(_glob, st.just("source"), st.sampled_from(("*", "t*", "?ne", "T*"))),
    )  # fmt: skip


def _cases(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from((text, text.upper(), text.lower(), text.swapcase()))


def _metadata() -> st.SearchStrategy[Any]:
    field = st.sampled_from(META_FIELDS)
    value = st.sampled_from(_META_VALUES)
    ordered = value.filter(lambda each: not isinstance(each, bool))
    numbers = ordered.filter(lambda each: not isinstance(each, str))
    return st.one_of(
        st.builds(_compare, field, st.sampled_from(("=", "!=")), value),
        st.builds(_compare, field, st.sampled_from(_ORDER), ordered),
        st.builds(_between, field, numbers, st.none() | numbers),
        st.builds(_between, field, st.none(), ordered.filter(lambda each: isinstance(each, str))),
        st.builds(_glob, field, st.sampled_from(("*", "r?d", "x", "STR*", "2*"))),
    )


def _others() -> st.SearchStrategy[Any]:
    words = st.lists(st.sampled_from((*WORDS, "DOG", "mouse")), min_size=1, max_size=2)
    presences = ("taken_at", "camera", "lens", "location", "tag", "caption", *META_FIELDS)
    return st.one_of(
        st.builds(lambda some: _compare("caption", "=", " ".join(some)), words),
        st.builds(
            _compare,
            st.just("orientation"),
            st.sampled_from(("=", "!=")),
            st.sampled_from(("portrait", "landscape", "square")),
        ),
        st.builds(lambda name: Has(has=name), st.sampled_from(presences)),
        st.builds(
            _near,
            st.sampled_from((*PLACES, (48.8, 2.3), (-89.0, -120.0), (0.0, 179.0))),
            st.sampled_from((0.001, 1, 5, 30, 500, 10_000, 20_000, 25_000)),
        ),
    )


def _compare(field: str, op: str, value: Any) -> Filter:
    return parse_json_filter({"field": field, "op": op, "value": value})


def _between(field: str, low: Any, high: Any) -> Filter:
    return parse_json_filter({"field": field, "op": "between", "low": low, "high": high})


def _glob(field: str, pattern: str) -> Filter:
    return parse_json_filter({"field": field, "op": "glob", "value": pattern})


def _near(place: tuple[float, float], km: float) -> Filter:
    latitude, longitude = place
    return parse_json_filter({"near": {"latitude": latitude, "longitude": longitude, "km": km}})
