"""Searches over images whose embeddings are known, against brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blipsearch.blip import BlipRetriever
from blipsearch.errors import ImageNotFoundError, ImageUnreadableError, QueryError
from blipsearch.query import Query
from blipsearch.query.text import parse_query
from blipsearch.retrieval import AWAY
from blipsearch.schemas import SearchResponse, Term
from tests.unit.search_makers import searching, vectors_of, write_images


def _ids(response: SearchResponse) -> list[int]:
    return [hit.id for hit in response.hits]


def test_a_vector_finds_what_is_nearest_to_it(tmp_path: Path, tiny: BlipRetriever) -> None:
    vectors = vectors_of(50, 1, tiny.dim)
    with searching(tmp_path, tiny) as (searcher, collection):
        ids = write_images(collection, vectors)
        query = Query((Term(vector=tuple((3 * vectors[7]).tolist())),))
        found = searcher.search(query, limit=20)
    cosines = vectors @ vectors[7]
    assert _ids(found) == [ids[row] for row in np.argsort(-cosines)[:20]]
    assert found.hits[0].cosine == pytest.approx(1, abs=1e-5)
    assert {hit.match for hit in found.hits} == {None}
    assert found.count == 50


def test_several_terms_are_one_direction_by_their_weights(
    tmp_path: Path, tiny: BlipRetriever
) -> None:
    vectors = vectors_of(60, 2, tiny.dim)
    text = tiny.get_text_features(["a dog", "a cat"])
    with searching(tmp_path, tiny) as (searcher, collection):
        ids = write_images(collection, vectors)
        query = parse_query(f"2:a dog + 0.5:id:{ids[4]} - a cat")
        found = searcher.search(query, limit=60, rerank=False)
    direction = 2 * text[0] + 0.5 * vectors[4] - AWAY * text[1]
    cosines = vectors @ (direction / np.linalg.norm(direction))
    wanted = [ids[row] for row in np.argsort(-cosines) if row != 4]
    assert _ids(found) == wanted
    assert [hit.cosine for hit in found.hits] == pytest.approx(
        sorted(np.delete(cosines, 4).tolist(), reverse=True), abs=1e-5
    )


def test_an_indexed_image_finds_its_neighbours_and_not_itself(
    tmp_path: Path, tiny: BlipRetriever
) -> None:
    vectors = vectors_of(30, 3, tiny.dim)
    with searching(tmp_path, tiny) as (searcher, collection):
        ids = write_images(collection, vectors)
        found = searcher.search(parse_query(f"id:{ids[3]}"), limit=5)
        everything = searcher.search(parse_query(f"id:{ids[3]}"), limit=100)
    nearest = [ids[row] for row in np.argsort(-(vectors @ vectors[3])) if row != 3]
    assert _ids(found) == nearest[:5]
    assert _ids(everything) == nearest


def test_an_image_as_a_query_is_embedded_as_an_indexed_one_is(
    tmp_path: Path, tiny: BlipRetriever, golden: Path
) -> None:
    picture = next(iter(sorted(golden.glob("**/*.png")))).read_bytes()
    with searching(tmp_path, tiny) as (searcher, collection):
        write_images(collection, vectors_of(10, 4, tiny.dim))
        found = searcher.search(Query((Term(image=picture),)), limit=3)
    assert len(found.hits) == 3
    assert {hit.match for hit in found.hits} == {None}


def test_a_query_that_cannot_be_embedded_says_why(tmp_path: Path, tiny: BlipRetriever) -> None:
    with searching(tmp_path, tiny) as (searcher, collection):
        write_images(collection, vectors_of(3, 5, tiny.dim))
        with pytest.raises(ImageNotFoundError, match="no image 99"):
            searcher.search(parse_query("id:99"))
        with pytest.raises(ImageUnreadableError, match="the query's image cannot be used"):
            searcher.search(Query((Term(image=b"no picture"),)))
        with pytest.raises(QueryError, match=f"has {tiny.dim} finite numbers"):
            searcher.search(Query((Term(vector=(1.0, 2.0)),)))
        with pytest.raises(QueryError, match="not all 0"):
            searcher.search(Query((Term(vector=(0.0,) * tiny.dim),)))
        with pytest.raises(QueryError, match="cancel out"):
            searcher.search(parse_query(f"{AWAY}:a dog - a dog"), rerank=False)
        with pytest.raises(QueryError, match="a vector has no words to rerank by"):
            searcher.search(Query((Term(vector=(1.0,) * tiny.dim),)), rerank=True)


def test_a_filter_leaves_the_nearest_of_what_it_lets_through(
    tmp_path: Path, tiny: BlipRetriever
) -> None:
    vectors = vectors_of(80, 6, tiny.dim)
    query = Query((Term(vector=tuple(vectors[0].tolist())),))
    with searching(tmp_path, tiny) as (searcher, collection):
        ids = write_images(collection, vectors)
        found = searcher.search(query, filter="width>=60", limit=10, explain=True)
        same = searcher.search(query, filter={"field": "width", "op": ">=", "value": 60}, limit=10)
        nothing = searcher.search(query, filter="width>1000", limit=10)
    allowed = [row for row in np.argsort(-(vectors @ vectors[0])) if row + 1 >= 60]
    assert _ids(found) == [ids[row] for row in allowed[:10]] == _ids(same)
    assert found.count == 21
    assert found.explanation is not None
    assert found.explanation.searched == 21
    assert nothing.hits == ()
    assert nothing.count == 0


def test_matches_are_sorted_by_a_field_with_the_rest_left_out(
    tmp_path: Path, tiny: BlipRetriever
) -> None:
    vectors = vectors_of(40, 7, tiny.dim)
    query = Query((Term(vector=tuple(vectors[0].tolist())),))
    with searching(tmp_path, tiny) as (searcher, collection):
        write_images(collection, vectors)
        nearest = searcher.search(query, limit=10)
        newest = searcher.search(query, limit=40, candidates=10, sort="-taken_at")
        widest = searcher.search(query, limit=40, candidates=10, sort="-width")
        first = searcher.search(query, limit=40, candidates=10, sort="path")
    assert {*_ids(newest)} == {*_ids(widest)} == {*_ids(first)} == {*_ids(nearest)}
    assert [hit.width for hit in widest.hits] == sorted(
        (hit.width or 0 for hit in nearest.hits), reverse=True
    )
    assert [hit.path for hit in first.hits] == sorted(hit.path for hit in nearest.hits)
    days = [(1 + (hit.id - 1) % 12, 1 + (hit.id - 1) % 28) for hit in newest.hits]
    assert days == sorted(days, reverse=True)


def test_captions_are_found_by_their_words_where_that_is_asked(
    tmp_path: Path, tiny: BlipRetriever
) -> None:
    vectors = vectors_of(200, 8, tiny.dim)
    order = np.argsort(-(vectors @ tiny.get_text_features(["a dog"])[0]))
    with searching(tmp_path, tiny) as (searcher, collection):
        ids = write_images(collection, vectors)
        far = ids[order[-1]]
        collection.add_caption(far, "Two DOGS asleep", "someone")
        collection.add_caption(ids[order[50]], "a cat", "someone")
        off = searcher.search("a dog", limit=200, rerank=False, hybrid="off")
        on = searcher.search("a dog", limit=200, rerank=False, hybrid="on", explain=True)
        only = searcher.search("a dog", limit=200, rerank=False, hybrid="only")
        filtered = searcher.search(
            "a dog", filter=f"-id:{far}", limit=200, rerank=False, hybrid="only"
        )
    assert _ids(off)[-1] == far
    assert _ids(on)[:2] == [far, ids[order[0]]]
    assert {*_ids(on)} == {*ids}
    assert _ids(only) == [far]
    assert only.hits[0].cosine == pytest.approx(off.hits[-1].cosine, abs=1e-6)
    assert filtered.hits == ()
    assert on.explanation is not None
    assert on.explanation.captions == 1


def test_words_of_a_query_mean_nothing_to_the_full_text_engine(
    tmp_path: Path, tiny: BlipRetriever
) -> None:
    with searching(tmp_path, tiny) as (searcher, collection):
        ids = write_images(collection, vectors_of(3, 9, tiny.dim))
        collection.add_caption(ids[1], "near the AND gate", "someone")
        for text in ('"', "a:b*", "NEAR(gate", "gate^2", "-gate", "the", "--", "текст"):
            searcher.search(text, rerank=False, hybrid="only")
        found = searcher.search("NOT the AND", rerank=False, hybrid="only")
    assert _ids(found) == []


def test_a_collection_without_images_has_no_hits(tmp_path: Path, tiny: BlipRetriever) -> None:
    with searching(tmp_path, tiny) as (searcher, _):
        found = searcher.search("a dog", explain=True)
    assert (found.hits, found.count, found.candidates) == ((), 0, 0)
    assert found.next_cursor is None
