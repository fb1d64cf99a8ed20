"""A million vectors that are spread as image embeddings are, made up but not uniform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blipsearch.records import Embeddings

__all__ = ["Mixture", "spectrum"]

RANK = 40
"""Directions in which the members of a cluster differ beyond noise."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """Clusters of Zipf-like sizes around a common direction, each with its own few directions.

    A vector is the mean of all, plus its cluster's centre (drawn with standard deviations that
    decay as i^-0.5 over the dimensions), plus its own place in the cluster (`RANK` random
    directions that decay as i^-0.7), plus isotropic noise; then normalised. A text-like query is
    such a vector with its mean exchanged for another one and with more noise: text embeddings lie
    apart from those of images.
    """

    seed: int = 0
    dim: int = 256
    clusters: int = 3000

    def vectors(self, count: int, stream: int) -> Embeddings:
        """`count` image-like vectors (count, dim) float32 of unit norm; `stream` makes others."""
        return _unit(self._mean() + self._places(count, stream, noise=0.3))

    def texts(self, count: int, stream: int) -> Embeddings:
        """`count` text-like queries (count, dim) float32 of unit norm."""
        rng = np.random.default_rng([self.seed, 1])
        apart = _unit(rng.standard_normal((1, self.dim)).astype(np.float32))
        return _unit(0.8 * apart + self._places(count, stream, noise=0.5))

    def _mean(self) -> npt.NDArray[np.float32]:
        rng = np.random.default_rng([self.seed, 2])
        return 0.6 * _unit(rng.standard_normal((1, self.dim)).astype(np.float32))

    def clusters_of(self, count: int, stream: int) -> npt.NDArray[np.int64]:
        """Which cluster each of `vectors(count, stream)` is of, (count,)."""
        members, order = self._members(count, stream)
        return members[order]

    def _members(
        self, count: int, stream: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The clusters of `count` vectors in ascending order, and the order they come out in."""
        sizes = np.arange(1, self.clusters + 1, dtype=np.float64) ** -0.7
        rng = np.random.default_rng([self.seed, 4, stream])
        members = np.sort(rng.choice(self.clusters, size=count, p=sizes / sizes.sum()))
        return members, rng.permutation(count)

    def _places(self, count: int, stream: int, noise: float) -> npt.NDArray[np.float32]:
        shared = np.random.default_rng([self.seed, 3])
        decay = np.arange(1, self.dim + 1, dtype=np.float32) ** -0.5
        centres = shared.standard_normal((self.clusters, self.dim), dtype=np.float32)
        centres *= 0.65 * decay / np.linalg.norm(decay)
        turn, _ = np.linalg.qr(shared.standard_normal((self.dim, self.dim)))
        centres = centres @ turn.astype(np.float32)
        spread = np.arange(1, RANK + 1, dtype=np.float32) ** -0.7
        spread *= 0.6 / np.linalg.norm(spread)
        members, order = self._members(count, stream)
        rng = np.random.default_rng([self.seed, 6, stream])
        out = centres[members]
        starts = np.searchsorted(members, np.arange(self.clusters + 1))
        for cluster in range(self.clusters):
            begin, end = starts[cluster], starts[cluster + 1]
            own = np.random.default_rng([self.seed, 5, cluster])
            axes = own.standard_normal((RANK, self.dim), dtype=np.float32) / np.sqrt(self.dim)
            scale = own.uniform(0.5, 1.5)
            inside = rng.standard_normal((end - begin, RANK), dtype=np.float32) * (spread * scale)
            out[begin:end] += inside @ axes
        share = noise / np.sqrt(self.dim)
        out += rng.standard_normal((count, self.dim), dtype=np.float32) * share
        shuffled: npt.NDArray[np.float32] = out[order]
        return shuffled


def spectrum(vectors: Embeddings) -> tuple[float, list[float]]:
    """How many dimensions the vectors use, and the shares of variance in the first few.

    The first is the participation ratio of the covariance's eigenvalues, (sum l)^2 / sum l^2;
    the shares are those in the first 1, 8, 32 and 128 directions.
    """
    values = np.linalg.eigvalsh(np.cov(vectors.T))[::-1]
    shares = np.cumsum(values) / values.sum()
    first = [float(shares[min(n, len(shares)) - 1]) for n in (1, 8, 32, 128)]
    return float(values.sum() ** 2 / (values**2).sum()), first


def _unit(rows: npt.NDArray[np.float32]) -> Embeddings:
    unit: Embeddings = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit
