"""Pages: concatenated they are the one long ranking, whatever happens to the images meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blipsearch.blip import BlipRetriever
from blipsearch.collection import RANKINGS, Collection
from blipsearch.errors import CursorExpiredError, InvalidCursorError, QueryError
from blipsearch.query import Query
from blipsearch.schemas import SearchResponse, Term
from blipsearch.search import Searcher
from tests.unit.search_makers import searching, vectors_of, write_images

Numbers = list[tuple[int, float, float]]


def _numbers(response: SearchResponse) -> Numbers:
    return [(hit.id, hit.score, hit.cosine) for hit in response.hits]


def _query(seed: int, dim: int) -> Query:
    return Query((Term(vector=tuple(vectors_of(1, seed, dim)[0].tolist())),))


def _change(collection: Collection, what: str, seed: int) -> None:
    """Index, delete, or make images change while somebody turns pages."""
    dim = collection.info.checkpoint.dim
    alive = [entry.id for entry in collection.entries("indexed")]
    rng = np.random.default_rng(seed)
    if what == "index":
        write_images(collection, vectors_of(5, seed, dim), first=1000 + seed)
    elif what == "delete" and alive:
        collection.remove(rng.choice(alive, size=min(5, len(alive)), replace=False).tolist())
    elif what == "lose" and alive:
        collection.mark_missing([int(rng.choice(alive))])
    elif what == "embed anew":
        write_images(collection, vectors_of(3, seed, dim), first=int(rng.integers(20)))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    count=st.integers(1, 40),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    changes=st.lists(st.sampled_from(["index", "delete", "lose", "embed anew", "nothing"])),
    filtered=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_concatenated_pages_are_the_one_long_ranking(  # noqa: PLR0917
    tmp_path_factory: pytest.TempPathFactory,
    tiny: BlipRetriever,
    count: int,
    sizes: list[int],
    changes: list[str],
    filtered: bool,
    seed: int,
) -> None:
    wanted: dict[str, Any] = {"filter": "width>=10"} if filtered else {}
    with searching(tmp_path_factory.mktemp("library"), tiny) as (searcher, collection):
        write_images(collection, vectors_of(count, seed, tiny.dim))
        whole = searcher.search(_query(seed, tiny.dim), limit=1000, **wanted)
        page = searcher.search(_query(seed, tiny.dim), limit=sizes[0], **wanted)
        turned = _numbers(page)
        turns = 0
        while page.next_cursor is not None:
            if turns < len(changes):
                _change(collection, changes[turns], seed + turns)
            turns += 1
            page = searcher.more(page.next_cursor, limit=sizes[turns % len(sizes)])
            assert page.count == whole.count
            turned += _numbers(page)
    assert turned == _numbers(whole)
    assert len({number for number, _, _ in turned}) == whole.count == len(turned)


@pytest.mark.parametrize(("few", "many"), [(1, 5), (5, 15), (15, 64), (64, 65), (10, 300)])
def test_the_first_hits_are_the_same_however_many_are_asked_for(
    tmp_path: Path, tiny: BlipRetriever, few: int, many: int
) -> None:
    with searching(tmp_path, tiny) as (searcher, collection):
        write_images(collection, vectors_of(300, 1, tiny.dim))
        short = searcher.search(_query(2, tiny.dim), limit=few)
        long = searcher.search(_query(2, tiny.dim), limit=many)
    assert _numbers(long)[:few] == _numbers(short)
    assert len(long.hits) == many


def test_an_image_that_was_removed_keeps_its_place_and_says_so(
    tmp_path: Path, tiny: BlipRetriever
) -> None:
    with searching(tmp_path, tiny) as (searcher, collection):
        write_images(collection, vectors_of(6, 1, tiny.dim))
        whole = searcher.search(_query(2, tiny.dim), limit=6)
        first = searcher.search(_query(2, tiny.dim), limit=3)
        assert first.next_cursor is not None
        collection.remove([whole.hits[4].id])
        second = searcher.more(first.next_cursor, limit=3)
        again = searcher.search(_query(2, tiny.dim), limit=6)
    assert [hit.removed for hit in second.hits] == [False, True, False]
    assert (second.hits[1].path, second.hits[1].width) == ("", None)
    assert second.hits[0] == whole.hits[3]
    assert whole.hits[4].id not in [hit.id for hit in again.hits]


def test_the_last_page_has_no_cursor(tmp_path: Path, tiny: BlipRetriever) -> None:
    with searching(tmp_path, tiny) as (searcher, collection):
        write_images(collection, vectors_of(6, 1, tiny.dim))
        assert searcher.search(_query(2, tiny.dim), limit=6).next_cursor is None
        first = searcher.search(_query(2, tiny.dim), limit=4)
        assert first.next_cursor is not None
        last = searcher.more(first.next_cursor, limit=4)
    assert len(last.hits) == 2
    assert last.next_cursor is None


def test_another_process_turns_the_page(tmp_path: Path, tiny: BlipRetriever) -> None:
    from blipsearch.library import Library

    with searching(tmp_path, tiny) as (searcher, collection):
        write_images(collection, vectors_of(20, 1, tiny.dim))
        whole = searcher.search(_query(2, tiny.dim), limit=20)
        first = searcher.search(_query(2, tiny.dim), limit=7)
    assert first.next_cursor is not None
    with Library.open(tmp_path) as library, library.collection("photos") as collection:
        second = Searcher(collection, tiny, max_pixels=1000).more(first.next_cursor, limit=13)
    assert _numbers(first) + _numbers(second) == _numbers(whole)


def test_cursors_that_lead_nowhere_are_told_apart(tmp_path: Path, tiny: BlipRetriever) -> None:
    with searching(tmp_path, tiny) as (searcher, collection):
        write_images(collection, vectors_of(6, 1, tiny.dim))
        cursor = searcher.search(_query(2, tiny.dim), limit=4).next_cursor
        assert cursor is not None
        with pytest.raises(InvalidCursorError):
            searcher.more(cursor[1:])
        with pytest.raises(QueryError, match="limit must be at least 1, not 0"):
            searcher.more(cursor, limit=0)
        for file in (tmp_path / "collections" / "1" / RANKINGS).glob("*.npz"):
            file.unlink()
        with pytest.raises(CursorExpiredError):
            searcher.more(cursor)
