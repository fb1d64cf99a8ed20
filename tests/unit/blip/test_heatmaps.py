"""A word's heat map is Grad-CAM of what it looks at, checked against transformers' forward."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blipsearch.blip import BlipRetriever
from blipsearch.blip.heatmaps import Trace, heat_map_layer, trace, word_maps
from blipsearch.errors import CheckpointMismatchError, ShapeError
from blipsearch.testing import sample_images, write_tiny_checkpoint

TEXTS = ("dog", "a red dog on the beach", "two dogs sitting, near a blue zebra")
HEADS = 12
GRID = 3


@pytest.fixture(scope="module")
def retriever(tiny: Path) -> BlipRetriever:
    return BlipRetriever.from_pretrained(tiny / "itm")


@pytest.fixture(scope="module")
def states(retriever: BlipRetriever) -> Any:
    return retriever.encode_images(sample_images(3)).states


class Theirs:
    """transformers' text encoder, with the attention weights of one layer taken hold of."""

    def __init__(self, retriever: BlipRetriever, text: str, states: Any, layer: int) -> None:
        self.network: Any = retriever._network
        vocabulary = retriever._vocabulary
        self.ids = torch.tensor([vocabulary.caption_ids(text, vocabulary.enc)])
        self.states = torch.from_numpy(states[None])
        self.layer = layer

    def logit(self, seen: list[torch.Tensor], added: Any = 0.0, hidden: Any = ()) -> torch.Tensor:
        """The match logit, `added` to the attention, without the `hidden` tokens; fills `seen`."""
        with self._holding(seen, added):
            mask = torch.ones_like(self.ids)
            mask[0, list(hidden)] = 0
            output = self.network.text_encoder(
                input_ids=self.ids, attention_mask=mask, encoder_hidden_states=self.states
            )
        logits: torch.Tensor = self.network.itm_head(output.last_hidden_state[:, 0])
        return logits[0, 1]

    @contextmanager
    def _holding(self, seen: list[torch.Tensor], added: Any) -> Iterator[None]:
        # Dropout, which does nothing here, is what the weights pass through on their way.
        layer = self.network.text_encoder.encoder.layer[self.layer]

        def hold(_module: Any, _inputs: Any, weights: torch.Tensor) -> torch.Tensor:
            seen.append((weights + added).detach().requires_grad_())
            return seen[-1]

        handle = layer.crossattention.self.dropout.register_forward_hook(hold)
        try:
            yield
        finally:
            handle.remove()


def _trace(retriever: BlipRetriever, text: str, states: Any, layer: int) -> Trace:
    vocabulary = retriever._vocabulary
    ids, words = vocabulary.caption_ids(text, vocabulary.enc), vocabulary.caption_words(text)
    return trace(retriever._network, ids, words, torch.from_numpy(states), layer)


@pytest.mark.parametrize("text", TEXTS)
def test_its_logits_are_those_of_the_match(
    retriever: BlipRetriever, states: Any, text: str
) -> None:
    found = retriever.heat_maps(text, states)
    np.testing.assert_allclose(found.logits, retriever.match(text, states), rtol=0, atol=1e-4)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("text", TEXTS)
def test_attention_and_gradient_are_those_of_transformers(
    retriever: BlipRetriever, states: Any, text: str, layer: int
) -> None:
    seen: list[torch.Tensor] = []
    logit = Theirs(retriever, text, states[0], layer).logit(seen)
    (gradient,) = torch.autograd.grad(logit, seen[0])
    found = _trace(retriever, text, states[0], layer)
    torch.testing.assert_close(found.attention, seen[0][0].detach(), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.gradient, gradient[0], rtol=1e-3, atol=1e-4)


def test_the_gradient_is_what_the_logit_changes_by(retriever: BlipRetriever, states: Any) -> None:
    theirs, step = Theirs(retriever, TEXTS[1], states[0], 0), 1e-2
    found = _trace(retriever, TEXTS[1], states[0], 0)
    chance = torch.Generator().manual_seed(0)
    for _ in range(5):
        towards = torch.randn(found.attention.shape, generator=chance)
        towards = step * towards / towards.norm()
        with torch.no_grad():
            change = theirs.logit([], towards) - theirs.logit([], -towards)
        expected = float(2 * (found.gradient * towards).sum())
        assert float(change) == pytest.approx(expected, rel=0.05, abs=2e-4)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("text", TEXTS)
def test_a_map_is_the_words_own_row_and_what_it_moves_in_the_others(
    retriever: BlipRetriever, states: Any, text: str, layer: int
) -> None:
    theirs, seen = Theirs(retriever, text, states[0], layer), list[torch.Tensor]()
    (gradient,) = torch.autograd.grad(theirs.logit(seen), seen[0])
    maps = word_maps(_trace(retriever, text, states[0], layer)).numpy()
    for number, (_, places) in enumerate(retriever._vocabulary.caption_words(text)):
        without: list[torch.Tensor] = []
        theirs.logit(without, hidden=places)
        without[0].data[:, :, places] = 0
        heat = ((seen[0] - without[0]) * gradient.clamp(min=0)).sum((0, 1, 2)) / HEADS
        expected = heat[1:].clamp(min=0).detach().numpy()
        np.testing.assert_allclose(maps[number], expected, rtol=1e-3, atol=1e-6)


def test_the_maps_are_those_of_the_one_layer_as_squares(
    retriever: BlipRetriever, states: Any
) -> None:
    found = retriever.heat_maps(TEXTS[1], states)
    expected = word_maps(_trace(retriever, TEXTS[1], states[2], heat_map_layer(2)))
    np.testing.assert_array_equal(found.maps[2].reshape(6, GRID**2), expected.numpy())
    assert found.maps.max() > 1e-3


def test_images_together_get_the_maps_they_get_alone(retriever: BlipRetriever, states: Any) -> None:
    together = retriever.heat_maps(TEXTS[1], states)
    for number in range(len(states)):
        alone = retriever.heat_maps(TEXTS[1], states[number : number + 1])
        np.testing.assert_array_equal(together.maps[number], alone.maps[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A red DOG", ("a", "red", "dog")),
        ("dogs, sitting near trains", ("dogs", "sitting", "near", "trains")),
        ('"dog" -- (cat)!', ("dog", "cat")),
        ("a man's dog", ("a", "man's", "dog")),
        ("a blue zebra", ("a", "blue", "zebra")),
        ("\u00e4\u00f6 \u6c34 dog", ("\u00e4\u00f6", "\u6c34", "dog")),
        ("  ", ()),
    ],
)
def test_there_is_a_map_for_each_word_of_the_cleaned_text(
    retriever: BlipRetriever, states: Any, text: str, words: tuple[str, ...]
) -> None:
    found = retriever.heat_maps(text, states)
    assert found.words == words
    assert found.maps.shape == (3, len(words), GRID, GRID)
    assert found.overall.shape == (3, GRID, GRID)
    for array in (found.maps, found.overall, found.logits):
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
    assert (found.maps >= 0).all()


def test_pieces_of_a_word_belong_to_it(retriever: BlipRetriever) -> None:
    words = retriever._vocabulary.caption_words("two dogs sitting")
    assert words == [("two", [1]), ("dogs", [2, 3]), ("sitting", [4])]


def test_a_long_text_is_cut_where_the_match_cuts_it(retriever: BlipRetriever, states: Any) -> None:
    text = "dogs " * 29
    found = retriever.heat_maps(text, states)
    assert found.words == ("dogs",) * 17  # two tokens each, 33 in all: of the last only the first
    np.testing.assert_allclose(found.logits, retriever.match(text, states), rtol=0, atol=1e-4)


def test_the_overall_map_is_the_mean_over_words_that_name_something(
    retriever: BlipRetriever, states: Any
) -> None:
    found = retriever.heat_maps("a dog on the beach", states)
    assert [found.words[number] for number in found.content] == ["dog", "beach"]
    np.testing.assert_allclose(found.overall, found.maps[:, [1, 4]].mean(1), rtol=1e-6)
    assert retriever.heat_maps("on the", states).content == (0, 1)


def test_the_callers_grad_mode_makes_no_difference_and_nothing_is_left_on_the_weights(
    retriever: BlipRetriever, states: Any
) -> None:
    wanted = retriever.heat_maps(TEXTS[1], states).maps
    for mode in (torch.inference_mode, torch.no_grad):
        with mode():
            np.testing.assert_array_equal(retriever.heat_maps(TEXTS[1], states).maps, wanted)
    network: Any = retriever._network
    assert all(weight.grad is None for weight in network.parameters())


def test_a_network_in_bfloat16_is_looked_at_in_float32(
    tiny: Path, retriever: BlipRetriever, states: Any
) -> None:
    half = BlipRetriever.from_pretrained(tiny / "itm", dtype="bfloat16")
    found = half.heat_maps(TEXTS[1], states)
    wanted = retriever.heat_maps(TEXTS[1], states)
    np.testing.assert_allclose(found.logits, wanted.logits, rtol=0, atol=0.1)


def test_merged_states_are_refused_with_what_to_do(retriever: BlipRetriever, states: Any) -> None:
    merged = retriever.pack_states(states, "merged")
    with pytest.raises(ShapeError, match="float32, float16 or int8"):
        retriever.heat_maps("a dog", merged)


def test_states_of_another_tower_are_refused(retriever: BlipRetriever, states: Any) -> None:
    with pytest.raises(ShapeError, match="another vision tower"):
        retriever.heat_maps("a dog", states[:, 1:])


def test_a_checkpoint_without_an_itm_head_is_refused(tmp_path: Path, states: Any) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path, "features")
    with pytest.raises(CheckpointMismatchError, match="no ITM head"):
        BlipRetriever.from_pretrained(checkpoint).heat_maps("a dog", states)


def test_the_layer_is_the_published_one_for_twelve_layers() -> None:
    assert [heat_map_layer(layers) for layers in (12, 3, 2, 1)] == [7, 1, 1, 0]
