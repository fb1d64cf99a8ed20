"""The small syntax of queries, and what a request may ask for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blipsearch.errors import QueryError
from blipsearch.query import Query, as_request, checked_request, query_of
from blipsearch.query.text import parse_query
from blipsearch.schemas import SearchRequest, Term


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("a dog on the table", [Term(text="a dog on the table")]),
        ("boat + sea", [Term(text="boat"), Term(text="sea")]),
        ("boat - people", [Term(text="boat"), Term(text="people", negated=True)]),
        ("- people", [Term(text="people", negated=True)]),
        ("2:red boat + 0.5:sea", [Term(text="red boat", weight=2), Term(text="sea", weight=0.5)]),
        ("id:17 - 3:people", [Term(image_id=17), Term(text="people", weight=3, negated=True)]),
        ("2:id:17", [Term(image_id=17, weight=2)]),
        ("a well-lit room", [Term(text="a well-lit room")]),
        ("a 16:9 picture", [Term(text="a 16:9 picture")]),
        ("16:9", [Term(text="16:9")]),
        ("c++ code", [Term(text="c++ code")]),
        ("identity: unknown", [Term(text="identity: unknown")]),
        ('"rock + roll" + music', [Term(text="rock + roll"), Term(text="music")]),
        (r'"say \"hi\" \\o/"', [Term(text=r'say "hi" \o/')]),
        ('say "hi" loudly', [Term(text='say "hi" loudly')]),
        ("  boat  -  people  ", [Term(text="boat"), Term(text="people", negated=True)]),
        ("ein Boot + чайка", [Term(text="ein Boot"), Term(text="чайка")]),
    ],
)
def test_a_query_is_read_as_a_person_means_it(text: str, terms: list[Term]) -> None:
    assert parse_query(text) == Query(tuple(terms))


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("+ boat", 1, "a term is missing"),
        ("boat - - people", 8, "a term is missing"),
        ("boat + + sea", 8, "a term is missing"),
        ('boat + "sea', 8, "its closing quote is missing"),
    ],
)
def test_what_cannot_be_read_is_shown_at_its_place(text: str, place: int, what: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(text)
    first, shown, caret = str(caught.value).splitlines()
    assert first == f"the query cannot be read at character {place}: {what}"
    assert shown.strip() == text
    assert caret.index("^") - 2 == place - 1


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_query_is_told_what_to_say(text: str) -> None:
    with pytest.raises(QueryError, match="the query is empty"):
        parse_query(text)


def test_a_weight_of_nothing_is_refused() -> None:
    with pytest.raises(QueryError, match="the term 'boat': Input should be greater than 0"):
        parse_query("0:boat")


def test_files_and_vectors_are_read_where_the_edge_allows_it(tmp_path: Path) -> None:
    (tmp_path / "my sunset.jpg").write_bytes(b"a picture")
    np.save(tmp_path / "v.npy", np.array([1.0, 2.0], dtype=np.float32))
    query = parse_query(f"{tmp_path}/my sunset.jpg + vector:{tmp_path}/v.npy", files=True)
    assert query.terms == (Term(image=b"a picture"), Term(vector=(1.0, 2.0)))


def test_a_path_in_a_query_from_outside_is_only_words() -> None:
    query = parse_query("/etc/passwd + vector:/etc/passwd")
    assert query.terms == (Term(text="/etc/passwd"), Term(text="vector:/etc/passwd"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"query's image .*gone\.jpg cannot be read"):
        parse_query(f"{tmp_path}/gone.jpg", files=True)
    with pytest.raises(QueryError, match=r"query's vector .*gone\.npy cannot be read"):
        parse_query(f"vector:{tmp_path}/gone.npy", files=True)


def test_a_vector_file_with_anything_else_in_it_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "table.npy", np.zeros((2, 2)))
    with pytest.raises(QueryError, match=r"must be one array \(dim,\)"):
        parse_query(f"vector:{tmp_path}/table.npy", files=True)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(QueryError, match="cannot be read"):
        parse_query(f"vector:{tmp_path}/objects.npy", files=True)


TEXTS = st.text(min_size=1, max_size=30).map(str.strip).filter(bool)
TERMS = st.builds(
    lambda subject, weight, negated: Term(**subject, weight=weight, negated=negated),
    st.one_of(
        TEXTS.map(lambda text: {"text": text}),
        st.integers(1, 10**9).map(lambda number: {"image_id": number}),
    ),
    st.integers(1, 40).map(lambda quarters: quarters / 4),
    st.booleans(),
)


@given(st.lists(TERMS, min_size=1, max_size=5))
@example([Term(text="-", weight=0.25), Term(text="0", weight=0.25)])
def test_a_query_that_is_written_out_reads_the_same(terms: list[Term]) -> None:
    query = Query(tuple(terms))
    assert parse_query(str(query)) == query


@given(st.text(max_size=60))
def test_any_text_is_a_query_or_a_clear_error(text: str) -> None:
    try:
        query = parse_query(text)
    except QueryError as error:
        assert str(error)  # noqa: PT017  # which texts are errors is what other tests say
    else:
        assert query.terms


def test_a_request_asks_for_exactly_one_thing() -> None:
    with pytest.raises(QueryError, match=r"give exactly one of query, .*; there is none"):
        checked_request({})
    with pytest.raises(QueryError, match="there is query and image_id"):
        checked_request({"query": "a dog", "image_id": 3})
    with pytest.raises(QueryError, match="there is text and vector"):
        checked_request({"terms": [{"text": "a dog", "vector": [1.0]}]})


def test_a_cursor_takes_nothing_beside_it_but_a_limit() -> None:
    assert checked_request({"cursor": "c", "limit": 3}).limit == 3
    with pytest.raises(QueryError, match="limit, include and ask alone, not with min_match"):
        checked_request({"cursor": "c", "min_match": 0.5})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"limit": 0}, "limit: Input should be greater than or equal to 1"),
        ({"candidates": 0}, "candidates: Input should be greater than or equal to 1"),
        ({"min_match": 1.1}, "min_match: Input should be less than or equal to 1"),
        ({"rerank_budget": 0}, "rerank_budget: Input should be greater than 0"),
        ({"sort": "beauty"}, "sort: Input should be 'taken_at'"),
        ({"rerank": False, "min_match": 0.5}, "min_match needs the rerank"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_number_out_of_range_is_named(fields: dict[str, object], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        as_request("a dog", fields)


def test_a_sentence_is_taken_literally_where_no_person_types_it() -> None:
    assert query_of(as_request("sunset - beach")) == Query((Term(text="sunset - beach"),))


def test_the_json_form_of_a_query_is_what_the_syntax_gives() -> None:
    request = SearchRequest.model_validate_json(
        '{"terms": [{"text": "boat", "weight": 2}, {"text": "people", "not": true}]}'
    )
    assert query_of(request) == parse_query("2:boat - people")


def test_a_file_travels_as_base64_and_arrives_as_it_was() -> None:
    term = Term(image=b"\x89PNG\xff")
    assert Term.model_validate_json(term.model_dump_json()) == term
    with pytest.raises(QueryError, match="image: a file's bytes come as base64"):
        checked_request({"image": "no base64!"})
