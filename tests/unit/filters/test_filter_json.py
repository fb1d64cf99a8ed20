"""The JSON form of a filter: a frozen value, limited, refused with the place that is wrong."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from blipsearch.errors import InvalidFilterError
from blipsearch.filters import (
    Compare,
    Filter,
    conditions,
    depends_on_captions,
    filter_json,
    parse_json_filter,
)
from blipsearch.filters.text import load_filter, parse_filter
from tests.unit.filter_makers import likely_conditions, trees, wild_conditions


@settings(max_examples=500)
@given(trees(st.one_of(wild_conditions(), likely_conditions())))
def test_a_filter_goes_through_json_and_comes_back_equal(asked: Filter) -> None:
    back = parse_json_filter(json.loads(json.dumps(filter_json(asked))))
    assert back == asked
    assert hash(back) == hash(asked)
    assert parse_json_filter(asked) == asked


@pytest.mark.parametrize(
    ("value", "same"),
    [
        ({"field": "tag", "value": "sea"}, "tag:sea"),
        ({"field": "width", "low": 5}, "width:5.."),
        ({"field": "width", "op": "between", "high": 5, "low": None}, "width:..5"),
        ({"field": "path", "op": "glob", "value": "a/**"}, "path:a/**"),
        ({"not": {"has": "meta.x y"}}, '-has:"meta.x y"'),
        ({"or": [{"has": "tag"}, {"and": [{"has": "lens"}]}]}, None),
        ({"near": {"latitude": 1, "longitude": 2, "km": 3}}, "near:1,2,3km"),
    ],
)
def test_what_a_person_writes_is_read(value: dict[str, object], same: str | None) -> None:
    read = load_filter(value)
    assert same is None or read == parse_filter(same)


_FORMS = "a filter is an object with 'field' and 'value'"


@pytest.mark.parametrize(
    ("value", "location", "says"),
    [
        (None, "", _FORMS),
        ([], "", _FORMS),
        ({}, "", _FORMS),
        ({"and": [{"has": "tag"}, 5]}, "and.1", _FORMS),
        ({"and": []}, "and", "at least one filter"),
        ({"has": "tag", "near": 5}, "near", "no such key"),
        ({"field": "widht", "value": 5}, "field", "did you mean 'width'"),
        ({"field": 5, "value": 5}, "field", "string"),
        ({"field": "meta.", "value": 5}, "field", "names no field"),
        ({"field": "width"}, "value", "missing"),
        ({"field": "width", "value": None}, "value", "text, a number"),
        ({"field": "width", "value": [1]}, "value", "text, a number"),
        ({"field": "width", "value": "5"}, "value", "with a number, not with '5'"),
        ({"field": "width", "value": True}, "value", "with a number, not with True"),
        ({"field": "width", "value": 2**63}, "value", "between"),
        ({"field": "width", "value": float("nan")}, "value", "between"),
        ({"field": "width", "value": float("inf")}, "value", "between"),
        ({"field": "width", "op": "~", "value": 5}, "op", "Input should be"),
        ({"field": "tag", "op": "<", "value": "x"}, "op", "cannot be compared by '<'"),
        ({"field": "tag", "value": 5}, "value", "compared with text, not with 5"),
        ({"field": "tag", "value": "x" * 1001}, "value", "at most 1000"),
        ({"field": "width", "op": "glob", "value": "*"}, "op", "by 'glob'"),
        ({"field": "name", "op": "glob", "value": 5}, "value", "string"),
        ({"field": "width", "op": "between"}, "low", "needs an end"),
        ({"field": "meta.x", "low": 1, "high": "b"}, "high", "both"),
        ({"field": "taken_at", "high": "2024-13"}, "high", "no date"),
        ({"not": {"not": {"has": "x"}}}, "not.not.has", "cannot ask for 'x'"),
        ({"or": [{"near": {"latitude": 91, "longitude": 0, "km": 1}}]}, "or.0.near.latitude", "90"),
        ({"near": {"latitude": 1, "longitude": 0}}, "near.km", "missing"),
        ({"field": "width", "value": 5, "extra": 1}, "extra", "no such key"),
        ({"or": [{"has": "tag"}] * 101}, "", "at most 100 conditions"),
    ],
)
def test_an_error_says_where_in_the_json(value: object, location: str, says: str) -> None:
    with pytest.raises(InvalidFilterError, match=says) as raised:
        parse_json_filter(value)
    assert raised.value.location == location
    assert raised.value.position is None
    where = f"filter.{location}" if location else "filter"
    assert str(raised.value).startswith(f"{where}: ")


@pytest.mark.parametrize("depth", [33, 200, 5000])
def test_a_filter_nested_too_deep_is_refused(depth: int) -> None:
    value: dict[str, Any] = {"has": "tag"}
    for _ in range(depth):
        value = {"not": value}
    with pytest.raises(InvalidFilterError, match="nested at most 32 deep"):
        parse_json_filter(value)


def test_a_filter_of_32_levels_is_read() -> None:
    value: dict[str, Any] = {"has": "tag"}
    for _ in range(32):
        value = {"and": [value]}
    assert filter_json(parse_json_filter(value)) == value


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(("field", "op", "value", "low", "and", "or", "not", "has", "near")),
            inner | st.sampled_from(("width", "tag", "meta.x", "=", "glob", "between")),
            max_size=3,
        ),
    ),
)


@settings(max_examples=1000)
@given(_json)
def test_any_json_gives_a_filter_or_says_where_it_is_wrong(value: object) -> None:
    with contextlib.suppress(InvalidFilterError):
        asked = parse_json_filter(value)
        assert parse_json_filter(filter_json(asked)) == asked


def test_a_filter_is_frozen() -> None:
    asked = Compare(field="width", value=5)
    with pytest.raises(ValidationError, match="frozen"):
        asked.value = 6  # type: ignore[misc]


def test_true_is_not_one() -> None:
    one, true = Compare(field="meta.x", value=1), Compare(field="meta.x", value=True)
    assert one != true
    assert len({one, true, Compare(field="meta.x", value=1)}) == 2


def test_conditions_are_found_at_any_depth() -> None:
    asked = parse_filter("tag:a (tag:b OR -(has:tag near:0,0,5))")
    assert [type(each).__name__ for each in conditions(asked)] == [
        "Compare",
        "Compare",
        "Has",
        "Near",
    ]
    assert not depends_on_captions(asked)
    assert depends_on_captions(parse_filter("tag:a -(tag:b caption:x)"))
    assert depends_on_captions(parse_filter("-has:caption"))


def test_a_filter_within_another_model_keeps_its_json_form_and_its_limits() -> None:
    class Request(BaseModel):
        filter: str | Filter | None = None

    sent = {"filter": {"and": [{"has": "tag"}, {"not": {"has": "lens"}}]}}
    request = Request.model_validate(sent)
    assert json.loads(request.model_dump_json()) == sent
    with pytest.raises(ValidationError, match="at most 100 conditions"):
        Request.model_validate({"filter": {"or": [{"has": "tag"}] * 101}})


def test_the_json_schema_names_fields_and_operators() -> None:
    schema = TypeAdapter(Filter).json_schema()
    compare = schema["$defs"]["Compare"]["properties"]
    assert "taken_at" in compare["field"]["anyOf"][0]["enum"]
    assert compare["op"]["enum"] == ["=", "!=", "<", "<=", ">", ">="]
    assert set(schema["$defs"]["Not"]["properties"]) == {"not"}


def test_filters_load_no_engine() -> None:
    """The SDK imports them: neither the parser of the short form nor the catalog comes along."""
    heavy = ("lark", "numpy", "sqlalchemy", "torch", "faiss", "PIL")
    command = f"import blipsearch.filters, sys; print([m for m in {heavy!r} if m in sys.modules])"
    finished = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "[]"
