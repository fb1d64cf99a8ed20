"""On scenes of the built-in world, a word's map is hottest on the thing that it names."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from blipsearch.blip import BlipRetriever
from blipsearch.blip.heatmaps import HeatMaps
from blipsearch.blip.pretraining.evaluation import related_scenes
from blipsearch.picturebook import grammar
from blipsearch.picturebook.grammar.words import noun
from blipsearch.picturebook.render import label_map, render
from blipsearch.picturebook.scene import Scene
from blipsearch.records import StatesKind

SCENES = 60
FIRST_SEED = 1_000_000
"""The first scenes of benchmarks/heatmaps.py."""
GRID = 8


class Scenes:
    """The scenes, their states, and the maps of their full captions."""

    def __init__(self) -> None:
        self.retriever = BlipRetriever.from_pretrained("builtin")
        self.scenes = related_scenes("new_scenes", SCENES, FIRST_SEED)
        self.states = self.retriever.encode_images([render(s, 256) for s in self.scenes]).states
        self.captions = [grammar.full_caption(scene) for scene in self.scenes]
        self.maps = [self._maps(number, "none") for number in range(SCENES)]

    def _maps(self, number: int, kind: StatesKind) -> HeatMaps:
        stored = self.retriever.pack_states(self.states[number : number + 1], kind)
        return self.retriever.heat_maps(self.captions[number], stored)

    def moved(self, kind: StatesKind) -> list[float]:
        """By how much of its highest value a scene's overall map differs with such states."""
        return [
            float(np.abs(self._maps(number, kind).overall - whole.overall).max())
            / float(whole.overall.max())
            for number, whole in enumerate(self.maps[:20])
        ]


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return Scenes()


def _shows(scene: Scene, group: int) -> npt.NDArray[np.bool_]:
    own = [number for number, thing in enumerate(scene.things) if thing.group == group]
    return np.isin(label_map(scene, GRID), own).ravel()


def test_a_noun_is_hottest_on_what_it_names_in_four_of_five_cases(scenes: Scenes) -> None:
    hits = []
    for scene, found in zip(scenes.scenes, scenes.maps, strict=True):
        kinds = [group.kind for group in scene.groups]
        for number, group in enumerate(scene.groups):
            if kinds.count(group.kind) == 1:
                word = found.words.index(noun(group.kind, group.count))
                hits.append(_shows(scene, number)[found.maps[0, word].argmax()])
    assert len(hits) > SCENES
    assert np.mean(hits) >= 0.8


def test_all_words_together_are_hottest_on_a_thing(scenes: Scenes) -> None:
    hits = [
        label_map(scene, GRID).ravel()[found.overall[0].argmax()] >= 0
        for scene, found in zip(scenes.scenes, scenes.maps, strict=True)
    ]
    assert np.mean(hits) >= 0.8


@pytest.mark.parametrize(("kind", "most"), [("float16", 0.01), ("int8", 0.1)])
def test_states_as_they_are_stored_give_nearly_the_same_map(
    scenes: Scenes, kind: StatesKind, most: float
) -> None:
    assert max(scenes.moved(kind)) < most
