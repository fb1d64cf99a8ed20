"""Reranking reads the states that indexing left, computes what is missing, keeps to its time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blipsearch.blip import BlipRetriever
from blipsearch.collection import STATES
from blipsearch.errors import CheckpointMismatchError, QueryError
from blipsearch.library import Library
from blipsearch.records import StatesKind
from blipsearch.schemas import SearchResponse
from blipsearch.search import Searcher
from blipsearch.testing import write_tiny_checkpoint
from indexer.indexing import index_collection
from tests.support import Command, draw_picture

QUERY = "a dog on the table"
KINDS: tuple[StatesKind, ...] = ("float16", "int8", "merged", "none")
COLOURS = ("red", "green", "blue", "yellow", "black", "white", "orange", "purple", "pink", "gray")


@pytest.fixture(scope="module")
def retriever(golden: Path) -> BlipRetriever:
    return BlipRetriever.from_pretrained(golden / "itm")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for colour in COLOURS:
        draw_picture(folder / f"{colour}.png", colour)
    return folder


@contextmanager
def _searcher(
    directory: Path, retriever: BlipRetriever, photos: Path, kind: StatesKind = "float16"
) -> Iterator[Searcher]:
    """Index the folder into a library, new or old, and search it."""
    with Library.open(directory, create=True) as library:
        known = [info.name for info in library.collections()]
        opened = (
            library.collection("photos")
            if known
            else library.create_collection("photos", retriever.identity)
        )
        with opened as collection:
            collection.set_states(kind)
            index_collection(collection, retriever, [photos])
            yield Searcher(collection, retriever, max_pixels=1_000_000)


def _states(directory: Path) -> Path:
    (folder,) = (directory / "collections").iterdir()
    return folder / STATES


def _scores(response: SearchResponse) -> dict[str, float]:
    return {hit.path: hit.score for hit in response.hits}


@pytest.mark.parametrize("kind", ["float16", "int8", "merged"])
def test_what_indexing_left_behind_is_matched_without_a_look_at_the_pictures(
    tmp_path: Path, retriever: BlipRetriever, photos: Path, kind: StatesKind
) -> None:
    with _searcher(tmp_path / "library", retriever, photos, kind) as searcher:
        shutil.rmtree(photos)
        found = searcher.search(QUERY)
    assert found.reranked == found.candidates == len(COLOURS)
    assert set(found.timings) == {"embed", "retrieve", "match", "states", "page"}


def test_a_checkpoint_without_an_itm_head_leaves_no_states_that_nobody_could_read(
    tmp_path: Path, photos: Path
) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "checkpoint", "features")
    directory = tmp_path / "library"
    with _searcher(directory, BlipRetriever.from_pretrained(checkpoint), photos) as searcher:
        assert len(searcher.search(QUERY, rerank=False).hits) == len(COLOURS)
        with pytest.raises(CheckpointMismatchError, match="no ITM head"):
            searcher.search(QUERY)
    assert not _states(directory).exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_does_not_depend_on_whether_its_state_was_stored(
    tmp_path: Path, retriever: BlipRetriever, photos: Path, kind: StatesKind
) -> None:
    directory = tmp_path / "library"
    with _searcher(directory, retriever, photos, kind) as searcher:
        before = searcher.search(QUERY)
    if kind != "none":
        shutil.rmtree(_states(directory))
    with _searcher(directory, retriever, photos, kind) as searcher:
        computed, again = searcher.search(QUERY), searcher.search(QUERY)
    assert "encode" in computed.timings
    assert ("encode" in again.timings) == (kind == "none")
    for other in (computed, again):
        assert [hit.id for hit in other.hits] == [hit.id for hit in before.hits]
        assert _scores(other) == pytest.approx(_scores(before), abs=1e-5)


def test_a_picture_that_changed_is_matched_as_it_is_now(
    tmp_path: Path, retriever: BlipRetriever, photos: Path
) -> None:
    with _searcher(tmp_path / "library", retriever, photos) as searcher:
        before = searcher.search(QUERY)
    draw_picture(photos / "red.png", "cyan", size=(200, 90))
    with _searcher(tmp_path / "library", retriever, photos) as searcher:
        after = searcher.search(QUERY)
    with _searcher(tmp_path / "fresh", retriever, photos) as searcher:
        fresh = searcher.search(QUERY)
    assert _scores(after) == pytest.approx(_scores(fresh), abs=1e-5)
    assert _scores(after)["red.png"] != pytest.approx(_scores(before)["red.png"], abs=1e-4)


def test_a_touched_file_keeps_its_state(
    tmp_path: Path, retriever: BlipRetriever, photos: Path
) -> None:
    with _searcher(tmp_path / "library", retriever, photos):
        pass
    (photos / "red.png").touch()
    with _searcher(tmp_path / "library", retriever, photos) as searcher:
        assert "encode" not in searcher.search(QUERY).timings


def test_torn_states_are_computed_again_in_silence(
    tmp_path: Path,
    retriever: BlipRetriever,
    photos: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    directory = tmp_path / "library"
    with _searcher(directory, retriever, photos) as searcher:
        before = searcher.search(QUERY)
    for segment in _states(directory).glob("*.bin"):
        content = bytearray(segment.read_bytes())
        start = 2 * 4096 + 100  # in the first record, behind header and table
        content[start:] = bytes(len(content) - start)
        segment.write_bytes(content)
    with _searcher(directory, retriever, photos) as searcher:
        after = searcher.search(QUERY)
        assert "encode" in after.timings
        assert "encode" not in searcher.search(QUERY).timings
    assert _scores(after) == pytest.approx(_scores(before), abs=1e-5)
    assert not caplog.records


def test_the_budget_in_bytes_is_kept_while_indexing_and_searching(
    tmp_path: Path, retriever: BlipRetriever, photos: Path
) -> None:
    directory = tmp_path / "library"
    budget = 12_000
    with _searcher(directory, retriever, photos, "none") as searcher:
        searcher._collection.set_states("float16", budget)
        found = searcher.search(QUERY)
        usage = searcher._collection.states.usage()
        assert found.reranked == len(COLOURS)
    assert 0 < usage.images < len(COLOURS)
    assert sum(file.stat().st_size for file in _states(directory).glob("*.bin")) <= budget


def test_a_time_budget_reranks_the_nearest_first_and_says_how_many(
    tmp_path: Path, retriever: BlipRetriever, photos: Path
) -> None:
    with _searcher(tmp_path / "library", retriever, photos) as searcher:
        nearest = searcher.search(QUERY, rerank=False)
        hurried = searcher.search(QUERY, rerank_budget=1e-9)
        patient = searcher.search(QUERY, rerank_budget=60)
        whole = searcher.search(QUERY)
    assert 0 < hurried.reranked < hurried.candidates == len(COLOURS)
    assert hurried.unverified == 0
    judged, rest = hurried.hits[: hurried.reranked], hurried.hits[hurried.reranked :]
    assert {hit.id for hit in judged} == {hit.id for hit in nearest.hits[: hurried.reranked]}
    assert [hit.id for hit in rest] == [hit.id for hit in nearest.hits[hurried.reranked :]]
    assert all(hit.match is not None for hit in judged)
    assert all(hit.match is None for hit in rest)
    assert patient.reranked == len(COLOURS)
    assert [hit.id for hit in patient.hits] == [hit.id for hit in whole.hits]
    assert _scores(patient) == pytest.approx(_scores(whole), abs=1e-5)


def test_a_time_budget_also_bounds_the_pictures_that_have_to_be_encoded(
    tmp_path: Path, retriever: BlipRetriever, photos: Path
) -> None:
    with _searcher(tmp_path / "library", retriever, photos, "none") as searcher:
        hurried = searcher.search(QUERY, rerank_budget=1e-9)
    assert hurried.reranked == 1


def test_where_the_time_ends_between_stored_and_missing_states_the_nearest_are_judged(
    tmp_path: Path, retriever: BlipRetriever, photos: Path
) -> None:
    with _searcher(tmp_path / "library", retriever, photos) as searcher:
        nearest = [hit.id for hit in searcher.search(QUERY, rerank=False).hits]
        whole = searcher.search(QUERY)
        # Of the first batch of four the first is stored, two are not, the fourth is.
        searcher._collection.states.discard([nearest[1], nearest[2]])
        hurried = searcher.search(QUERY, rerank_budget=1e-9)
    assert hurried.reranked == 2
    assert {hit.id for hit in hurried.hits[:2]} == set(nearest[:2])
    assert [hit.id for hit in hurried.hits[2:]] == nearest[2:]
    scores = _scores(whole)
    for hit in hurried.hits[:2]:
        assert hit.score == pytest.approx(scores[hit.path], abs=1e-5)


def test_below_min_match_and_unjudged_candidates_are_left_out_alike(
    tmp_path: Path, retriever: BlipRetriever, photos: Path
) -> None:
    with _searcher(tmp_path / "library", retriever, photos) as searcher:
        found = searcher.search(QUERY, min_match=0.0, rerank_budget=1e-9)
    assert found.count == len(found.hits) == found.reranked < found.candidates


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_time_budget_that_is_no_time_is_refused(
    tmp_path: Path, retriever: BlipRetriever, photos: Path, seconds: float
) -> None:
    with (
        _searcher(tmp_path / "library", retriever, photos) as searcher,
        pytest.raises(QueryError, match="rerank_budget"),
    ):
        searcher.search(QUERY, rerank_budget=seconds)


def test_another_process_that_sets_how_states_are_kept_is_followed(
    tmp_path: Path, retriever: BlipRetriever, photos: Path
) -> None:
    directory = tmp_path / "library"
    with _searcher(directory, retriever, photos) as searcher:
        searcher.search(QUERY)
        with Library.open(directory) as library, library.collection("photos") as other:
            other.set_states("int8")
        searcher.search(QUERY)
        with Library.open(directory) as library:
            (info,) = library.collections()
            usage = library.states_usage(info)
        assert info.states_kind == "int8"
        assert usage.images == len(COLOURS)
        assert "encode" not in searcher.search(QUERY).timings


def test_the_command_says_what_the_time_sufficed_for(
    blipsearch: Command, library: Path, tmp_path: Path
) -> None:
    own = shutil.copytree(library, tmp_path / "library")
    finished = blipsearch(
        "search", QUERY, "--rerank-budget", "0.000001", "--library", own, "--json"
    )
    assert finished.code == 0
    assert finished.json["reranked"] == 4
    assert "sufficed to rerank 4 of 8 candidates" in finished.err


def test_the_command_matches_in_int8_where_asked(
    blipsearch: Command, library: Path, tmp_path: Path
) -> None:
    own = shutil.copytree(library, tmp_path / "library")
    exact = blipsearch("search", QUERY, "--library", own, "--json").json
    rounded = blipsearch("search", QUERY, "--match-dtype", "int8", "--library", own, "--json").json
    assert {hit["id"] for hit in rounded["hits"]} == {hit["id"] for hit in exact["hits"]}
    assert [hit["match"] for hit in rounded["hits"]] != [hit["match"] for hit in exact["hits"]]


def test_options_of_the_rerank_need_the_rerank(blipsearch: Command, library: Path) -> None:
    finished = blipsearch(
        "search", QUERY, "--no-rerank", "--rerank-budget", 1, "--library", library
    )
    assert finished.code == 2
    assert "--rerank-budget needs the rerank" in finished.err
