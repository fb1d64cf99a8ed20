"""A library open in this process: followed, closed once, safe from threads; see also the contract
that it shares with the clients.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import blipsearch as package
from blipsearch.describe import LoadedNetworks
from blipsearch.errors import (
    CheckpointNotFoundError,
    CollectionCheckpointError,
    CollectionNotFoundError,
    ImageNotFoundError,
    ImageUnreadableError,
    LibraryError,
    LibraryNotFoundError,
    QueryError,
)
from blipsearch.library import Library
from blipsearch.local import OpenLibrary, open_library
from blipsearch.operations import Operations
from blipsearch.schemas import Judgements
from blipsearch.settings import Settings, make_settings
from tests.support import Command, draw_picture


@pytest.fixture
def settings(golden: Path) -> Settings:
    return make_settings(
        device="cpu",
        caption_checkpoint=str(golden / "caption"),
        answer_checkpoint=str(golden / "vqa"),
    )


@pytest.fixture
def opened(own_library: Path, settings: Settings) -> Iterator[OpenLibrary]:
    with open_library(own_library, settings=settings) as opened:
        yield opened


def test_the_package_opens_libraries_and_is_light_until_it_does() -> None:
    assert package.open_library is open_library
    assert {"open_library", "Client", "AsyncClient"} <= set(dir(package))
    script = "import sys, blipsearch; print({'torch', 'numpy', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.split() == [b"set()"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


def test_a_library_that_is_not_there_is_not_made(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(LibraryNotFoundError, match="blipsearch index"):
        open_library(tmp_path / "new", settings=settings)
    assert not (tmp_path / "new").exists()


def test_without_settings_the_environment_says_them(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLIPSEARCH_DEVICE", "cpu")
    monkeypatch.setenv("BLIPSEARCH_MAX_MEGAPIXELS", "0.001")
    with open_library(library) as opened:
        assert len(opened.search("a disc", rerank=False)) == 8
        with pytest.raises(QueryError, match="image_id"):
            opened.caption(0)


def test_what_another_process_writes_is_found_by_the_next_search(
    opened: OpenLibrary, own_library: Path, tmp_path: Path, blipsearch: Command
) -> None:
    assert len(opened.search("a disc", rerank=False)) == 8
    (tmp_path / "more").mkdir()
    draw_picture(tmp_path / "more" / "teal.png", "teal")
    command = ("index", tmp_path / "more", "--library", own_library, "--device", "cpu")
    assert blipsearch(*command, "--checkpoint", _checkpoint(opened)).code == 0

    found = opened.search("a disc", rerank=False)

    assert len(found) == 9
    (new,) = [hit for hit in found if hit.path == "teal.png"]
    assert opened.path_of(new.id) == str(tmp_path / "more" / "teal.png")
    assert new.file() == (tmp_path / "more" / "teal.png").read_bytes()


def test_a_collection_that_was_removed_is_gone_and_one_made_anew_is_found(
    opened: OpenLibrary, own_library: Path
) -> None:
    opened.search("a disc", rerank=False)
    with Library.open(own_library) as other:
        with other.collection("default") as collection:
            identity = collection.checkpoint
        other.remove_collection("default")
        with pytest.raises(CollectionNotFoundError):
            opened.search("a disc")
        with pytest.raises(CollectionNotFoundError):
            opened.image(1)
        other.create_collection("default", identity).close()

    assert len(opened.search("a disc")) == 0
    assert opened.collection().images == 0


def test_it_closes_once_and_says_what_to_do_afterwards(library: Path, settings: Settings) -> None:
    opened = open_library(library, settings=settings)
    assert opened.search("a disc", limit=1).hits
    opened.close()
    opened.close()

    for ask in (opened.collections, lambda: opened.search("a disc"), lambda: opened.image(1)):
        with pytest.raises(LibraryError, match="open it again"):
            ask()
    assert str(library) in str(opened)


def test_one_that_was_forgotten_says_so(library: Path, settings: Settings) -> None:
    opened = open_library(library, settings=settings)
    with pytest.warns(ResourceWarning, match="was not closed"):
        opened.__del__()
    opened.close()


def test_a_stream_that_is_left_ends_its_search(opened: OpenLibrary) -> None:
    events = opened.search_stream("a disc", candidates=8)
    first = next(events)

    assert not isinstance(first, Judgements)
    assert not first.final
    events.close()  # it is a generator
    assert not [one for one in threading.enumerate() if one.name.startswith("search")]


def test_a_stream_says_what_is_wrong(opened: OpenLibrary) -> None:
    with pytest.raises(QueryError):
        list(opened.search_stream("a disc", filter="width:"))
    with pytest.raises(ImageNotFoundError):
        list(opened.search_stream(image_id=999))
    *before, last = opened.search_stream("a disc")
    assert before
    assert not isinstance(last, Judgements)
    assert last.final


def test_threads_search_side_by_side_and_find_the_same(library: Path, settings: Settings) -> None:
    queries = ["a disc", "a dog", "two cats", "the sea"] * 4
    with open_library(library, settings=settings) as opened:
        found = list(opened.search_many(queries, limit=3))
        alone = {query: opened.search(query, limit=3) for query in set(queries)}

    for query, results in zip(queries, found, strict=True):
        assert [hit.id for hit in results] == [hit.id for hit in alone[query]]
        assert [hit.match for hit in results] == pytest.approx(
            [hit.match for hit in alone[query]], abs=1e-5
        )


def test_a_checkpoint_is_loaded_once_whoever_asks_for_it_first(
    library: Path, settings: Settings
) -> None:
    networks = LoadedNetworks(settings)
    with Library.open(library) as opened, opened.collection("default") as collection:
        identity = collection.checkpoint
    with ThreadPoolExecutor(8) as threads:
        loaded = list(threads.map(lambda _: networks.retriever(identity), range(8)))

    assert len({id(retriever) for retriever in loaded}) == 1


@pytest.mark.parametrize("wrong", [0, -1, 2**63, 10**30])
def test_an_id_that_no_image_can_have_is_refused(opened: OpenLibrary, wrong: int) -> None:
    for ask in (
        opened.image,
        opened.file,
        opened.thumbnail,
        opened.caption,
        opened.remove_image,
        opened.change_image,
        opened.path_of,
    ):
        with pytest.raises(QueryError, match="image_id must be 1 to"):
            ask(wrong)


def test_numbers_and_words_out_of_their_limits_are_refused(opened: OpenLibrary) -> None:
    for ask in (
        lambda: opened.thumbnail(1, 15),
        lambda: opened.thumbnail(1, 2049),
        lambda: opened.heat_map(1, ""),
        lambda: opened.heat_map(1, "a" * 1001),
        lambda: opened.ask(1, " "),
        lambda: opened.ask(1, "what?", choices=[]),
        lambda: opened.caption(1, "a" * 201),
        lambda: opened.change_image(1, tags=[""]),
        lambda: opened.change_image(1, metadata={"a": {1, 2}}),
        lambda: opened.search_text(""),
        lambda: opened.search_text("a dog + "),
    ):
        with pytest.raises(QueryError):
            ask()


def test_a_path_in_a_search_by_text_is_only_words(opened: OpenLibrary, pictures: Path) -> None:
    found = opened.search_text(str(pictures / "red.jpg"), explain=True)

    assert found.explanation is not None
    assert [term.text for term in found.explanation.judged] == [str(pictures / "red.jpg")]


def test_an_image_whose_file_is_gone_keeps_its_place_and_says_so(
    opened: OpenLibrary, tmp_path: Path
) -> None:
    draw_picture(tmp_path / "teal.png", "teal")
    added = opened.add_image(tmp_path / "teal.png", tags=["new"], metadata={"album": "2026"})
    assert (added.tags, added.metadata) == (("new",), {"album": "2026"})
    Path(opened.path_of(added.id)).unlink()

    for ask in (opened.file, opened.thumbnail, opened.caption):
        with pytest.raises(ImageNotFoundError, match="index its folder again"):
            ask(added.id)
    assert opened.image(added.id) == added


def test_a_removed_picture_has_no_path(opened: OpenLibrary) -> None:
    opened.remove_image(1)

    with pytest.raises(ImageNotFoundError):
        opened.path_of(1)


def test_operations_take_a_file_by_its_path_and_name_it(
    library: Path, settings: Settings, pictures: Path
) -> None:
    with Library.open(library) as opened, opened.collection("default") as collection:
        asked = Operations(collection, LoadedNetworks(settings), max_pixels=settings.max_pixels)
        by_path = asked.caption(pictures / "red.jpg")
        with (pictures / "red.jpg").open("rb") as file:
            assert asked.caption(file) == by_path
        with pytest.raises(ImageUnreadableError, match=r"missing\.jpg: cannot be read"):
            asked.caption(pictures / "missing.jpg")


def test_with_other_weights_than_the_collections_nothing_is_judged(
    own_library: Path, settings: Settings, pictures: Path
) -> None:
    with Library.open(own_library) as library:
        with library.collection("default") as collection:
            other = replace(collection.checkpoint, fingerprint="0" * 64)
        library.create_collection("other", other).close()
    with open_library(own_library, collection="other", settings=settings) as opened:
        for ask in (
            lambda: opened.search("a disc"),
            lambda: opened.caption(pictures / "red.jpg"),
            lambda: opened.add_image(pictures / "red.jpg"),
        ):
            with pytest.raises(CollectionCheckpointError, match="'other' was embedded with"):
                ask()


def test_a_checkpoint_that_is_not_there_is_named_when_it_is_needed(library: Path) -> None:
    settings = make_settings(device="cpu", caption_checkpoint="./nowhere")
    with open_library(library, settings=settings) as opened:
        assert opened.search("a disc").hits
        with pytest.raises(CheckpointNotFoundError, match="nowhere"):
            opened.caption(1)


def _checkpoint(opened: OpenLibrary) -> str:
    return opened.collection().checkpoint


def test_a_checkpoint_is_loaded_only_where_somebody_needs_it(library: Path) -> None:
    """Where nothing matches, a captioning checkpoint that is not there is not missed."""
    nowhere = make_settings(
        device="cpu", caption_checkpoint="/nowhere/caption", answer_checkpoint="/nowhere/vqa"
    )
    with open_library(library, settings=nowhere) as opened:
        assert len(opened.search("a disc", min_match=1.0, include=["caption"], ask="what?")) == 0
        with pytest.raises(CheckpointNotFoundError):
            opened.search("a disc", include=["caption"])
