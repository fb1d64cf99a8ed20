"""Searching: what every ImageSearch, sync or not, near or far, does alike."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from PIL import Image

from blipsearch.errors import QueryError
from blipsearch.filters import Compare
from blipsearch.image_search import ImageSearch
from blipsearch.query import Query
from blipsearch.results import SearchResults
from blipsearch.schemas import Judgements, SearchRequest, Term


def ids(results: SearchResults) -> list[int]:
    return [hit.id for hit in results]


def test_hits_come_best_first_with_all_that_is_known(searched: ImageSearch, pictures: Path) -> None:
    found = searched.search("a red ball", limit=3)

    assert len(found) == len(found.hits) == 3
    assert found.count == 8
    assert (found.candidates, found.reranked, found.unverified) == (8, 8, 0)
    assert found.final
    assert found.timings
    assert found.explanation is None
    scores = [hit.score for hit in found]
    assert scores == sorted(scores, reverse=True)
    first = found[0]
    assert found[:2] == found.hits[:2]
    assert (first.width, first.height, first.collection) == (160, 120, "default")
    assert first.match is not None
    assert 0 <= first.match <= 1
    assert -1 <= first.cosine <= 1
    assert first.metadata == {}
    assert first.answer is None
    assert not first.removed
    assert (pictures / first.path).is_file()


def test_the_numbers_are_the_same_everywhere(
    searched: ImageSearch, numbers: dict[int, tuple[float | None, float, float]]
) -> None:
    for hit in searched.search("a red ball", limit=8):
        assert (hit.match, hit.score, hit.cosine) == pytest.approx(numbers[hit.id], abs=1e-4)


def test_a_picture_may_come_in_every_form(searched: ImageSearch, pictures: Path) -> None:
    path = next(pictures.glob("red.*"))
    with path.open("rb") as file, Image.open(path) as image:
        for picture in (path, str(path), path.read_bytes(), file):
            found = searched.search(image=picture, limit=1, rerank=False)
            assert Path(found[0].path).stem == "red"
            assert found[0].cosine == pytest.approx(1, abs=1e-3)
        found = searched.search(image=image, limit=1, rerank=False)
        assert found[0].cosine > 0.98


def test_the_same_is_asked_for_in_every_way(searched: ImageSearch) -> None:
    expected = ids(searched.search("a red ball"))

    for wanted in (
        Query((Term(text="a red ball"),)),
        SearchRequest(query="a red ball"),
        SearchRequest(terms=(Term(text="a red ball"),)),
    ):
        assert ids(searched.search(wanted)) == expected
    assert ids(searched.search(terms=[Term(text="a red ball")])) == expected
    assert ids(searched.search_text("a red ball")) == expected


def test_an_image_of_the_collection_and_a_vector_can_be_asked_for(searched: ImageSearch) -> None:
    assert 1 not in ids(searched.search(image_id=1, rerank=False))
    dim = searched.collection().dim
    vector = searched.search(vector=[1.0] * dim, limit=8)
    assert len(vector) == 8
    with pytest.raises(QueryError):
        searched.search(vector=[1.0] * (dim + 1))


def test_the_small_syntax_has_weights_images_and_what_must_not_be_there(
    searched: ImageSearch,
) -> None:
    found = searched.search_text("2:a ball + id:1 - people", limit=8, min_match=0.0, explain=True)

    assert found.explanation is not None
    assert found.explanation.query == "2:a ball + id:1 - people"
    assert searched.search_text("a ball", filter="width>9000").count == 0


def test_options_do_what_they_do_in_a_request(searched: ImageSearch) -> None:
    wide = {"field": "width", "op": ">", "value": 9000}
    for condition in ("width>9000", wide, Compare(field="width", op=">", value=9000)):
        assert searched.search("a ball", filter=condition).count == 0
    by_path = searched.search("a ball", sort="path", min_match=0.0, limit=8)
    assert [hit.path for hit in by_path] == sorted(hit.path for hit in by_path)
    plain = searched.search("a ball", rerank=False)
    assert plain.reranked == 0
    assert {hit.match for hit in plain} == {None}
    assert searched.search("a ball", candidates=2).candidates == 2
    explained = searched.search("a ball", explain=True).explanation
    assert explained is not None
    assert explained.query == "a ball"
    assert searched.search("a ball", hybrid="on", rerank_budget=60).count == 8


def test_captions_and_answers_come_along(searched: ImageSearch) -> None:
    found = searched.search("a ball", limit=2, include=["caption"], ask="what is it?")

    for hit in found:
        assert hit.answer == searched.ask(hit.id, "what is it?").answer
        assert hit.caption() == searched.caption(hit.id).text


def test_where_nothing_matches_nothing_comes(searched: ImageSearch) -> None:
    found = searched.search("a red ball", min_match=1.0)

    assert (len(found), found.count, found.next_cursor) == (0, 0, None)
    assert list(found) == []
    assert found.next_page() is None
    assert list(searched.iter_hits("a red ball", min_match=1.0)) == []


def test_pages_follow_one_ranking_to_its_end(searched: ImageSearch) -> None:
    whole = ids(searched.search("a red ball", limit=8))

    pages = list(searched.iter_pages("a red ball", limit=3))
    assert [len(page) for page in pages] == [3, 3, 2]
    assert [hit_id for page in pages for hit_id in ids(page)] == whole
    assert [hit.id for hit in searched.iter_hits("a red ball", limit=3)] == whole
    assert [hit.id for hit in islice(searched.iter_hits("a red ball", limit=3), 4)] == whole[:4]
    second = pages[0].next_page()
    assert second is not None
    assert ids(second) == whole[3:6]
    assert pages[0].next_cursor is not None
    assert ids(searched.more(pages[0].next_cursor, limit=5)) == whole[3:]


def test_many_searches_are_answered_in_their_order(searched: ImageSearch) -> None:
    colours = ["red", "green", "blue", "yellow", "black", "white", "orange", "purple"] * 3
    queries = [f"a {colour} ball" for colour in colours]

    found = list(searched.search_many(queries, concurrency=4, limit=2))
    assert [ids(one) for one in found] == [ids(searched.search(one, limit=2)) for one in queries]
    assert list(searched.search_many([])) == []


def test_the_first_error_of_many_searches_is_raised_in_its_place(searched: ImageSearch) -> None:
    queries = ["a ball", "a boat", "x" * 2000, "a house"]
    found = searched.search_many(iter(queries), concurrency=2)

    assert len(next(found)) == 8
    with pytest.raises(QueryError):
        list(found)


def test_a_progressive_search_ends_with_the_answer(searched: ImageSearch) -> None:
    wanted = "a ball that nobody asked for before"
    first, *judged, last = searched.search_stream(wanted, limit=8)

    assert not isinstance(first, Judgements)
    assert not isinstance(last, Judgements)
    assert (first.final, last.final) == (False, True)
    assert {hit.match for hit in first} == {None}
    assert judged
    assert all(isinstance(one, Judgements) for one in judged)
    assert ids(last) == ids(searched.search(wanted, limit=8))
    first_hit = last[0]
    assert first_hit.detail().id == first_hit.id


def test_a_progressive_search_may_be_left(searched: ImageSearch) -> None:
    for _ in range(3):
        events = searched.search_stream("a ball that is left")
        next(events)
        events.close()
    assert len(searched.search("a red ball")) == 8


def test_a_page_shows_itself(searched: ImageSearch) -> None:
    found = searched.search("a red ball", limit=3)

    assert repr(found) == "<3 of 8 hits for 'a red ball' in 'default'>"
    shown = found.with_thumbnails(size=64)._repr_html_()
    assert shown is not None
    assert shown.count('<img src="data:image/jpeg;base64,') == 3
