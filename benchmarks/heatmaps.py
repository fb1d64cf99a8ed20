"""Measures whether a word's heat map is hottest on what the word names.

    python -m benchmarks.heatmaps [--scenes 500] [--first-seed 1000000]

Scenes of the built-in world that training never drew. Asked about is the noun of each group whose
kind the scene shows once, and each colour that only one group has, in the scene's full caption ("a
red dog left of two blue cats on snow") and in a short query of its own ("a red dog"). A hit is
strict: the patch with the highest value must show the named thing by `label_map`, which says of a
patch what covers two fifths of it; a patch beside the thing is a miss. Chance is the thing's share
of the patches.

Writes benchmarks/results/heatmaps.md, .json and .png, and docs/images/heat-map.jpg.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import torch

from blipsearch.blip import BlipRetriever
from blipsearch.blip.heatmaps import HeatMaps, Trace, Words, heat_map_layer, trace, word_maps
from blipsearch.blip.pretraining.evaluation import related_scenes
from blipsearch.heatmap import draw_heat_map, heat_map_sheet
from blipsearch.picturebook import grammar
from blipsearch.picturebook.grammar.words import noun
from blipsearch.picturebook.render import label_map, render
from blipsearch.picturebook.scene import Scene

mpl.use("Agg")
from matplotlib import pyplot as plt

RESULTS = Path(__file__).parent / "results"
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "heat-map.jpg"
FIRST_SEED = 1_000_000
"""As in benchmarks/quality.py; the method was chosen on scenes from 2,000,000 on."""
PICTURE_SIZE = 256
SHOWN_SIZE = 384
SHOWN = 4
WANTED = 0.8
KINDS = ("full caption", "short query")
CHOSEN = "own row and what the word moves"
UNWEIGHTED = f"{CHOSEN}, without the gradient"

Bools = npt.NDArray[np.bool_]
States = npt.NDArray[np.float32]
Method = Callable[[Trace, int, int], torch.Tensor]
"""From a trace, a word's number and its place, to its map over the patches (tokens - 1,)."""


def _attention(found: Trace, _word: int, place: int) -> torch.Tensor:
    return found.attention.mean(0)[place, 1:]


def _published(found: Trace, _word: int, place: int) -> torch.Tensor:
    return (found.attention * found.gradient.clamp(min=0)).mean(0)[place, 1:]


def _all_rows(found: Trace, _word: int, _place: int) -> torch.Tensor:
    return (found.attention * found.gradient.clamp(min=0)).mean(0).sum(0)[1:]


def _moved_unweighted(found: Trace, word: int, _place: int) -> torch.Tensor:
    return (found.attention - found.without[word]).mean(0).sum(0)[1:]


def _moved_signed(found: Trace, word: int, _place: int) -> torch.Tensor:
    drawn = found.attention - found.without[word]
    return (drawn * found.gradient).mean(0).sum(0)[1:]


def _chosen(found: Trace, word: int, _place: int) -> torch.Tensor:
    return word_maps(found)[word]


METHODS: dict[str, Method] = {
    "attention of the word's row": _attention,
    "published: Grad-CAM of the word's row": _published,
    "Grad-CAM of all rows, the same map for every word": _all_rows,
    UNWEIGHTED: _moved_unweighted,
    f"{CHOSEN}, gradient with its sign": _moved_signed,
    CHOSEN: _chosen,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One text about a scene: its nouns and its colours, each with the group that alone has it."""

    text: str
    named: tuple[tuple[str, int], ...]
    coloured: tuple[tuple[str, int], ...]


def asked(scene: Scene) -> Iterator[tuple[str, Asked]]:
    """What is asked about a scene, each with its kind of text."""
    kinds = [group.kind for group in scene.groups]
    colours = [group.colour for group in scene.groups]
    groups = list(enumerate(scene.groups))
    named = tuple((noun(g.kind, g.count), n) for n, g in groups if kinds.count(g.kind) == 1)
    coloured = tuple((g.colour, n) for n, g in groups if colours.count(g.colour) == 1)
    yield KINDS[0], Asked(grammar.full_caption(scene), named, coloured)
    for word, number in named:
        group = scene.groups[number]
        several = group.count if group.count > 1 else None
        phrase = grammar.Phrase(group.kind, group.colour, number=several)
        text = grammar.write(grammar.Claim((phrase,)))
        own = tuple(one for one in coloured if one[1] == number)
        yield KINDS[1], Asked(text, ((word, number),), own)


@cache
def cells(scene: Scene, group: int, grid: int) -> Bools:
    """Which patches show a group, (grid, grid)."""
    own = [number for number, thing in enumerate(scene.things) if thing.group == group]
    return np.isin(label_map(scene, grid), own)


class Bench:
    """The built-in checkpoint, and how often each method's hottest patch lies on the thing."""

    def __init__(self) -> None:
        self.retriever = BlipRetriever.from_pretrained("builtin")
        self.network = self.retriever._network  # noqa: SLF001  # layers that are not chosen
        self.layers = len(self.network.text_encoder.encoder.layer)
        self.grid = round((self.retriever.tokens - 1) ** 0.5)
        self.hits: dict[tuple[str, int, str], list[bool]] = defaultdict(list)
        self.colours: dict[tuple[str, str], list[bool]] = defaultdict(list)
        self.scenes_hit: dict[str, list[bool]] = defaultdict(list)
        self.overall: dict[str, list[bool]] = defaultdict(list)
        self.shares: dict[str, list[float]] = defaultdict(list)

    def measure(self, scenes: Sequence[Scene]) -> None:
        """Ask about every scene."""
        for scene in scenes:
            states = self.retriever.encode_images([render(scene, PICTURE_SIZE)]).states
            for kind, one in asked(scene):
                self._all_methods(kind, one, scene, states)
                self._chosen_method(kind, one, scene, states)

    def _all_methods(self, kind: str, one: Asked, scene: Scene, states: States) -> None:
        vocabulary = self.retriever._vocabulary  # noqa: SLF001
        ids = vocabulary.caption_ids(one.text, vocabulary.enc)
        words = vocabulary.caption_words(one.text)
        for layer in range(self.layers):
            found = trace(self.network, ids, words, torch.from_numpy(states[0]), layer)
            for name, method in METHODS.items():
                hit = partial(self._hit, method, found, words, scene)
                self.hits[name, layer, kind] += [hit(*word) for word in one.named]
                if layer == heat_map_layer(self.layers):
                    self.colours[name, kind] += [hit(*word) for word in one.coloured]

    def _hit(
        self, method: Method, found: Trace, words: Words, scene: Scene, word: str, group: int
    ) -> bool:
        number = [one for one, _ in words].index(word)
        hottest = int(method(found, number, words[number][1][0]).argmax())
        return bool(cells(scene, group, self.grid).flat[hottest])

    def _chosen_method(self, kind: str, one: Asked, scene: Scene, states: States) -> None:
        """The public call, also for whole scenes and the map of all words."""
        maps = self.retriever.heat_maps(one.text, states)
        told = []
        for word, group in one.named:
            own = cells(scene, group, self.grid).ravel()
            told.append(bool(own[maps.maps[0, maps.words.index(word)].argmax()]))
            self.shares[kind].append(float(own.mean()))
        if told:
            self.scenes_hit[kind].append(all(told))
        of_any = label_map(scene, self.grid).ravel() >= 0
        self.overall[kind].append(bool(of_any[maps.overall[0].argmax()]))


def table(bench: Bench) -> str:
    """The figures as Markdown: by method and layer, then of the chosen one."""
    named, numbers = len(bench.shares[KINDS[0]]), range(bench.layers)
    lines = [
        f"Share of {named} named things that hold their noun's hottest patch, by layer.",
        "",
        "| | " + " | ".join(f"{kind}, layer {n}" for kind in KINDS for n in numbers) + " |",
        "|---|" + "---:|" * (len(KINDS) * bench.layers),
    ]
    for name in METHODS:
        told = [f"{np.mean(bench.hits[name, n, kind]):.3f}" for kind in KINDS for n in numbers]
        lines.append(f"| {name} | " + " | ".join(told) + " |")
    return "\n".join([*lines, "", *_shipped(bench)])


def _shipped(bench: Bench) -> list[str]:
    layer, wanted = heat_map_layer(bench.layers), f"≥ {WANTED}"
    nouns = {kind: bench.hits[CHOSEN, layer, kind] for kind in KINDS}
    colours, plain = (
        {kind: bench.colours[name, kind] for kind in KINDS} for name in (CHOSEN, UNWEIGHTED)
    )
    rows = [
        ("named things hit", _means(nouns), wanted),
        ("colours hit", _means(colours), ""),
        ("colours hit, without the gradient", _means(plain), ""),
        ("texts with all named things hit", _means(bench.scenes_hit), wanted),
        ("map of all words hottest on any thing", _means(bench.overall), ""),
        ("chance: the thing's share of the patches", _means(bench.shares), ""),
    ]
    return [
        f"As shipped: {CHOSEN}, layer {layer}.",
        "",
        f"| | {KINDS[0]} | {KINDS[1]} | wanted |",
        "|---|---:|---:|---:|",
        *(f"| {name} | {told[0]:.3f} | {told[1]:.3f} | {least} |" for name, told, least in rows),
    ]


def _means(by_kind: Mapping[str, Sequence[float]]) -> list[float]:
    return [float(np.mean(by_kind[kind])) for kind in KINDS]


def _draw_examples(retriever: BlipRetriever, scenes: Sequence[Scene], folder: Path) -> None:
    """A row for each of the first scenes of two or three groups: the picture, then word by word."""
    chosen = [scene for scene in scenes if len(scene.groups) > 1][: 2 * SHOWN : 2]
    found = [_maps(retriever, scene) for scene in chosen]
    most = max(len(maps.content) for maps in found)
    figure, axes = plt.subplots(len(chosen), most + 1, figsize=(1.3 * (most + 1), 1.75 * SHOWN))
    for row, (scene, maps) in enumerate(zip(chosen, found, strict=True)):
        picture = render(scene, SHOWN_SIZE)
        for axis in axes[row]:
            axis.axis("off")
        axes[row, 0].imshow(picture)
        axes[row, 0].set_title(grammar.full_caption(scene), fontsize=9, loc="left", pad=16)
        for column, number in enumerate(maps.content, start=1):
            axes[row, column].imshow(draw_heat_map(picture, maps.maps[0, number]))
            axes[row, column].set_title(maps.words[number], fontsize=8, pad=2)
    figure.savefig(folder / "heatmaps.png", dpi=90, bbox_inches="tight")


def _draw_sheet(retriever: BlipRetriever, scenes: Sequence[Scene]) -> None:
    """The sheet of the first scene of three groups, as `Explainer` draws it."""
    scene = next(scene for scene in scenes if len(scene.groups) == 3)
    maps = _maps(retriever, scene)
    content = list(maps.content)
    sheet = heat_map_sheet(
        render(scene, SHOWN_SIZE),
        [maps.words[number] for number in content],
        maps.maps[0, content],
        maps.overall[0],
        grammar.full_caption(scene),
        float(retriever.match_probability(maps.logits)[0]),
    )
    sheet.save(PICTURE, quality=80)


def _maps(retriever: BlipRetriever, scene: Scene) -> HeatMaps:
    states = retriever.encode_images([render(scene, PICTURE_SIZE)]).states
    return retriever.heat_maps(grammar.full_caption(scene), states)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Whether heat maps show what their words name.")
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    arguments = parser.parse_args()
    started = time.monotonic()
    scenes = related_scenes("new_scenes", arguments.scenes, arguments.first_seed)
    bench = Bench()
    bench.measure(scenes)
    told = table(bench)
    print(told)
    print(f"\n{(time.monotonic() - started) / 60:.1f} min")
    if arguments.first_seed != FIRST_SEED:
        return
    _write(bench, told, arguments.scenes)
    _draw_examples(bench.retriever, scenes, RESULTS)
    _draw_sheet(bench.retriever, scenes)


def _write(bench: Bench, told: str, scenes: int) -> None:
    title = f"# Heat maps of the built-in checkpoint, {scenes} new scenes"
    (RESULTS / "heatmaps.md").write_text(f"{title}\n\n{told}\n")
    by_method = {
        name: {
            kind: [float(np.mean(bench.hits[name, n, kind])) for n in range(bench.layers)]
            for kind in KINDS
        }
        for name in METHODS
    }
    result = {
        "scenes": scenes,
        "named": {kind: len(bench.shares[kind]) for kind in KINDS},
        "layer": heat_map_layer(bench.layers),
        "hits by method and layer": by_method,
        "texts with all hit": dict(zip(KINDS, _means(bench.scenes_hit), strict=True)),
        "colours hit": {
            name: _means({k: bench.colours[name, k] for k in KINDS})
            for name in (CHOSEN, UNWEIGHTED)
        },
        "overall on any thing": dict(zip(KINDS, _means(bench.overall), strict=True)),
        "chance": dict(zip(KINDS, _means(bench.shares), strict=True)),
    }
    (RESULTS / "heatmaps.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
