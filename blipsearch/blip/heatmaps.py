"""Heat maps: where in a picture each word of a text finds what speaks for a match.

The base is Grad-CAM on cross-attention as BLIP's authors draw it: the attention map of one layer
times the positive part of the gradient of the ITM match logit with respect to it, mean over heads.
Sources: Grad-CAM (arXiv 1610.02391); ALBEF (arXiv 2107.07651), visualization.ipynb; LAVIS,
blip_image_text_matching.py, `compute_gradcam`.

They take a word's map from the word's own row of the attention map. But what a word asks for need
not be looked up there: self-attention hands it to other rows, in the built-in checkpoint mostly to
[ENC] and [SEP]. So a word's map here is its own row and, of all other rows, the attention that
is there only because of the word: the attention with the word less the attention without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt, sqrt

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import layer_norm, linear

from blipsearch.blip.products import activation
from blipsearch.blip.untyped import Network

__all__ = ["HeatMaps", "Trace", "Words", "heat_map_layer", "map_words", "trace", "word_maps"]

Floats = npt.NDArray[np.float32]

Words = Sequence[tuple[str, Sequence[int]]]
"""Words, each with the places of its tokens among a text's ids."""

_FUNCTION_WORDS = """a an the this that these those some of in on at by to from with for as and or
    but is are was were be being been it its there his her their who which while into onto"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Words that name nothing to be seen; their maps are made too, but not shown unless asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class HeatMaps:
    """Where n images answer to the words of one text.

    `words` are those of the cleaned text, in its order. `maps` (n, words, rows, cols) float32, 0 or
    more, lie over the patches from top left to bottom right; the picture as the network sees it is
    squeezed to a square, not cropped, so they cover the whole picture whatever its shape. `overall`
    (n, rows, cols) float32 is the mean over the content words. `logits` (n, 2) float32 are the ITM
    logits. Values are comparable within an image: a larger one speaks more for the match.
    """

    words: tuple[str, ...]
    maps: Floats
    overall: Floats
    logits: Floats

    @property
    def content(self) -> tuple[int, ...]:
        """The numbers of the words that name something; all where none does."""
        return _content(self.words)


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One layer's cross-attention between one text and one image, and what hangs on it.

    `attention` (heads, length, tokens) are the layer's attention weights, `gradient` of the same
    shape is that of the match logit, column 1 of `logits` (2,), with respect to them. `without`
    (words, heads, length, tokens) is the attention of the text without each of its words, 0 in
    that word's own rows. All float32.
    """

    logits: torch.Tensor
    attention: torch.Tensor
    gradient: torch.Tensor
    without: torch.Tensor


def heat_map_layer(layers: int) -> int:
    """The layer that is looked at: 7 of 12 (counted from 0), as in LAVIS's notebook for BLIP."""
    return layers * 7 // 12


def map_words(network: Network, ids: Sequence[int], words: Words, states: torch.Tensor) -> HeatMaps:
    """Return the heat maps of a text with n images.

    `ids` are the text's, [ENC] first; `states` (n, tokens, width) float32 have the first token for
    the whole image and then those of a square of patches.
    """
    layer = heat_map_layer(len(network.text_encoder.encoder.layer))
    side = isqrt(states.shape[1] - 1)
    names = tuple(word for word, _ in words)
    maps = np.empty((len(states), len(words), side, side), dtype=np.float32)
    logits = np.empty((len(states), 2), dtype=np.float32)
    for number in range(len(states)):
        found = trace(network, ids, words, states[number], layer)
        maps[number] = word_maps(found).view(-1, side, side).cpu().numpy()
        logits[number] = found.logits.cpu().numpy()
    shown = maps[:, list(_content(names))]
    overall = shown.mean(1) if names else np.zeros((len(maps), side, side), dtype=np.float32)
    return HeatMaps(names, maps, overall, logits)


def word_maps(found: Trace) -> torch.Tensor:
    """Return each word's map over the patches, (words, tokens - 1) float32, 0 or more."""
    drawn = found.attention - found.without
    heat = (drawn * found.gradient.clamp(min=0)).mean(1).sum(1)
    return heat[:, 1:].clamp(min=0)


def trace(
    network: Network, ids: Sequence[int], words: Words, states: torch.Tensor, layer: int
) -> Trace:
    """Read a text before an image, and look at the cross-attention of one layer.

    `states` (tokens, width) float32. The text and the same without each word, whose tokens are
    hidden from all others as padding is, go side by side up to that layer, the text alone after it.
    """
    device = states.device
    hidden_from = torch.zeros(len(words) + 1, 1, 1, len(ids), device=device)
    for number, (_, places) in enumerate(words, start=1):
        hidden_from[number, ..., list(places)] = -torch.inf
    # Grad mode whatever the caller's; no weight needs a gradient, so nothing is kept before the
    # watched attention.
    with torch.inference_mode(mode=False), torch.enable_grad():
        texts = torch.tensor([ids], device=device)
        hidden = network.text_encoder.embeddings(input_ids=texts).float()
        hidden = hidden.expand(len(hidden_from), -1, -1)
        for number, module in enumerate(network.text_encoder.encoder.layer):
            one = _Layer(module)
            hidden = one.attend_text(hidden, hidden_from)
            attention = one.look(hidden, states)
            if number == layer:
                without, hidden, hidden_from = attention[1:], hidden[:1], hidden_from[:1]
                watched = attention = attention[:1].clone().requires_grad_()
            hidden = one.take(hidden, attention, states)
        logits = _linear(hidden[0, 0], network.itm_head)
        (gradient,) = torch.autograd.grad(logits[1], watched)
    for number, (_, places) in enumerate(words):
        without[number, :, list(places)] = 0
    return Trace(logits.detach(), watched.detach()[0], gradient[0], without)


class _Layer:
    """One layer of the text encoder in float32, its cross-attention laid open for one image."""

    def __init__(self, module: Network) -> None:
        self._module = module
        self._heads = int(module.crossattention.self.num_attention_heads)

    def attend_text(self, hidden: torch.Tensor, hidden_from: torch.Tensor) -> torch.Tensor:
        """Self-attention of (n, length, width); `hidden_from` is -inf for tokens left out."""
        own = self._module.attention
        attention = self._weights(own.self, hidden, hidden, hidden_from)
        return self._add(own, hidden, attention, hidden)

    def look(self, hidden: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """The attention (n, heads, length, tokens) of n texts to the states (tokens, width)."""
        return self._weights(self._module.crossattention.self, hidden, states[None])

    def take(
        self, hidden: torch.Tensor, attention: torch.Tensor, states: torch.Tensor
    ) -> torch.Tensor:
        """What becomes of (n, length, width) by that attention and the wide layers behind it."""
        hidden = self._add(self._module.crossattention, hidden, attention, states[None])
        act = activation(self._module.intermediate.intermediate_act_fn)
        wide = act(_linear(hidden, self._module.intermediate.dense))
        output = self._module.output
        return _normed(_linear(wide, output.dense) + hidden, output.LayerNorm)

    def _weights(
        self,
        which: Network,
        asking: torch.Tensor,
        asked: torch.Tensor,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        query, key = self._by_head(asking, which.query), self._by_head(asked, which.key)
        scores = query @ key.transpose(2, 3) / sqrt(query.shape[3])
        return (scores if bias is None else scores + bias).softmax(-1)

    def _add(
        self, which: Network, hidden: torch.Tensor, attention: torch.Tensor, asked: torch.Tensor
    ) -> torch.Tensor:
        context = attention @ self._by_head(asked, which.self.value)
        joined = _linear(context.transpose(1, 2).flatten(2), which.output.dense)
        return _normed(joined + hidden, which.output.LayerNorm)

    def _by_head(self, states: torch.Tensor, projection: Network) -> torch.Tensor:
        """(n, tokens, width) projected, as (n, heads, tokens, head)."""
        n, tokens, _ = states.shape
        return _linear(states, projection).view(n, tokens, self._heads, -1).transpose(1, 2)


def _linear(states: torch.Tensor, module: Network) -> torch.Tensor:
    return linear(states, module.weight.float(), module.bias.float())


def _normed(states: torch.Tensor, norm: Network) -> torch.Tensor:
    weight, bias = norm.weight.float(), norm.bias.float()
    return layer_norm(states, norm.normalized_shape, weight, bias, norm.eps)


def _content(words: tuple[str, ...]) -> tuple[int, ...]:
    named = [number for number, word in enumerate(words) if word not in FUNCTION_WORDS]
    return tuple(named) or tuple(range(len(words)))
