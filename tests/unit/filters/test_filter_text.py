"""The short form of a filter: read, written again, and refused with a finger on the character."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blipsearch.errors import InvalidFilterError, QueryError
from blipsearch.filters import And, Compare, Filter, Glob, Not, Or, filter_json
from blipsearch.filters.printing import filter_text
from blipsearch.filters.text import MOST_TEXT, load_filter, parse_filter
from blipsearch.filters.words import has_wildcard
from tests.unit.filter_makers import likely_conditions, trees, wild_conditions

_WIDTH = {"field": "width", "op": ">=", "value": 1024}
_BEACH = {"field": "tag", "op": "=", "value": "beach"}
_SEA = {"field": "tag", "op": "=", "value": "sea"}


def _is(field: str, value: object, op: str = "=") -> dict[str, object]:
    return {"field": field, "op": op, "value": value}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("width>=1024", _WIDTH),
        ("  width >= 1024\n", _WIDTH),
        ("width>=1024 tag:beach", {"and": [_WIDTH, _BEACH]}),
        ("width>=1024 and tag:beach", {"and": [_WIDTH, _BEACH]}),
        ("tag:beach OR tag:sea", {"or": [_BEACH, _SEA]}),
        ("tag:beach or tag:sea", {"or": [_BEACH, _SEA]}),
        ("tag:beach,sea", {"or": [_BEACH, _SEA]}),
        ("tag:beach, sea", {"or": [_BEACH, _SEA]}),
        ("-tag:beach", {"not": _BEACH}),
        ("not tag:beach", {"not": _BEACH}),
        ("NOT(tag:beach)", {"not": _BEACH}),
        ("--tag:beach", {"not": {"not": _BEACH}}),
        ("-tag:beach,sea", {"not": {"or": [_BEACH, _SEA]}}),
        ("((tag:beach))", _BEACH),
        (
            "width>=1024 tag:beach OR tag:sea",
            {"or": [{"and": [_WIDTH, _BEACH]}, _SEA]},
        ),
        (
            "width>=1024 (tag:beach OR tag:sea)",
            {"and": [_WIDTH, {"or": [_BEACH, _SEA]}]},
        ),
        ("tag=sea", _SEA),
        ("tag:or", _is("tag", "or")),
        ("tag:-x", _is("tag", "-x")),
        ("tag:a:b=c", _is("tag", "a:b=c")),
        ('tag:""', _is("tag", "")),
        (r'tag:"say \"hi\" \\ (now), a..b"', _is("tag", 'say "hi" \\ (now), a..b')),
        ('path:"My Pictures"/**', _is("path", "My Pictures/**", "glob")),
        ('camera:"Canon*"', _is("camera", "Canon*", "glob")),
        ('camera="Canon*"', _is("camera", "Canon*")),
        ("camera!=Canon", _is("camera", "Canon", "!=")),
        ("name:a..b.jpg", _is("name", "a..b.jpg")),
        ("path:holiday", _is("path", "holiday")),
        ("size>2MB", _is("size", 2_000_000, ">")),
        ("size:1.5GiB", _is("size", 1_610_612_736)),
        ("size:..500kb", {"field": "size", "op": "between", "high": 500_000}),
        ("megapixels>=12.5", _is("megapixels", 12.5, ">=")),
        ("width:800..1200", {"field": "width", "op": "between", "low": 800, "high": 1200}),
        ("width:800..", {"field": "width", "op": "between", "low": 800}),
        (
            "taken_at:2024-06..2024-08",
            {"field": "taken_at", "op": "between", "low": "2024-06", "high": "2024-08"},
        ),
        ("taken_at>2024-06-01T12:30", _is("taken_at", "2024-06-01T12:30", ">")),
        ('taken_at:"2024-06-01 12:30"', _is("taken_at", "2024-06-01 12:30")),
        ("orientation:portrait", _is("orientation", "portrait")),
        ('caption:"red dog"', _is("caption", "red dog")),
        ("has:caption", {"has": "caption"}),
        ("has:location,meta.x", {"or": [{"has": "location"}, {"has": "meta.x"}]}),
        (
            "near:48.85,2.35,5km",
            {"near": {"latitude": 48.85, "longitude": 2.35, "km": 5.0}},
        ),
        (
            "near:-48.85,2.35,500m",
            {"near": {"latitude": -48.85, "longitude": 2.35, "km": 0.5}},
        ),
        ("meta.price<20", _is("meta.price", 20, "<")),
        ('meta.price:"20"', _is("meta.price", "20")),
        ("meta.a-b.c:true", _is("meta.a-b.c", True)),
        ("meta.a:True", _is("meta.a", "True")),
        ("meta.a:1e3", _is("meta.a", 1000.0)),
        ("meta.a:r*", _is("meta.a", "r*", "glob")),
        ('meta."odd (key)".b:x', _is("meta.odd (key).b", "x")),
        ("meta.a:1..2.5", {"field": "meta.a", "op": "between", "low": 1, "high": 2.5}),
    ],
)
def test_the_short_form_means_the_json_form(text: str, expected: dict[str, object]) -> None:
    assert filter_json(parse_filter(text)) == expected
    assert load_filter(text) == load_filter(expected)


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("", 0, "the filter is empty"),
        ("   ", 3, "the filter is empty"),
        ("beach", 0, "expected a field, a colon and a value, such as tag:beach"),
        ("tag:sea beach tag:x", 8, "expected a field, a colon and a value"),
        ("widht>5", 0, "there is no field 'widht'; did you mean 'width'?"),
        ("tag:a Camera:x", 6, "did you mean 'camera'?"),
        ("tag:a taken:2024", 6, "did you mean 'taken_at'?"),
        ("meta:5", 0, "write meta.KEY"),
        ("tag:", 4, "expected a value, not the end"),
        ("tag: )", 5, "expected a value, not '\\)'"),
        ("tag:a,", 6, "expected a value, not the end"),
        ("tag:a,,b", 6, "expected a value, not ','"),
        ('tag:x name:"abc', 11, "this quote is not closed"),
        ('name:ab"c', 7, "this quote is not closed"),
        ('tag:a "b"', 6, "expected a condition"),
        ("(tag:a", 6, "a parenthesis is not closed"),
        ("tag:a)", 5, "this parenthesis closes nothing"),
        ("tag:a ()", 7, "expected a condition, such as tag:beach, not '\\)'"),
        ("tag:a OR", 8, "expected a condition, such as tag:beach, not the end"),
        ("tag:a -", 7, "expected a condition"),
        ("tag:a & tag:b", 6, "expected a condition, such as tag:beach, not '&'"),
        ("width:abc", 6, "'abc' is no number"),
        ("width:1..b", 9, "'b' is no number"),
        ("width:1..2..3", 9, "'2..3' is no number"),
        ("width:..", 6, "a range needs an end"),
        ("width>99999999999999999999", 6, "between -2\\^63 and 2\\^63"),
        ("width>1,2", 8, "> takes one value"),
        ("size>5XB", 5, "is no size: write 500KB"),
        ("camera<x", 6, "camera cannot be compared by '<', only by =, !=, glob"),
        ("tag!=x", 3, "write `not` before an equality"),
        ("taken_at:2024-13", 9, "no date of the calendar"),
        ("taken_at:2024..2024-02-30", 15, "no date of the calendar"),
        ("taken_at:yesterday", 9, "is no date: write 2024"),
        ("taken_at:2024-06-01T12:30Z", 9, "without a zone"),
        ("orientation:tall", 12, "orientation is portrait, landscape, square"),
        ("caption:dog*", 8, "whole words"),
        ("caption:!", 8, "no word"),
        ("has:x", 4, "'has' cannot ask for 'x'"),
        ("has>camera", 3, "write has:caption"),
        ("near:1,2", 0, "near takes a latitude, a longitude and a distance"),
        ("near:91,0,5", 5, "latitude"),
        ("near:0,181,5", 7, "longitude"),
        ("near:0,0,0", 9, "km"),
        ("near:0,0,5mi", 9, "is no number"),
        ("near>1", 4, "near takes"),
        ("meta.x<true", 7, "have no order"),
        ("meta.x:1..b", 10, "both numbers or both text"),
        ('meta."a.b":1', 0, "a key with a dot"),
        ('tag:x meta."":1', 6, "names no field of the metadata"),
        ("tag:\0", 4, "NUL"),
    ],
)
def test_an_error_points_at_the_character(text: str, position: int, says: str) -> None:
    with pytest.raises(InvalidFilterError, match=says) as raised:
        parse_filter(text)
    assert raised.value.position == position
    assert raised.value.location == ""
    _, line, caret = str(raised.value).rsplit("\n", 2)
    assert caret.index("^") == 2 + position
    assert line == "  " + "".join(each if each.isprintable() else " " for each in text)


def test_an_error_far_into_a_long_filter_shows_its_surroundings() -> None:
    text = "tag:abc " * 50 + "oops " + "tag:abc " * 20
    with pytest.raises(InvalidFilterError) as raised:
        parse_filter(text)
    _, line, caret = str(raised.value).rsplit("\n", 2)
    assert raised.value.position == 400
    assert line[caret.index("^") :].startswith("oops tag:abc")
    assert line.startswith("  ...")
    assert len(line) < 140


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("tag:x " * 101, 600, "at most 100 conditions"),
        ("tag:" + ",".join("x" * 101), 0, "at most 100 conditions"),
        ("-" * 33 + "tag:x", 33, "nested at most 32 deep"),
        ("-" * 15_000 + "tag:x", 15_000, "nested at most 32 deep"),
        ("tag:" + "x" * 1001, 4, "at most 1000 characters"),
        ("x" * (MOST_TEXT + 1), MOST_TEXT, "at most 20000 characters"),
    ],
)
def test_limits_are_said_where_they_are_passed(text: str, position: int, says: str) -> None:
    with pytest.raises(InvalidFilterError, match=says) as raised:
        parse_filter(text)
    assert raised.value.position == position


@pytest.mark.parametrize(
    "text", ["tag:x " * 100, "-" * 32 + "tag:x", "(" * 5000 + "tag:x" + ")" * 5000]
)
def test_what_is_within_the_limits_is_read(text: str) -> None:
    parse_filter(text)


def test_a_wrong_filter_is_a_wrong_query() -> None:
    with pytest.raises(QueryError):
        parse_filter("?")
    assert InvalidFilterError.code == "invalid_filter"


@settings(max_examples=1000)
@given(trees(st.one_of(wild_conditions(), likely_conditions())))
@example(Or(some=(Compare(field="tag", value="a*b"), Compare(field="tag", value="c"))))
@example(Glob(field="meta.x", op="glob", value="a..b*"))
def test_a_filter_written_is_read_as_the_same(asked: Filter) -> None:
    assert parse_filter(filter_text(asked)) == _normal(asked)


def _normal(node: Filter) -> Filter:
    """What the short form has no words for, said as it says it."""
    if isinstance(node, Not):
        return Not(negated=_normal(node.negated))
    if isinstance(node, And | Or):
        parts = tuple(map(_normal, node.every if isinstance(node, And) else node.some))
        if len(parts) == 1:
            return parts[0]
        return And(every=parts) if isinstance(node, And) else Or(some=parts)
    if isinstance(node, Glob) and not has_wildcard(node.value):
        return Compare(field=node.field, value=node.value)
    return node


def test_a_filter_is_written_as_a_person_would() -> None:
    for text in (
        "width>=1024 taken_at:2024-06..2024-08 path:holiday/** tag:beach,sea -tag:private",
        'camera:"Canon EOS*" (has:caption OR near:48.85,2.35,5km) size>2MB meta.price<20',
        'name="a *b" -(tag:x tag:y)',
    ):
        assert filter_text(parse_filter(text)) == text


_WORDS = (
    *("tag", "width", "meta.x", "near", "has", "taken_at", ":", "=", "!=", "<", ">=", "..", ","),
    *(" ", "(", ")", "-", "not", "or", "AND", '"', "\\", "*", "?", "1", "2024-06", "km", "\n", "."),
)


@settings(max_examples=2000)
@given(st.one_of(st.text(), st.lists(st.sampled_from(_WORDS), max_size=20).map("".join)))
def test_any_text_gives_a_filter_or_says_where_it_is_wrong(text: str) -> None:
    read = _read(text)
    if isinstance(read, InvalidFilterError):
        assert read.position is not None
        assert 0 <= read.position <= len(text)
    else:
        assert parse_filter(filter_text(read)) == read


def _read(text: str) -> Filter | InvalidFilterError:
    try:
        return parse_filter(text)
    except InvalidFilterError as error:
        return error
