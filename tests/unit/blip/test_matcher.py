"""Logits by absorbed cross-attention are those of transformers' own forward."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blipsearch.blip import BlipRetriever
from blipsearch.blip.matcher import Matcher, Seen, absorbing_is_cheaper
from blipsearch.blip.products import int8_is_exact
from blipsearch.errors import DeviceError, ShapeError
from blipsearch.records import StatesKind
from blipsearch.testing import make_base_network, sample_images, write_tiny_checkpoint

LENGTHS = (3, 4, 7, 12, 23, 24, 25, 35, 60)
ENC, SEP = 255, 102


@pytest.fixture(scope="module", params=[1, 2, 12], ids=["one head", "two heads", "twelve heads"])
def retriever(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> BlipRetriever:
    """Heads of 24, 12 and 2: texts on both sides of where absorbing stops being cheaper."""
    folder = tmp_path_factory.mktemp("matcher")
    path = write_tiny_checkpoint(folder, "itm", seed=11, text_heads=request.param)
    return BlipRetriever.from_pretrained(path)


@pytest.fixture(scope="module")
def base() -> Iterator[Any]:
    """A network of the released base size, every parameter random."""
    network = make_base_network(seed=5)
    yield network
    del network


def _ids(length: int, seed: int, first: int = ENC) -> torch.Tensor:
    words = torch.randint(104, 200, (length - 2,), generator=torch.Generator().manual_seed(seed))
    return torch.tensor([[first, *words.tolist(), SEP]])


def _states(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def _theirs(
    network: Any, ids: torch.Tensor, states: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Run their own forward behind the vision tower."""
    mask = torch.ones_like(ids) if mask is None else mask
    rows = len(states) // len(ids)
    output = network.text_encoder(
        input_ids=ids.repeat_interleave(rows, 0),
        attention_mask=mask.repeat_interleave(rows, 0),
        encoder_hidden_states=states,
    )
    logits: torch.Tensor = network.itm_head(output.last_hidden_state[:, 0])
    return logits


@pytest.mark.parametrize("length", LENGTHS)
@torch.inference_mode()
def test_logits_equal_transformers_for_texts_of_any_length(
    retriever: BlipRetriever, length: int
) -> None:
    matcher, states = Matcher(retriever._network), _states(5, 10, 24)
    ids = _ids(length, seed=length)
    found = matcher.match(matcher.read(ids), Seen(states))
    torch.testing.assert_close(found, _theirs(retriever._network, ids, states), rtol=0, atol=1e-4)


@torch.inference_mode()
def test_padded_texts_in_one_batch_equal_each_by_itself(retriever: BlipRetriever) -> None:
    matcher = Matcher(retriever._network)
    rows = [_ids(length, seed=length)[0] for length in (3, 9, 20, 30)]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = (torch.arange(ids.shape[1]) < torch.tensor([[len(row)] for row in rows])).long()
    reading = matcher.read(ids, mask)
    owners = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    states = _states(8, 10, 24)
    together = matcher.match(reading.of(owners), Seen(states))
    torch.testing.assert_close(
        together, _theirs(retriever._network, ids, states, mask), rtol=0, atol=1e-4
    )
    for number, row in enumerate(rows):
        alone = matcher.match(matcher.read(row[None]), Seen(states[2 * number : 2 * number + 2]))
        torch.testing.assert_close(together[2 * number : 2 * number + 2], alone, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_logits_equal_transformers_at_the_released_size(base: Any) -> None:
    matcher, states = Matcher(base), _states(2, 577, 768)
    for length in (3, 10, 35, 60):
        ids = _ids(length, seed=length, first=30523)
        wanted = _theirs(base, ids, states)
        exact = matcher.match(matcher.read(ids), Seen(states))
        halved = matcher.match(matcher.read(ids), Seen(states.half().float()))
        torch.testing.assert_close(exact, wanted, rtol=0, atol=1e-4)
        torch.testing.assert_close(halved, wanted, rtol=0, atol=2e-3)
        assert (wanted[0] - wanted[1]).abs().max() > 1e-2  # or the images would not matter


@torch.inference_mode()
def test_padding_changes_nothing_at_the_released_size(base: Any) -> None:
    matcher, states = Matcher(base), _states(2, 577, 768)
    short, long = _ids(6, seed=1, first=30523), _ids(14, seed=2, first=30523)
    ids = torch.cat([torch.nn.functional.pad(short, (0, 8)), long])
    mask = (ids != 0).long()
    found = matcher.match(matcher.read(ids, mask), Seen(states))
    torch.testing.assert_close(found, _theirs(base, ids, states, mask), rtol=0, atol=1e-4)


@torch.inference_mode()
def test_a_merged_token_weighs_as_many_times_as_it_has_parts(retriever: BlipRetriever) -> None:
    matcher, reading = Matcher(retriever._network), None
    few = _states(3, 4, 24)
    repeated = few.repeat_interleave(torch.tensor([1, 3, 2, 4]), dim=1)
    sizes = torch.tensor([1.0, 3.0, 2.0, 4.0, 0.0]).log().expand(3, -1)
    merged = torch.cat([few, _states(3, 1, 24, seed=9)], dim=1)  # the last stands for nothing
    for length in (5, 30):
        reading = matcher.read(_ids(length, seed=3))
        torch.testing.assert_close(
            matcher.match(reading, Seen(merged, log_sizes=sizes)),
            matcher.match(reading, Seen(repeated)),
            rtol=0,
            atol=1e-5,
        )


def test_absorbing_stops_where_a_text_is_about_as_long_as_a_head_is_wide() -> None:
    cheaper = [n for n in range(1, 200) if absorbing_is_cheaper(n, 577, head=64, width=768)]
    assert cheaper == list(range(1, len(cheaper) + 1))
    assert 58 <= len(cheaper) <= 64


def test_several_queries_at_once_give_the_logits_of_each_alone(retriever: BlipRetriever) -> None:
    states = retriever.encode_images(sample_images(9)).states
    texts = ["a dog", "two red boats on the beach near a large tree", "no cat", "a", "two dogs"]
    own = [states[:3], states[3:], states[:0], states[2:7], states]
    together = retriever.match_many(texts, own)
    assert [len(logits) for logits in together] == [3, 6, 0, 5, 9]
    for text, its, logits in zip(texts, own, together, strict=True):
        np.testing.assert_allclose(logits, retriever.match(text, its), rtol=0, atol=1e-5)
    with pytest.raises(ShapeError, match="2 texts, 1 states"):
        retriever.match_many(["a dog", "a cat"], [states])


def test_a_query_read_once_serves_many_batches(retriever: BlipRetriever) -> None:
    states = retriever.encode_images(sample_images(5)).states
    query = retriever.encode_query("a dog on the beach")
    parts = [retriever.match(query, states[start : start + 2]) for start in (0, 2, 4)]
    np.testing.assert_allclose(
        np.concatenate(parts), retriever.match(query.text, states), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("kind", ["none", "float16", "int8", "merged"])
@pytest.mark.parametrize(("heads", "loop_flop"), [(2, 0), (2, 10**9), (12, 0)])
def test_int8_is_close_to_exact_and_no_row_depends_on_the_others(
    tmp_path: Path,
    heads: int,
    loop_flop: int,
    kind: StatesKind,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("blipsearch.blip.matcher.LOOP_FLOP", loop_flop)
    if not int8_is_exact():
        pytest.skip("this CPU cannot multiply int8 exactly")
    path = write_tiny_checkpoint(tmp_path, "itm", seed=4, text_heads=heads)
    exact = BlipRetriever.from_pretrained(path)
    rounded = BlipRetriever.from_pretrained(path, match_dtype="int8")
    states = exact.pack_states(exact.encode_images(sample_images(6)).states, kind)
    wanted, found = (one.match("a dog on the table", states) for one in (exact, rounded))
    assert 0 < np.abs(found - wanted).max() < 0.3 * np.ptp(wanted)
    rows = [states.rows(slice(i, i + 1)) for i in range(6)]
    alone = [rounded.match("a dog on the table", row)[0] for row in rows]
    np.testing.assert_allclose(np.stack(alone), found, rtol=0, atol=1e-4)


def test_the_match_refuses_a_dtype_it_does_not_know(tiny: Path) -> None:
    with pytest.raises(DeviceError, match="use auto or int8"):
        BlipRetriever.from_pretrained(tiny / "itm", match_dtype="int4")


def test_the_attention_of_a_large_image_in_a_loop_equals_that_of_all_at_once(
    retriever: BlipRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = retriever.encode_images(sample_images(4)).states
    at_once = retriever.match("a dog", states)
    monkeypatch.setattr("blipsearch.blip.matcher.LOOP_FLOP", 0)
    np.testing.assert_allclose(retriever.match("a dog", states), at_once, rtol=0, atol=1e-5)
    merged = retriever.pack_states(states, "merged")
    looped = retriever.match("a dog", merged)
    monkeypatch.setattr("blipsearch.blip.matcher.LOOP_FLOP", math.inf)
    np.testing.assert_allclose(retriever.match("a dog", merged), looped, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_a_network_of_one_layer_is_first_and_last_at_once(tmp_path: Path) -> None:
    for heads, length in ((1, 5), (12, 5)):
        path = write_tiny_checkpoint(tmp_path / str(heads), "itm", seed=2, text_heads=heads)
        network = BlipRetriever.from_pretrained(path)._network
        network.text_encoder.encoder.layer = network.text_encoder.encoder.layer[:1]
        matcher, states, ids = Matcher(network), _states(4, 10, 24), _ids(length, seed=6)
        found = matcher.match(matcher.read(ids), Seen(states))
        torch.testing.assert_close(found, _theirs(network, ids, states), rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_gives_nearly_the_logits_of_float32(tmp_path: Path, dtype: str) -> None:
    for heads in (1, 12):
        path = write_tiny_checkpoint(tmp_path / str(heads), "itm", seed=2, text_heads=heads)
        exact = BlipRetriever.from_pretrained(path)
        half = BlipRetriever.from_pretrained(path, dtype=dtype)
        states = exact.encode_images(sample_images(5)).states
        wanted = exact.match_many(["a dog", "two red boats"], [states, states[:2]])
        found = half.match_many(["a dog", "two red boats"], [states, states[:2]])
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=0.15)
