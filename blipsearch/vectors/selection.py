"""Selection: which slots of a coded base may be found, a bit each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blipsearch.vectors.values import Ids

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """A set of slots from 0 to `span`; `count` are in it. Not changed once made.

    `bits` is (ceil(span / 8),) uint8, lowest bit first, as faiss's IDSelectorBitmap takes it.
    """

    bits: npt.NDArray[np.uint8]
    span: int
    count: int

    @classmethod
    def of(cls, slots: Ids, span: int) -> Selection:
        """Select these slots (n,), all below `span`; one may be named twice."""
        mask = np.zeros(span, dtype=np.bool_)
        mask[slots] = True
        return cls(np.packbits(mask, bitorder="little"), span, int(np.count_nonzero(mask)))

    @classmethod
    def from_bits(cls, bits: npt.NDArray[np.uint8], span: int) -> Selection:
        """Read the bits of a selection; those past `span` are zero."""
        return cls(bits, span, int(np.bitwise_count(bits).sum()))

    def both(self, other: Selection) -> Selection:
        """Select what is in here and in another of the same span."""
        return Selection.from_bits(self.bits & other.bits, self.span)

    def without(self, slots: Ids) -> Selection:
        """Return a copy without these slots, all of which are in here, each named once."""
        bits = self.bits.copy()
        np.bitwise_and.at(bits, slots >> 3, ~(1 << (slots & 7)).astype(np.uint8))
        return Selection(bits, self.span, self.count - len(slots))

    def has(self, slots: Ids) -> npt.NDArray[np.bool_]:
        """Say which of these slots (m,), all below `span`, are in here, (m,)."""
        held: npt.NDArray[np.bool_] = self.bits[slots >> 3] >> (slots & 7).astype(np.uint8) & 1 == 1
        return held

    def slots(self) -> Ids:
        """List what is in here, ascending."""
        return np.flatnonzero(np.unpackbits(self.bits, count=self.span, bitorder="little"))
