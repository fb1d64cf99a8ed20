"""The ways of storing and matching states that `rerank.py` compares, kept ones and others."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from blipsearch.blip import BlipRetriever
from blipsearch.blip.matcher import Matcher
from blipsearch.blip.packing import merge_tokens, pack_states
from blipsearch.records import ImageStates, StatesKind

Floats = npt.NDArray[np.float32]
Load = Callable[[str, str], BlipRetriever]
"""Loads the checkpoint anew, for a match_dtype and a dtype (empty: the benchmark's own)."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way: how states are stored, and what the match computes in.

    `rank` is the share of the width that a low-rank basis keeps, `tokens` the share of tokens that
    merging leaves where it is not the engine's own.
    """

    name: str
    title: str
    kind: StatesKind = "none"
    match_dtype: str = "auto"
    dtype: str = ""
    rank: float = 1.0
    tokens: float = 0.0

    @property
    def keeps_states(self) -> bool:
        """Whether it only rounds: random states have no likeness that merging could use."""
        return self.rank == 1 and not self.tokens and self.kind != "merged"

    @property
    def runs_anywhere(self) -> bool:
        """Whether it runs on other devices than a CPU."""
        return self.match_dtype == "auto" and self.rank == 1


VARIANTS = (
    Variant("c", "(c) exact, float32 states"),
    Variant("float16", "float16 states (the default)", "float16"),
    Variant("int8", "int8 states", "int8"),
    Variant("merged", "merged states", "merged"),
    Variant("float16, int8 match", "float16 states, int8 match", "float16", "int8"),
    Variant("int8, int8 match", "int8 states, int8 match", "int8", "int8"),
    Variant("merged, int8 match", "merged states, int8 match", "merged", "int8"),
    Variant(
        "bfloat16", "float16 states, network in bfloat16 (--dtype)", "float16", dtype="bfloat16"
    ),
    Variant("quarter", "not kept: a quarter of the tokens, float16", "float16", tokens=0.25),
    Variant(
        "quarter, int8",
        "not kept: a quarter of the tokens, int8, int8 match",
        "int8",
        "int8",
        tokens=0.25,
    ),
    Variant("rank 1/2", "not kept: low rank, half the width, float16", "float16", rank=0.5),
    Variant("rank 1/2, int8", "not kept: low rank, half the width, int8", "int8", rank=0.5),
    Variant("rank 3/8", "not kept: low rank, 3/8 of the width, float16", "float16", rank=0.375),
)


class Prepared:
    """A variant with its retriever and its states, ready to match."""

    def __init__(self, variant: Variant, load: Load, states: Floats) -> None:
        self.retriever = load(variant.match_dtype, variant.dtype)
        tensor = torch.from_numpy(states)
        if variant.rank < 1:
            self.retriever = copy.copy(self.retriever)
            tensor = self._absorb_basis(tensor, variant.rank)
        self.stored = _pack(tensor, variant)

    def logits(self, text: str, which: slice | npt.NDArray[np.int64]) -> Floats:
        """The ITM logits (n, 2) of a text with these images."""
        reading = self.retriever.encode_query(text).reading
        with torch.inference_mode():
            return self.retriever._match(reading, [self.stored.rows(which)])[0]  # noqa: SLF001

    @property
    def bytes_an_image(self) -> int:
        """What an image's states take."""
        parts = (self.stored.values, self.stored.scales, self.stored.sizes)
        return sum(part[0].nbytes for part in parts if part is not None)

    def _absorb_basis(self, states: torch.Tensor, share: float) -> torch.Tensor:
        """Give the network a basis of the states' own, and return the states in it.

        With x = m + B z the keys' part of m cancels in the softmax and the values' part is a bias:
        so W_k B and W_v B take z as they took x.
        """
        rows = states.reshape(-1, states.shape[2])
        mean = rows.mean(dim=0)
        kept = int(share * states.shape[2])
        spread = torch.linalg.svd(rows[:20000] - mean, full_matrices=False)
        basis = spread.Vh[:kept].T
        matcher = Matcher(self.retriever._network)  # noqa: SLF001  # no such option in the engine
        self.retriever._matcher = matcher  # noqa: SLF001
        with torch.inference_mode():
            for layer in matcher._layers:  # noqa: SLF001
                bias = (layer._value_heads @ mean).reshape(-1)  # noqa: SLF001
                layer._value_bias = layer._value_bias + bias  # noqa: SLF001
                layer._key_heads = layer._key_heads @ basis  # noqa: SLF001
                layer._value_heads = layer._value_heads @ basis  # noqa: SLF001
        narrow: torch.Tensor = (states - mean) @ basis
        return narrow


def prepare(
    variant: Variant, load: Load, states: Floats, query: str
) -> tuple[Callable[[], Floats], int]:
    """What one round of a variant runs, and the bytes it stores of an image."""
    prepared = Prepared(variant, load, states)
    return lambda: prepared.logits(query, slice(None)), prepared.bytes_an_image


def _pack(states: torch.Tensor, variant: Variant) -> ImageStates:
    if not variant.tokens:
        return pack_states(states, variant.kind)
    left = max(2, round(states.shape[1] * variant.tokens))
    parts = [_merged(part, left, variant.kind) for part in torch.split(states, 16)]
    return ImageStates.joined(parts)


def _merged(states: torch.Tensor, left: int, kind: StatesKind) -> ImageStates:
    merged, sizes = merge_tokens(states, left)
    packed = pack_states(merged, kind)
    return ImageStates(packed.values, packed.scales, sizes.numpy().astype(np.uint16))
