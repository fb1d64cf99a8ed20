"""A hit is explained on its picture, from the states that indexing left or from the picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.errors import (
    CollectionCheckpointError,
    ImageError,
    ImageTooLargeError,
    ImageUnreadableError,
)
from blipsearch.explain import Explainer
from blipsearch.library import Library
from blipsearch.records import ImageEntry, StateKey, StatesKind
from blipsearch.testing import write_sample_images, write_tiny_checkpoint
from indexer.indexing import index_collection

QUERY = "a dog on the table"
MAX_PIXELS = 1_000_000


@pytest.fixture(scope="module")
def retriever(golden: Path) -> BlipRetriever:
    return BlipRetriever.from_pretrained(golden / "itm")


@contextmanager
def _indexed(
    tmp_path: Path, retriever: BlipRetriever, kind: StatesKind = "none"
) -> Iterator[tuple[Collection, ImageEntry]]:
    """A collection of three pictures, and the entry of one of them."""
    write_sample_images(tmp_path / "photos", 3)
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("photos", retriever.identity) as collection,
    ):
        collection.set_states(kind)
        index_collection(collection, retriever, [tmp_path / "photos"])
        yield collection, next(collection.entries())


@pytest.mark.parametrize("kind", ["float16", "int8", "merged", "none"])
def test_however_states_are_kept_the_sheet_is_nearly_the_same(
    tmp_path: Path, retriever: BlipRetriever, kind: StatesKind
) -> None:
    with _indexed(tmp_path / "a", retriever) as (collection, entry):
        computed = Explainer(collection, retriever, max_pixels=MAX_PIXELS).heat_map(entry, QUERY)
    with _indexed(tmp_path / "b", retriever, kind) as (collection, entry):
        stored = Explainer(collection, retriever, max_pixels=MAX_PIXELS).heat_map(entry, QUERY)
    assert stored.size == computed.size
    difference = np.abs(np.asarray(stored, dtype=np.int64) - np.asarray(computed, dtype=np.int64))
    assert difference.mean() < 2


def test_stored_states_are_used_while_the_file_is_as_it_was_indexed(
    tmp_path: Path, retriever: BlipRetriever
) -> None:
    with _indexed(tmp_path, retriever, "float16") as (collection, entry):
        explainer = Explainer(collection, retriever, max_pixels=MAX_PIXELS)
        computed = explainer.heat_map(entry, QUERY)
        other = StateKey(entry.id, entry.sha256)
        _, states = collection.stored_states([StateKey(entry.id + 1, _next(collection).sha256)])
        assert states is not None
        collection.keep_states([other], states, "float16")
        of_another = explainer.heat_map(entry, QUERY)
        Path(entry.absolute_path).touch()
        assert of_another.tobytes() != computed.tobytes()
        assert explainer.heat_map(entry, QUERY).tobytes() != of_another.tobytes()


def _next(collection: Collection) -> ImageEntry:
    return list(collection.entries())[1]


def test_a_picture_that_is_gone_is_a_clear_error_that_names_it(
    tmp_path: Path, retriever: BlipRetriever
) -> None:
    with _indexed(tmp_path, retriever, "float16") as (collection, entry):
        Path(entry.absolute_path).unlink()
        explainer = Explainer(collection, retriever, max_pixels=MAX_PIXELS)
        with pytest.raises(ImageUnreadableError, match=r"no heat map .*000\.png.*No such file"):
            explainer.heat_map(entry, QUERY)


def test_a_picture_over_the_limit_stays_that_error(
    tmp_path: Path, retriever: BlipRetriever
) -> None:
    with _indexed(tmp_path, retriever) as (collection, entry):
        with pytest.raises(ImageTooLargeError, match="over the limit") as raised:
            Explainer(collection, retriever, max_pixels=100).heat_map(entry, QUERY)
        assert isinstance(raised.value, ImageError)


def test_a_checkpoint_that_did_not_embed_the_collection_is_refused(
    tmp_path: Path, retriever: BlipRetriever
) -> None:
    stranger = BlipRetriever.from_pretrained(write_tiny_checkpoint(tmp_path / "other", "itm"))
    with (
        _indexed(tmp_path, retriever) as (collection, _),
        pytest.raises(CollectionCheckpointError),
    ):
        Explainer(collection, stranger, max_pixels=MAX_PIXELS)
