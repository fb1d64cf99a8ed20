"""On the built-in quality benchmark's scenes, no way of storing states costs recall."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from blipsearch.blip import BlipRetriever
from blipsearch.blip.pretraining.evaluation import related_scenes
from blipsearch.blip.products import int8_is_exact
from blipsearch.picturebook import grammar
from blipsearch.picturebook.render import render
from blipsearch.records import StatesKind

SCENES = 200
CANDIDATES = 64
FIRST_SEED = 1_000_000
"""The first scenes of benchmarks/quality.py."""


class Scenes:
    """The scenes encoded, and what retrieval proposes for each one's caption."""

    def __init__(self) -> None:
        self.retriever = BlipRetriever.from_pretrained("builtin")
        scenes = related_scenes("new_scenes", SCENES, FIRST_SEED)
        encoded = self.retriever.encode_images([render(scene, 256) for scene in scenes])
        self.states = encoded.states
        self.queries = [grammar.full_caption(scene) for scene in scenes]
        cosines = self.retriever.get_text_features(self.queries) @ encoded.features.T
        self.candidates = np.argsort(-cosines, axis=1)[:, :CANDIDATES]
        self.cosines = np.take_along_axis(cosines, self.candidates, axis=1)

    def first(self, retriever: BlipRetriever, kind: StatesKind) -> npt.NDArray[np.int64]:
        """The picture that comes first after the rerank, for each query."""
        stored = retriever.pack_states(self.states, kind)
        found = np.empty(SCENES, dtype=np.int64)
        for number, query in enumerate(self.queries):
            logits = retriever.match(query, stored.rows(self.candidates[number]))
            best = np.argmax(logits[:, 1] + self.cosines[number])
            found[number] = self.candidates[number, best]
        return found


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return Scenes()


@pytest.fixture(scope="module")
def recall(scenes: Scenes) -> float:
    """Recall@1 with states as the tower gives them."""
    return _recall(scenes.first(scenes.retriever, "none"))


def _recall(found: npt.NDArray[np.int64]) -> float:
    return float(np.mean(found == np.arange(SCENES)))


@pytest.mark.parametrize("kind", ["float16", "int8", "merged"])
def test_recall_moves_by_half_a_point_at_most(
    scenes: Scenes, recall: float, kind: StatesKind
) -> None:
    assert recall > 0.98
    assert abs(_recall(scenes.first(scenes.retriever, kind)) - recall) <= 0.005


def test_recall_moves_by_half_a_point_at_most_with_an_int8_match(
    scenes: Scenes, recall: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Attention of so small a network would otherwise stay in float32.
    monkeypatch.setattr("blipsearch.blip.matcher.LOOP_FLOP", 0)
    if not int8_is_exact():
        pytest.skip("this CPU cannot multiply int8 exactly")
    rounded = BlipRetriever.from_pretrained("builtin", match_dtype="int8")
    assert abs(_recall(scenes.first(rounded, "merged")) - recall) <= 0.005
