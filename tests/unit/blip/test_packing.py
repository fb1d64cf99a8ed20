"""States become small for the disk and lose little by it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from blipsearch.blip import BlipRetriever
from blipsearch.blip.packing import merge_tokens, merged_tokens, pack_states, unpack_states
from blipsearch.errors import ShapeError
from blipsearch.records import ImageStates, StatesKind
from blipsearch.testing import sample_images

CPU = torch.device("cpu")


def _bytes(states: ImageStates) -> int:
    parts = (states.values, states.scales, states.sizes)
    return sum(part.nbytes for part in parts if part is not None)


def _states(n: int, tokens: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, tokens, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("kind", "most"), [("none", 0.0), ("float16", 2e-3), ("int8", 0.02)], ids=str
)
def test_what_is_unpacked_is_what_was_packed_but_for_rounding(
    kind: StatesKind, most: float
) -> None:
    states = _states(3, 20, 16)
    seen = unpack_states(pack_states(states, kind), CPU, torch.float32)
    assert (seen.scales, seen.log_sizes) == (None, None)
    assert (seen.values - states).abs().max() <= most


def test_int8_takes_about_half_of_float16_and_merged_at_most_a_quarter() -> None:
    states = _states(2, 577, 768)
    halves = _bytes(pack_states(states, "float16"))
    assert _bytes(pack_states(states, "int8")) < 0.51 * halves
    assert 0.24 * halves < _bytes(pack_states(states, "merged")) <= 0.25 * halves


def test_merging_keeps_the_first_token_and_counts_every_other_once() -> None:
    states = _states(4, 30, 8)
    merged, sizes = merge_tokens(states, 12)
    assert merged.shape == (4, 12, 8)
    torch.testing.assert_close(merged[:, 0], states[:, 0])
    assert sizes[:, 0].tolist() == [1.0] * 4
    assert sizes.sum(1).tolist() == [30.0] * 4
    mean = (merged * sizes[:, :, None]).sum(1) / 30
    torch.testing.assert_close(mean, states.mean(1), rtol=0, atol=1e-5)


def test_tokens_that_say_the_same_are_the_ones_that_merge() -> None:
    distinct = 4 * torch.eye(6)[None]
    states = distinct.repeat_interleave(torch.tensor([1, 4, 4, 4, 4, 4]), dim=1)
    merged, sizes = merge_tokens(states, 6)
    found = {tuple(row) for row in merged[sizes > 0].tolist()}
    assert found == {tuple(row) for row in distinct[0].tolist()}


def test_the_same_states_always_pack_to_the_same_bytes_whatever_their_neighbours() -> None:
    states = _states(5, 40, 12)
    together = pack_states(states, "merged")
    for number in range(5):
        alone = pack_states(states[number : number + 1], "merged")
        np.testing.assert_array_equal(alone.values[0], together.values[number])
        assert alone.sizes is not None
        assert together.sizes is not None
        np.testing.assert_array_equal(alone.sizes[0], together.sizes[number])


@pytest.mark.parametrize(("tokens", "width"), [(2, 1), (10, 24), (65, 128), (577, 768)])
def test_merging_leaves_two_tokens_at_least(tokens: int, width: int) -> None:
    assert 2 <= merged_tokens(tokens, width) <= max(2, tokens // 2)


def test_packed_states_match_nearly_like_whole_ones(golden_retriever: BlipRetriever) -> None:
    states = golden_retriever.encode_images(sample_images(6)).states
    wanted = golden_retriever.match("a dog", states)
    for kind, most in (("none", 0.0), ("float16", 5e-3), ("int8", 0.1)):
        packed = golden_retriever.pack_states(states, kind)  # type: ignore[arg-type]
        found = golden_retriever.match("a dog", packed)
        assert np.abs(found - wanted).max() <= most


def test_states_that_are_not_this_checkpoints_are_refused(golden_retriever: BlipRetriever) -> None:
    states = golden_retriever.encode_images(sample_images(2)).states
    packed = golden_retriever.pack_states(states, "int8")
    with pytest.raises(ShapeError, match="need their scales"):
        golden_retriever.match("a dog", ImageStates(packed.values))
    with pytest.raises(ShapeError, match="another vision tower"):
        golden_retriever.match("a dog", ImageStates(states[:, 1:]))
    with pytest.raises(ShapeError, match="merged states are"):
        golden_retriever.match(
            "a dog", ImageStates(states[:, :3, :5], sizes=np.ones((2, 3), dtype=np.uint16))
        )
    with pytest.raises(ShapeError, match="another vision tower"):
        golden_retriever.pack_states(states[:, 1:], "float16")
