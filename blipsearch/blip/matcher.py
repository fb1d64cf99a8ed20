"""ITM: how well texts match images, from the images' stored states.

Cross-attention absorbs its key and value projections into the text's side. With x_t the states of
an image's tokens and q a token of the text, a head's score is (W_k x_t + b_k) . (W_q q + b_q)
= (W_k^T (W_q q + b_q)) . x_t + a term that is the same for all t and cancels in the softmax; its
context is W_v (sum_t p_t x_t) + b_v. So the states are used as they are: nothing is projected but
the few tokens of the text, and the result is exact. It is cheaper as long as a text has fewer
tokens than a head is wide; for longer ones the states are projected as usual.

Source of the network: BLIP, models/med.py and models/blip_itm.py (`match_head='itm'`). Absorbed
projections: DeepSeek-V2 (arXiv 2405.04434), section 2.1.2, there for key-value caches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from torch.nn.functional import layer_norm, pad, scaled_dot_product_attention

from blipsearch.blip.products import (
    Product,
    activation,
    multiply,
    multiply_int8,
    of_layer,
    quantized,
    round_rows,
)
from blipsearch.blip.untyped import Network

__all__ = ["Matcher", "Reading", "Seen", "absorbing_is_cheaper"]

LOOP_FLOP = 8_000_000
"""From this size on a CPU an image's attention is two products of its own, so that its states stay
in the cache between them, and may be in int8; below it one product over all images is quicker."""


@dataclass(frozen=True, slots=True)
class Reading:
    """q texts, read as far as no image matters: up to the first cross-attention, once a query.

    `hidden` (q, length, width) are their states, `asked` (q, length * heads, states' width) the
    absorbed queries of that cross-attention, `bias` (q, 1, 1, length) is 0 for tokens and -inf for
    padding, or None where nothing is padded.
    """

    hidden: torch.Tensor
    asked: torch.Tensor
    bias: torch.Tensor | None

    def of(self, owners: torch.Tensor) -> Reading:
        """The readings of the texts with these numbers (n,), one row each."""
        bias = None if self.bias is None else self.bias[owners]
        return Reading(self.hidden[owners], self.asked[owners], bias)

    @property
    def length(self) -> int:
        """How many tokens a text has, padding included."""
        return self.hidden.shape[1]

    @staticmethod
    def joined(readings: Sequence[Reading]) -> Reading:
        """Several readings as one, in their order, padded to the longest."""
        longest = max(reading.length for reading in readings)
        if all(reading.length == longest and reading.bias is None for reading in readings):
            bias = None
        else:
            bias = torch.cat([reading.padded_bias(longest) for reading in readings])
        hidden = [pad(one.hidden, (0, 0, 0, longest - one.length)) for one in readings]
        heads = readings[0].asked.shape[1] // readings[0].length
        asked = [pad(one.asked, (0, 0, 0, heads * (longest - one.length))) for one in readings]
        return Reading(torch.cat(hidden), torch.cat(asked), bias)

    def padded_bias(self, length: int) -> torch.Tensor:
        """The bias (q, 1, 1, length) of these texts with padding up to `length`."""
        bias = self.bias
        if bias is None:
            bias = self.hidden.new_zeros(len(self.hidden), 1, 1, self.length)
        return pad(bias, (0, length - self.length), value=-torch.inf)


@dataclass(frozen=True, slots=True)
class Seen:
    """What n images show: the states that their texts' cross-attention looks at.

    `values` are (n, tokens, width) in the network's dtype, or int8 with `scales` (n, tokens), a
    state being value times scale. `log_sizes` (n, tokens), where tokens were merged, are the
    logarithms of how many each stands for (-inf: none), else None.
    """

    values: torch.Tensor
    scales: torch.Tensor | None = None
    log_sizes: torch.Tensor | None = None

    @property
    def states(self) -> torch.Tensor:
        """The states, (n, tokens, width), in a float dtype."""
        if self.scales is None:
            return self.values
        return self.values.to(self.scales.dtype) * self.scales[:, :, None]


def absorbing_is_cheaper(length: int, tokens: int, *, head: int, width: int) -> bool:
    """Whether a text of `length` tokens costs less with absorbed projections.

    Absorbed, an image's attention takes 2 * heads * length * tokens * width multiplications and
    2 * length * width * width more for the projections; otherwise 2 * tokens * width * width for
    keys and values and 2 * length * tokens * width. Here both are divided by the third.
    """
    return length / head + length / tokens < 1 + length / width


class Matcher:
    """The text encoder and ITM head of one network, arranged for many images at a time.

    With `int8` the linear layers of the text's side are rounded to int8 (CPU only): a copy of a
    quarter of their size, products three times as fast, logits no longer exact. Attention is
    in int8 where what is seen is, and large. May be used by several threads at once.
    """

    def __init__(self, network: Network, *, int8: bool = False) -> None:
        self._embeddings = network.text_encoder.embeddings
        self._layers = [_Layer(layer, int8=int8) for layer in network.text_encoder.encoder.layer]
        self._head = network.itm_head

    def read(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> Reading:
        """Read texts `ids` (q, length), each beginning with [ENC].

        `mask` (q, length) is 1 for tokens and 0 for padding, which must be on the right; None
        means no padding.
        """
        bias = None
        if mask is not None and not bool(mask.all()):
            bias = torch.zeros(mask.shape, dtype=self._head.weight.dtype, device=mask.device)
            bias = bias.masked_fill(mask == 0, -torch.inf)[:, None, None]
        first = self._layers[0]
        hidden = first.attend_text(self._embeddings(input_ids=ids), bias)
        return Reading(hidden, first.ask(hidden), bias)

    def match(self, reading: Reading, seen: Seen) -> torch.Tensor:
        """Return the ITM logits, (n, 2), of n texts with n images; column 1 speaks for a match.

        `reading` holds n texts, or one for all images.
        """
        hidden, asked, bias = reading.hidden, reading.asked, reading.bias
        first, last = self._layers[0], len(self._layers) - 1
        if last == 0:
            hidden, asked = hidden[:, :1], asked[:, : first.heads]
        if len(hidden) != len(seen.values):
            hidden = hidden.expand(len(seen.values), -1, -1)
            asked = asked.expand(len(seen.values), -1, -1)
        hidden = first.attend_images(hidden, seen, asked)
        hidden = first.feed_forward(hidden)
        for layer in self._layers[1:]:
            # Of the last layer's result only the first token, [ENC], is looked at.
            only_first = layer is self._layers[last]
            hidden = layer.attend_text(hidden, bias, only_first=only_first)
            hidden = layer.attend_images(hidden, seen)
            hidden = layer.feed_forward(hidden)
        logits: torch.Tensor = self._head(hidden[:, 0])
        return logits


class _Layer:
    """One layer of the text encoder: self-attention, cross-attention, feed-forward."""

    def __init__(self, layer: Network, *, int8: bool) -> None:
        make: Callable[[Network], Product] = quantized if int8 else of_layer
        own, cross = layer.attention, layer.crossattention
        self.heads = int(cross.self.num_attention_heads)
        self._head = int(cross.self.attention_head_size)
        self._own = tuple(make(one) for one in (own.self.query, own.self.key, own.self.value))
        self._own_out, self._own_norm = make(own.output.dense), own.output.LayerNorm
        self._ask = make(cross.self.query)
        self._key, self._value = cross.self.key, cross.self.value
        self._key_heads = self._key.weight.view(self.heads, self._head, -1)
        self._value_heads = self._value.weight.view(self.heads, self._head, -1)
        self._value_bias: torch.Tensor = self._value.bias
        self._cross_out, self._cross_norm = make(cross.output.dense), cross.output.LayerNorm
        self._wide = make(layer.intermediate.dense)
        self._act = activation(layer.intermediate.intermediate_act_fn)
        self._narrow, self._norm = make(layer.output.dense), layer.output.LayerNorm

    def attend_text(
        self, hidden: torch.Tensor, bias: torch.Tensor | None, *, only_first: bool = False
    ) -> torch.Tensor:
        """Self-attention of (n, length, width); with `only_first` its result for token 0 alone."""
        asking = hidden[:, :1] if only_first else hidden
        query, key, value = self._own
        context = scaled_dot_product_attention(
            self._by_head(query(asking)),
            self._by_head(key(hidden)),
            self._by_head(value(hidden)),
            attn_mask=bias,
        )
        return _normed(self._own_out(self._joined(context)) + asking, self._own_norm)

    def ask(self, hidden: torch.Tensor) -> torch.Tensor:
        """The absorbed queries, (n, length * heads, states' width), of hidden (n, length, width).

        Scaled by 1 / sqrt(head), as scores are. Row i * heads + h is token i's in head h.
        """
        n, length, _ = hidden.shape
        query = self._ask(hidden).view(n * length, self.heads, self._head) / sqrt(self._head)
        asked = query.new_empty(n * length, self.heads, self._key_heads.shape[2])
        for number in range(self.heads):
            torch.mm(query[:, number], self._key_heads[number], out=asked[:, number])
        return asked.view(n, length * self.heads, -1)

    def attend_images(
        self, hidden: torch.Tensor, seen: Seen, asked: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Cross-attention of hidden (n, length, width) to what n images show.

        `asked` are its absorbed queries where they are known.
        """
        tokens, width = seen.values.shape[1:]
        if absorbing_is_cheaper(hidden.shape[1], tokens, head=self._head, width=width):
            context = self._absorbed(self.ask(hidden) if asked is None else asked, seen)
        else:
            context = self._projected(hidden, seen)
        return _normed(self._cross_out(context.view_as(hidden)) + hidden, self._cross_norm)

    def feed_forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """The two wide layers behind both attentions."""
        return _normed(self._narrow(self._act(self._wide(hidden))) + hidden, self._norm)

    def _absorbed(self, asked: torch.Tensor, seen: Seen) -> torch.Tensor:
        if seen.scales is None or _is_small(asked, seen.values):
            means = _attend(asked, seen.states, seen.log_sizes)
        else:
            means = _attend_int8(asked, seen.values, seen.scales, seen.log_sizes)
        means = means.view(-1, self.heads, asked.shape[2])
        context = means.new_empty(len(means), self.heads * self._head)
        for number in range(self.heads):
            part = slice(number * self._head, (number + 1) * self._head)
            torch.mm(means[:, number], self._value_heads[number].T, out=context[:, part])
        added: torch.Tensor = context.add_(self._value_bias)
        return added

    def _projected(self, hidden: torch.Tensor, seen: Seen) -> torch.Tensor:
        states, log_sizes = seen.states, seen.log_sizes
        context = scaled_dot_product_attention(
            self._by_head(self._ask(hidden)),
            self._by_head(multiply(states, self._key.weight, self._key.bias)),
            self._by_head(multiply(states, self._value.weight, self._value.bias)),
            attn_mask=None if log_sizes is None else log_sizes[:, None, None],
        )
        return self._joined(context)

    def _by_head(self, states: torch.Tensor) -> torch.Tensor:
        """(n, tokens, width) as (n, heads, tokens, head)."""
        n, tokens, _ = states.shape
        return states.view(n, tokens, self.heads, self._head).transpose(1, 2)

    def _joined(self, context: torch.Tensor) -> torch.Tensor:
        """(n, heads, tokens, head) as (n, tokens, width)."""
        return context.transpose(1, 2).flatten(2)


def _attend(
    asked: torch.Tensor, states: torch.Tensor, log_sizes: torch.Tensor | None
) -> torch.Tensor:
    """Softmax-weighted means (n, rows, width) of the images' states, one for each row of `asked`.

    A merged token weighs as many times as it has parts: proportional attention, Token Merging
    (arXiv 2210.09461), section 3.
    """
    if states.device.type != "cpu" or _is_small(asked, states):
        scores = torch.bmm(asked, states.transpose(1, 2))
        if log_sizes is not None:
            scores += log_sizes[:, None]
        return torch.bmm(scores.softmax(-1), states)
    means = torch.empty_like(asked, memory_format=torch.contiguous_format)
    for image in range(len(asked)):
        scores = multiply(asked[image], states[image])
        if log_sizes is not None:
            scores += log_sizes[image]
        means[image] = multiply(scores.softmax(-1), states[image].T)
    return means


def _is_small(asked: torch.Tensor, values: torch.Tensor) -> bool:
    return 2 * asked[0].numel() * values.shape[1] < LOOP_FLOP


def _attend_int8(
    asked: torch.Tensor,
    values: torch.Tensor,
    scales: torch.Tensor,
    log_sizes: torch.Tensor | None,
) -> torch.Tensor:
    """The same with both products in int8: queries and weights are rounded, a scale a row each."""
    means = torch.empty_like(asked, memory_format=torch.contiguous_format)
    for image in range(len(asked)):
        rounded, scale = round_rows(asked[image])
        scores = multiply_int8(rounded, values[image].T).to(asked.dtype)
        scores.mul_(scale[:, None]).mul_(scales[image])
        if log_sizes is not None:
            scores += log_sizes[image]
        rounded, scale = round_rows(scores.softmax(-1).mul_(scales[image]))
        means[image] = multiply_int8(rounded, values[image])
        means[image].mul_(scale[:, None])
    return means


def _normed(states: torch.Tensor, norm: Network) -> torch.Tensor:
    return layer_norm(states, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
