"""Rerank: candidates judged by BLIP's ITM head, from stored image states where there are any."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from blipsearch.blip import EncodedQuery, Retriever
from blipsearch.collection import Collection
from blipsearch.contents import open_picture
from blipsearch.errors import ImageError
from blipsearch.records import ImageEntry, ImageStates, StateKey
from blipsearch.timings import Timings

__all__ = ["Candidate", "Judgement", "Progress", "Reranked", "Reranker", "combined"]

logger = logging.getLogger("blipsearch.search")

MOST_AT_ONCE = 256
"""Candidates judged at a time at most, between two reports of progress."""
FIRST_BATCH = 4
"""Candidates judged before their pace is known, where the time is limited."""
ENCODE_BATCH = 8
"""Pictures without stored states that are decoded and encoded at a time."""

Progress = Callable[[Sequence["Candidate"], int, int], None]
"""Told what was judged just now, and how many of how many candidates are done."""

Pixels = npt.NDArray[np.float32]
Logits = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float32]

_LEAST = 1e-6
"""The least 1 - P that counts: below it a float32 probability says nothing."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A sentence to ask the ITM head about; `negated` where pictures should not match it."""

    text: str
    weight: float = 1.0
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that retrieval proposes, and what the rerank says of it once it has.

    `score` is what it is ranked by: retrieval's and, once it was judged, the rerank's. `match` is
    the probability that it is what the query asks for, None before.
    """

    entry: ImageEntry
    cosine: float
    score: float
    match: float | None = None


@dataclass(frozen=True, slots=True)
class Reranked:
    """All candidates, the judged ones first by score, the others after them as they came.

    `judged` counts those with a match, `unreadable` those whose file could not be read for it; the
    rest are those that the time did not suffice for.
    """

    candidates: list[Candidate]
    judged: int
    unreadable: int


class Reranker:
    """Judges candidates of one collection with the checkpoint that embedded it.

    States that are stored are read; what is missing is computed from the picture and kept, so that
    a score does not depend on whether its state was stored.
    """

    def __init__(self, collection: Collection, retriever: Retriever, *, max_pixels: int) -> None:
        self._collection = collection
        self._retriever = retriever
        self._max_pixels = max_pixels

    def rerank(
        self,
        judgements: Sequence[Judgement],
        candidates: Sequence[Candidate],
        timings: Timings,
        *,
        budget: float | None = None,
        on_progress: Progress | None = None,
    ) -> Reranked:
        """Judge the candidates in their order, all of them or until `budget` seconds are spent.

        There is at least one judgement; see `combined` for what several say together. A candidate
        whose picture cannot be read keeps its cosine and has no match. Raises
        CheckpointMismatchError when the checkpoint has no ITM head.
        """
        with timings.stage("match"):
            texts = [(one, self._retriever.encode_query(one.text)) for one in judgements]
        at_once = min(self._retriever.images_at_once(text) for _, text in texts)
        clock = _Clock(budget, min(MOST_AT_ONCE, at_once))
        done: list[Candidate] = []
        with ThreadPoolExecutor(max_workers=2) as decoders:
            while size := clock.next_batch(len(candidates) - len(done)):
                batch = _Batch(candidates[len(done) : len(done) + size])
                self._find_states(batch, clock, timings, decoders)
                judged_now = self._judge(texts, batch, timings)
                done += judged_now
                clock.tick(len(judged_now))
                if on_progress is not None:
                    on_progress(judged_now, len(done), len(candidates))
        judged = [one for one in done if one.match is not None]
        return Reranked(
            # Sorting is stable: equal scores stay in order of cosine.
            sorted(judged, key=lambda one: one.score, reverse=True)
            + [one for one in done if one.match is None]
            + list(candidates[len(done) :]),
            judged=len(judged),
            unreadable=len(done) - len(judged),
        )

    def _find_states(
        self, batch: _Batch, clock: _Clock, timings: Timings, decoders: ThreadPoolExecutor
    ) -> None:
        """Read what is stored and compute what is not; cut the batch where the time ends."""
        with timings.stage("states"):
            batch.take(*self._collection.stored_states(batch.keys(batch.missing)), batch.missing)
        missing = batch.missing
        step = clock.most_encoded
        for start in range(0, len(missing), step):
            if clock.is_over and start:
                batch.cut(missing[start])
                return
            part = missing[start : start + step]
            with timings.stage("decode"):
                pixels = list(decoders.map(self._read, (batch.candidates[i] for i in part)))
            readable = np.array([image is not None for image in pixels])
            if readable.any():
                kept = [index for index, good in zip(part, readable, strict=True) if good]
                states = self._encode(
                    batch.keys(kept), [image for image in pixels if image is not None], timings
                )
                batch.take(readable, states, part)

    def _encode(
        self, keys: Sequence[StateKey], pixels: Sequence[Pixels], timings: Timings
    ) -> ImageStates:
        kind = self._collection.states_kind
        with timings.stage("encode"):
            encoded = self._retriever.encode_prepared(np.stack(pixels)).states
            states = self._retriever.pack_states(encoded, kind)
        with timings.stage("states"):
            self._collection.keep_states(keys, states, kind)
        return states

    def _judge(
        self, texts: Sequence[tuple[Judgement, EncodedQuery]], batch: _Batch, timings: Timings
    ) -> list[Candidate]:
        judged = list(batch.candidates)
        # Part by part: another process may have changed meanwhile how states are kept.
        for which, states in batch.parts:
            with timings.stage("match"):
                logits = [self._retriever.match(text, states) for _, text in texts]
            matches = [self._retriever.match_probability(one) for one in logits]
            said, match = combined([one for one, _ in texts], logits, matches)
            for index, itm, probability in zip(which, said, match, strict=True):
                score = itm + judged[index].cosine
                judged[index] = replace(judged[index], score=score, match=probability)
        return judged

    def _read(self, candidate: Candidate) -> Pixels | None:
        try:
            opened = open_picture(
                candidate.entry.place,
                max_pixels=self._max_pixels,
                network_size=self._retriever.image_size,
            )
        except ImageError as error:
            logger.warning("not reranked: %s: %s", candidate.entry.absolute_path, error)
            return None
        return self._retriever.prepare(opened)


def combined(
    judgements: Sequence[Judgement], logits: Sequence[Logits], matches: Sequence[Probabilities]
) -> tuple[list[float], list[float]]:
    """What several judgements say together of n images: scores without the cosine, and matches.

    `logits[i]` (n, 2) and `matches[i]` (n,) are those of judgement i. The match is the product of
    the sentences' probabilities, 1 - P for those that must not match, as if they were independent.
    The score of one sentence is its raw logit: with the cosine the published ranking score,
    `itm_logits[:, 1] + itc_cosine` (evaluation() in train_retrieval.py of salesforce/BLIP). Of
    several it is their mean by weight; log(1 - P) of what must not match is added, which
    multiplies the odds by it.
    """
    wanted = sum(one.weight for one in judgements if not one.negated)
    score = np.zeros(len(matches[0]))
    match = np.ones(len(matches[0]))
    for one, own_logits, own_match in zip(judgements, logits, matches, strict=True):
        probability = own_match.astype(np.float64)
        if one.negated:
            match *= 1.0 - probability
            score += one.weight * np.log(np.maximum(1.0 - probability, _LEAST))
        else:
            match *= probability
            score += one.weight / wanted * own_logits[:, 1]
    return score.tolist(), match.tolist()


class _Clock:
    """Says how many candidates come next, so that a time limit is kept."""

    def __init__(self, budget: float | None, at_once: int) -> None:
        self._budget = budget
        self._at_once = at_once
        self._began = self._last = time.perf_counter()
        self._pace: float | None = None  # seconds a candidate of the last batch

    @property
    def is_over(self) -> bool:
        return self._budget is not None and time.perf_counter() - self._began >= self._budget

    @property
    def most_encoded(self) -> int:
        """Pictures encoded before the clock is looked at again: a tower takes its time."""
        return ENCODE_BATCH if self._budget is None else 1

    def next_batch(self, left: int) -> int:
        """How many of the candidates that are left to judge next; 0 at the end."""
        if self._budget is None:
            return min(left, self._at_once)
        if self._pace is None:
            return min(left, self._at_once, FIRST_BATCH)
        spare = self._budget - (time.perf_counter() - self._began)
        return max(0, min(left, self._at_once, int(spare / self._pace)))

    def tick(self, judged: int) -> None:
        """Note that a batch is done."""
        now = time.perf_counter()
        self._pace = (now - self._last) / judged
        self._last = now


class _Batch:
    """Some candidates, and the states of those whose states are known: `parts`."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.candidates = list(candidates)
        self.missing = list(range(len(self.candidates)))
        self.parts: list[tuple[list[int], ImageStates]] = []

    def keys(self, which: Sequence[int]) -> list[StateKey]:
        """The keys under which states of these are stored."""
        entries = [self.candidates[index].entry for index in which]
        return [StateKey(entry.id, entry.sha256) for entry in entries]

    def take(
        self, found: npt.NDArray[np.bool_], states: ImageStates | None, which: Sequence[int]
    ) -> None:
        """Take states of those of `which` that are marked as found."""
        if states is not None:
            taken = [index for index, good in zip(which, found, strict=True) if good]
            self.parts.append((taken, states))
            self.missing = sorted({*self.missing} - {*taken})

    def cut(self, end: int) -> None:
        """Leave out the candidates from `end` on."""
        self.candidates = self.candidates[:end]
        for number, (which, states) in enumerate(self.parts):
            kept = [row for row, index in enumerate(which) if index < end]
            rows = np.array(kept, dtype=np.int64)
            self.parts[number] = [which[row] for row in kept], states.rows(rows)
