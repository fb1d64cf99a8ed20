"""Embedding: batches in order from several retrievers, and smaller where memory is short."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from blipsearch.blip import BlipRetriever
from blipsearch.blip.device import cores_shared, side_by_side
from blipsearch.blip.pixels import Squares
from blipsearch.errors import DeviceMemoryError
from blipsearch.places import Place
from blipsearch.records import Embeddings, Exif, ImageFile, ImageStates, StatesKind
from indexer.batchsize import BatchSize
from indexer.decode import Outcome, Prepared, Vanished
from indexer.decoders.looking import Picture
from indexer.embedding import Embedded, Embedders, batch_size_for, side_by_side_for
from indexer.outbox import Outbox
from indexer.plan import Candidate


class SmallRetriever(BlipRetriever):
    """A real retriever of a device with room for few images at a time."""

    room = 3
    failing = False

    def encode_squares(
        self, squares: Squares, kind: StatesKind
    ) -> tuple[Embeddings, ImageStates | None]:
        if self.failing:
            raise RuntimeError("the device fell off the bus")
        if len(squares) > self.room:
            raise DeviceMemoryError(f"there is room for {self.room} images, not {len(squares)}")
        return super().encode_squares(squares, kind)


class Accelerated(BlipRetriever):
    """A real retriever that says to run on a GPU."""

    @property
    def device(self) -> str:
        return "cuda:0"


@pytest.fixture
def retriever(golden: Path) -> SmallRetriever:
    return SmallRetriever.from_pretrained(str(golden / "itm"))


def prepared(number: int, size: int) -> Prepared:
    square = np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)
    file = ImageFile(1, f"{number}.png", 1, 1)
    picture = Picture(f"{number:064}", 0, 9, 9, "PNG", Exif(), square)
    return Prepared(Candidate(file, Place("folder", "/", file.path), None), picture)


@pytest.fixture
def pictures(retriever: BlipRetriever) -> list[Prepared]:
    return [prepared(number, retriever.image_size) for number in range(30)]


def one_by_one(outcomes: Sequence[Outcome]) -> Callable[[], Outcome | None]:
    left: Iterator[Outcome] = iter(outcomes)
    return lambda: next(left, None)


def embedded(
    retrievers: Sequence[BlipRetriever],
    sizes: Sequence[BatchSize],
    outcomes: Sequence[Outcome],
    stop: threading.Event | None = None,
) -> list[Embedded]:
    outbox: Outbox[Embedded] = Outbox(1, len(retrievers))
    embedders = Embedders(
        retrievers, sizes, "float16", one_by_one(outcomes), outbox, stop or threading.Event()
    )
    embedders.start()
    found = []
    try:
        while not outbox.is_done:
            batch = outbox.get(0.1)
            found += [] if batch is None else [batch]
    finally:
        outbox.close()
        embedders.abandon()
    return found


def features_of(batches: Sequence[Embedded]) -> Embeddings:
    return np.concatenate([one.features for one in batches if one.features is not None])


def of_size(size: int) -> BatchSize:
    return BatchSize(size, size, trial=False)


@pytest.fixture
def four_cores() -> Iterator[None]:
    """What torch takes the machine for, which has as many as it has."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("four_cores")
def test_on_a_cpu_each_core_embeds_by_itself_where_there_is_memory_for_it(
    retriever: BlipRetriever,
) -> None:
    assert side_by_side_for(retriever, 1000, 1 << 28) == 4
    assert side_by_side_for(retriever, 1000, 1 << 27) == 2
    assert side_by_side_for(retriever, 1000, 1000) == 1


@pytest.mark.usefixtures("four_cores")
def test_a_few_images_are_embedded_by_all_cores_together(retriever: BlipRetriever) -> None:
    assert side_by_side_for(retriever, 31, 1 << 28) == 1


@pytest.mark.usefixtures("four_cores")
def test_a_gpu_has_one_thread(golden: Path) -> None:
    gpu = Accelerated.from_pretrained(str(golden / "itm"))
    assert side_by_side_for(gpu, 1000, 1 << 28) == 1


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 2), (4, 4), (6, 3), (8, 4), (9, 3)])
def test_all_cores_are_shared_out_in_equal_parts(cores: int, threads: int) -> None:
    torch.set_num_threads(cores)
    assert side_by_side("cpu") == threads


@pytest.mark.usefixtures("four_cores")
def test_threads_side_by_side_have_their_part_of_the_cores_until_they_are_done() -> None:
    seen = []

    def look() -> None:
        seen.append(torch.get_num_threads())

    with cores_shared(2):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [2]
    assert torch.get_num_threads() == 4


def test_a_batch_beyond_the_devices_memory_is_halved_until_it_fits(
    retriever: SmallRetriever, pictures: list[Prepared]
) -> None:
    size = of_size(16)

    found = embedded([retriever], [size], pictures)

    assert [len(one.batch) for one in found] == [16, 2, 2, 2, 2, 2, 2, 2]
    assert size.size == 2
    squares = np.stack([one.picture.square for one in pictures])
    retriever.room = 100
    expected, states = retriever.encode_squares(squares, "float16")
    np.testing.assert_allclose(features_of(found), expected, atol=1e-5)
    assert states is not None
    kept = np.concatenate([one.states.values for one in found if one.states is not None])
    np.testing.assert_allclose(kept, states.values, atol=2e-3)


def test_a_single_image_that_does_not_fit_ends_the_run(
    retriever: SmallRetriever, pictures: list[Prepared]
) -> None:
    retriever.room = 0

    with pytest.raises(DeviceMemoryError, match="room for 0 images, not 1"):
        embedded([retriever], [of_size(4)], pictures)


def test_an_error_at_the_very_end_is_told_however_late_one_asks() -> None:
    outbox: Outbox[str] = Outbox(1, 1)
    outbox.put(0, "the last batch", 1)
    outbox.end(DeviceMemoryError("there is no room at all"))

    assert outbox.get(0.0) == "the last batch"
    assert not outbox.is_done
    with pytest.raises(DeviceMemoryError, match="no room at all"):
        outbox.get(0.0)


def test_two_retrievers_share_the_batches_and_keep_their_order(
    golden: Path, pictures: list[Prepared]
) -> None:
    two = [BlipRetriever.from_pretrained(str(golden / "itm")) for _ in range(2)]

    found = embedded(two, [of_size(2), of_size(3)], pictures)

    paths = [one.candidate.file.path for batch in found for one in batch.batch.prepared]
    assert paths == [one.candidate.file.path for one in pictures]
    squares = np.stack([one.picture.square for one in pictures])
    np.testing.assert_allclose(
        features_of(found), two[0].encode_squares(squares, "none")[0], atol=1e-5
    )


def test_an_error_of_one_retriever_ends_the_run_for_all(
    golden: Path, retriever: SmallRetriever, pictures: list[Prepared]
) -> None:
    other = BlipRetriever.from_pretrained(str(golden / "itm"))
    retriever.failing = True
    before = set(threading.enumerate())

    with pytest.raises(RuntimeError, match="fell off the bus"):
        embedded([other, retriever], [of_size(1), of_size(1)], pictures)
    assert set(threading.enumerate()) <= before


def test_what_has_no_picture_passes_through(
    retriever: SmallRetriever, pictures: list[Prepared]
) -> None:
    gone = [Vanished(one.candidate) for one in pictures]

    (found,) = embedded([retriever], [of_size(4)], gone)

    assert (found.features, found.states, len(found.batch.vanished)) == (None, None, 30)


def test_after_a_stop_no_batch_is_begun(
    retriever: SmallRetriever, pictures: list[Prepared]
) -> None:
    stop = threading.Event()
    stop.set()

    assert embedded([retriever], [of_size(4)], pictures, stop) == []


def test_on_a_gpu_the_size_is_tried_out(golden: Path) -> None:
    retriever = Accelerated.from_pretrained(str(golden / "itm"))
    size = batch_size_for(retriever, None, 1 << 28, "float16")
    many = [prepared(number, retriever.image_size) for number in range(8 * 4 + 16)]

    found = embedded([retriever], [size], many)

    assert [len(one.batch) for one in found[:4]] == [8, 8, 8, 8]
    assert len(found[4].batch) == 16


def test_prepared_squares_are_embedded_as_their_pictures_are(
    golden: Path, pictures: list[Prepared]
) -> None:
    retriever = BlipRetriever.from_pretrained(str(golden / "itm"))
    squares = np.stack([one.picture.square for one in pictures[:5]])
    encoded = retriever.encode_prepared(retriever.normalise(squares))

    features, states = retriever.encode_squares(squares, "float16")

    np.testing.assert_allclose(features, encoded.features, atol=1e-6)
    assert states is not None
    packed = retriever.pack_states(encoded.states, "float16")
    np.testing.assert_allclose(states.values, packed.values, atol=2e-3)
    assert retriever.encode_squares(squares, "none")[1] is None
