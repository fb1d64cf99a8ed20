"""What is the better "not": arithmetic of vectors, the ITM head, or both?

Queries are "a boat" not "at night" and their like, about scenes of the built-in world: a kind with
a setting, another kind or a colour of it, which must not be there. Right are the scenes that show
the kind without it; as many of them as of those with it, and all that show no such kind, are
searched. The figure is R-precision: of the first R hits, R being the number of right scenes, the
share that is right. Ways differ in how far the unwanted sentence's vector is taken away from the
query's (times 0 to 1), and in what the 64 candidates are then ranked by: the cosine, the match with
what is wanted, or that with 1 - P(unwanted).
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blipsearch.blip import BlipRetriever
from blipsearch.picturebook import grammar, world
from blipsearch.picturebook.grammar.words import with_article
from blipsearch.picturebook.scene import Scene
from blipsearch.rerank import Judgement, combined

CANDIDATES = 64
LEAST = 6
"""A query counts with so many scenes that show the unwanted beside the wanted."""
AWAY = (0.0, 0.25, 0.5, 0.75, 1.0)
RANKED_BY = ("cosine", "match with what is wanted", "match, times 1 - P(unwanted)")

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class NotQuery:
    """What is wanted, what is not, the scenes (n,) to search, and which of them are right."""

    wanted: str
    unwanted: str
    pool: npt.NDArray[np.int64]
    right: Flags


def not_queries(scenes: Sequence[Scene], count: int, seed: int) -> list[NotQuery]:
    """`count` queries, as many of each sort as of the others."""
    rng = random.Random(seed)
    pairs = [
        [(with_article(k), s) for k, s in itertools.product(world.KINDS, world.SETTINGS)],
        [(with_article(k), with_article(o)) for k, o in itertools.permutations(world.KINDS, 2)],
        [
            (with_article(k), with_article(f"{c} {k}"))
            for k, c in itertools.product(world.KINDS, world.COLOURS)
        ],
    ]
    sorts = [_that_count(rng.sample(sort, len(sort)), scenes) for sort in pairs]
    turns = itertools.chain.from_iterable(zip(*sorts, strict=False))
    return list(itertools.islice(turns, count))


def _that_count(pairs: Sequence[tuple[str, str]], scenes: Sequence[Scene]) -> Iterator[NotQuery]:
    for wanted, unwanted in pairs:
        has = np.array([grammar.is_true(wanted, scene) for scene in scenes])
        other = unwanted if unwanted.startswith(("a ", "an ")) else f"{wanted} {unwanted}"
        has_unwanted = np.array([grammar.is_true(other, scene) for scene in scenes])
        right, wrong = np.flatnonzero(has & ~has_unwanted), np.flatnonzero(has & has_unwanted)
        if len(right) >= len(wrong) >= LEAST:
            pool = np.concatenate([right[: len(wrong)], wrong, np.flatnonzero(~has)])
            yield NotQuery(wanted, unwanted, pool, np.arange(len(pool)) < len(wrong))


def measure_not(
    retriever: BlipRetriever, features: Floats, states: Floats, queries: Sequence[NotQuery]
) -> dict[tuple[float, str], float]:
    """R-precision by how far away and what is ranked by."""
    told: dict[tuple[float, str], list[float]] = {}
    for query in queries:
        vectors = retriever.get_text_features([query.wanted, query.unwanted])
        for away in AWAY:
            cosines = _cosines(vectors, away, features[query.pool])
            best = np.argsort(-cosines)[:CANDIDATES]
            for name, scores in _scores(
                retriever, query, states[query.pool[best]], cosines[best]
            ).items():
                order = best[np.argsort(-scores, kind="stable")][: query.right.sum()]
                told.setdefault((away, name), []).append(float(query.right[order].mean()))
    return {way: float(np.mean(shares)) for way, shares in told.items()}


def _cosines(vectors: Floats, away: float, features: Floats) -> Floats:
    moved = vectors[0] - away * vectors[1]
    cosines: Floats = features @ (moved / np.linalg.norm(moved))
    return cosines


def _scores(
    retriever: BlipRetriever, query: NotQuery, states: Floats, cosines: Floats
) -> dict[str, Floats]:
    judgements = [Judgement(query.wanted), Judgement(query.unwanted, negated=True)]
    logits = [retriever.match(one.text, states) for one in judgements]
    matches = [retriever.match_probability(one) for one in logits]
    both, _ = combined(judgements, logits, matches)
    return {
        RANKED_BY[0]: cosines,
        RANKED_BY[1]: logits[0][:, 1] + cosines,
        RANKED_BY[2]: np.asarray(both, dtype=np.float32) + cosines,
    }
